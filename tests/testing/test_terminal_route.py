"""
The route of terminals: its query, its refusals, its frames and its slow readers.
"""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from pty_client import RAW, Open, wait_until

from coder_agents.testing import Deployment, EmbeddedAgent

ID = "00000000-0000-4000-8000-000000000000"

# Handshakes of a terminal, without its path.
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(params=["2.24", "2.31", "2.35"])
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """
    A deployment of each release in turn, whose pings come quickly.
    """
    with Deployment(release=request.param, ping_interval=0.1) as made:
        yield made


@pytest.fixture
def path(agent: EmbeddedAgent) -> str:
    """
    The path of its terminals.
    """
    return f"/workspaceagents/{agent.id}/pty"


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ("height=24", "reconnect", 'Query param "reconnect" is required and cannot be empty'),
        ("reconnect=", "reconnect", 'Query param "reconnect" is required and cannot be empty'),
        ("reconnect=x", "reconnect", 'Query param "reconnect" must be a valid uuid'),
        (
            f"reconnect={ID}&height=-1",
            "height",
            (
                'Query param "height" must be a valid positive integer '
                '(strconv.ParseUint: parsing "-1": invalid syntax)'
            ),
        ),
        (
            f"reconnect={ID}&width=1.5",
            "width",
            (
                'Query param "width" must be a valid positive integer '
                '(strconv.ParseUint: parsing "1.5": invalid syntax)'
            ),
        ),
        (
            f"reconnect={ID}&width={2**64}",
            "width",
            (
                'Query param "width" must be a valid positive integer '
                '(strconv.ParseUint: parsing "18446744073709551616": value out of range)'
            ),
        ),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(
    call: Any, path: str, query: str, field: str, detail: str
) -> None:
    """
    The answer is a 400 with the parameter and what is wrong with it.
    """
    response = call.get(f"{path}?{query}", headers={**call.headers, **UPGRADE})
    assert response.status_code == 400
    assert response.json() == {
        "message": "Invalid query parameters.",
        "validations": [{"field": field, "detail": detail}],
    }


def test_who_has_no_token_finds_no_terminal(call: Any, path: str) -> None:
    """
    A missing token, and a wrong one, get a 404 here and not the 401 of other routes.
    """
    for headers in ({}, {"Coder-Session-Token": "wrong"}):
        response = call.get(f"{path}?reconnect={ID}", headers={**headers, **UPGRADE})
        assert response.status_code == 404
        text = "Resource not found or you do not have access to this resource"
        assert response.json() == {"message": text}


def test_a_signed_token_opens_the_terminal_of_its_agent_alone(
    call: Any, path: str, agent: EmbeddedAgent, deployment: Deployment
) -> None:
    """
    A token that was issued for the terminal of an agent takes the place of the session's token.
    """
    deployment.licensed = True
    other = deployment.add_agent("other")
    url = f"{deployment.url}/api/v2{path}"
    document = {"url": url, "agentID": str(agent.id)}
    issued = call("POST", "/applications/reconnecting-pty-signed-token", json=document).json()
    query = f"reconnect={ID}&command=true&coder_signed_app_token_23db1dde={issued['signed_token']}"
    assert call.websocket(f"{path}?{query}", header={}).getstatus() == 101
    for elsewhere in (f"/workspaceagents/{other.id}/pty", f"/workspaceagents/{agent.id}/logs"):
        response = call.get(f"{elsewhere}?{query}", headers=UPGRADE)
        assert response.status_code in (401, 404)


def test_an_agent_out_of_touch_has_no_terminal(
    call: Any, path: str, agent: EmbeddedAgent, deployment: Deployment
) -> None:
    """
    A disconnected agent is a page with status 502 without its length.
    """
    agent.disconnect()
    response = call.get(f"{path}?reconnect={ID}", headers={**call.headers, **UPGRADE})
    assert response.status_code == 502
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-length" not in response.headers
    assert "Application Unavailable" in response.text


def test_a_superseded_agent_has_no_terminal(
    call: Any, path: str, agent: EmbeddedAgent, deployment: Deployment
) -> None:
    """
    The agent of an older build is disconnected, or gone where the release forgets it.
    """
    agent.new_build()
    response = call.get(f"{path}?reconnect={ID}", headers={**call.headers, **UPGRADE})
    forgotten = "2.35" in repr(deployment)
    assert response.status_code == (404 if forgotten else 502)


def test_the_answer_sets_the_cookie_of_a_signed_token(
    call: Any, path: str, agent: EmbeddedAgent
) -> None:
    """
    The handshake sets the cookie of the token, beside the one of every answer.
    """
    connection = call.websocket(f"{path}?reconnect={ID}&command=true")
    cookies = connection.getheaders()["set-cookie"]
    assert "coder_signed_app_token=" in cookies


def test_a_plain_request_is_told_to_upgrade(call: Any, path: str) -> None:
    """
    Without a handshake the answer is a 426, and nothing is started.
    """
    assert call.get(f"{path}?reconnect={ID}").status_code == 426


def test_a_text_frame_is_closed_with_1003(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A text is answered with the close of a frame of the wrong type, and the process lives on.
    """
    client = terminal(deployment, agent, f"{RAW} read go; echo done")
    client.read_until(b"READY")
    client.socket.send('{"data":"x"}')
    client.read_all()
    reason = "unexpected frame type read (expected MessageBinary): MessageText"
    assert (client.end, client.reason) == (1003, reason)
    again = terminal(deployment, agent, "", client.reconnect)
    again.send("\n")
    assert again.read_all() == b"READYdone\n"


@pytest.mark.parametrize("text", [b"{bad", b"[]", b'{"data":1}', b'{"height":65536}', b"}"])
def test_bad_json_drops_the_connection(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, text: bytes
) -> None:
    """
    What is no JSON, or not what an agent expects, ends the connection without a close frame; what
    came before it has arrived.
    """
    client = terminal(deployment, agent, f"{RAW} cat >input")
    client.read_until(b"READY")
    client.socket.send_binary(b'{"data":"before"}' + text)
    client.read_all()
    assert client.end == "drop"
    received = agent.terminals.home / "input"
    wait_until(lambda: received.exists() and received.read_bytes() == b"before")


def test_frames_and_objects_need_not_align(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    An object in many frames, and many objects in one frame, are the same input.
    """
    client = terminal(deployment, agent, f"{RAW} head -c 6; printf .")
    client.read_until(b"READY")
    for byte in b'{"data":"a\\u0003\\ud83d\\ude00"}':
        client.socket.send_binary(bytes([byte]))
    assert client.read_all() == "READYa\x03\U0001f600.".encode()


def test_pings_and_fragments_in_between_do_no_harm(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A ping is answered in the middle of output that waits for the client.
    """
    client = terminal(deployment, agent, f"{RAW} head -c 3000000 /dev/zero; printf END")
    client.read_until(b"READY")
    client.socket.ping("now")
    while client.socket.recv_data(control_frame=True)[0] != websocket.ABNF.OPCODE_PONG:
        pass
    assert client.read_until(b"END").endswith(b"\0END")


def test_input_and_output_do_not_wait_for_each_other(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    Megabytes of input arrive exactly while the process does not read, and output comes meanwhile.
    """
    deployment.pong_timeout = 30
    command = f"{RAW} seq 3000; sleep 0.3; head -c 2000000 | cksum; read go"
    client = terminal(deployment, agent, command)
    client.read_until(b"READY")
    client.send("x" * 2_000_000)
    assert client.read_until(b" 2000000\n").count(b"\n") == 3001


def test_a_client_that_does_not_read_is_closed(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    It is closed with 1001 once it has not answered a ping, loses what was queued, and until then
    the process and the other clients wait.
    """
    deployment.pong_timeout = 0.4
    buffers = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)]
    client = terminal(
        deployment, agent, f"{RAW} read go; seq 200000; echo END; read go", sockopt=buffers
    )
    client.read_until(b"READY")
    other = terminal(deployment, agent, "", client.reconnect)
    other.send("\n")
    (process,) = agent.terminals.running.values()
    assert other.read_until(b"END\n")
    assert process.clients == 1
    client.read_unanswered()
    expected = "liveness probe failed" if "2.35" in repr(deployment) else "Ping failed"
    assert (client.end, client.reason) == (1001, expected)
    assert b"END" not in client.output
    assert other.output.startswith(bytes(client.output))


def test_a_client_that_leaves_in_the_middle_of_output_is_let_go(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    The process continues where its only client leaves without reading.
    """
    client = terminal(deployment, agent, f"{RAW} read go; seq 1000000; touch done; read go")
    client.read_until(b"READY")
    client.send("\n")
    client.read()
    client.close()
    wait_until((agent.terminals.home / "done").exists)


def test_a_terminal_works_under_tls(terminal: Open) -> None:
    """
    Large output and input are exact under TLS, and a slow reader is closed there too.
    """
    with Deployment(tls=True, ping_interval=0.1) as deployment:
        agent = deployment.add_agent()
        client = terminal(deployment, agent, f"{RAW} head -c 300000 | cksum; seq 300000")
        client.read_until(b"READY")
        client.send("x" * 300_000)
        assert client.read_all().endswith(b"\n299999\n300000\n")
        assert client.output.count(b"\n") == 300_001
        deployment.pong_timeout = 0.4
        buffers = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)]
        slow = terminal(deployment, agent, f"{RAW} seq 1000000; read go", sockopt=buffers)
        slow.read_until(b"READY")
        (process,) = agent.terminals.running.values()
        wait_until(lambda: not process.clients)
        slow.read_unanswered()
        assert slow.end == 1001


def test_a_deployment_that_stops_lets_a_slow_reader_go(terminal: Open) -> None:
    """
    It does not wait for a client that does not read.
    """
    with Deployment() as deployment:
        agent = deployment.add_agent()
        buffers = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)]
        client = terminal(deployment, agent, f"{RAW} seq 1000000; read go", sockopt=buffers)
        client.read_until(b"READY")
        (process,) = agent.terminals.running.values()
        wait_until(lambda: len(process.replayed) == 65_536)
    client.read_all()
    assert client.end == 1000


def test_screen_is_not_there(deployment: Deployment, agent: EmbeddedAgent, terminal: Open) -> None:
    """
    A terminal of the type screen ends at once, and any other word is the ordinary type.
    """
    client = terminal(deployment, agent, "echo x", backend_type="screen")
    assert client.read_all() == b""
    assert terminal(deployment, agent, "echo x", backend_type="?").read_all() == b"x\r\n"
    assert agent.terminals.commands == ["echo x"]


def test_the_route_is_recorded_like_any_other(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    The deployment keeps the request under the name of the route.
    """
    terminal(deployment, agent, "true", uuid.UUID(ID)).read_all()
    assert deployment.requests[-1].route == "pty"
    assert json.dumps(deployment.requests[-1].target)
