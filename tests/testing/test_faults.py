"""
Faults on demand, as a peer sees them.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import Any

import pytest
import requests
import websocket

from coder_agents.testing import Deployment, EmbeddedAgent
from coder_agents.testing.connection import ServerConnection
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.faults import KINDS
from coder_agents.testing.http import ServerRequest, encode_head

HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.fixture
def agent(deployment: Deployment) -> Any:
    """
    An agent with a line of log and a value.
    """
    made = deployment.add_agent()
    made.push_logs(["line"])
    made.set_metadata("key", "value")
    return made


@pytest.fixture
def follow(agent: EmbeddedAgent) -> str:
    """
    The path that follows its log.
    """
    return f"/workspaceagents/{agent.id}/logs?follow"


@pytest.fixture
def metadata(agent: EmbeddedAgent) -> str:
    """
    The path that watches its metadata.
    """
    return f"/workspaceagents/{agent.id}/watch-metadata"


@pytest.fixture
def rest(agent: EmbeddedAgent) -> str:
    """
    The path that reads its log.
    """
    return f"/workspaceagents/{agent.id}/logs"


def first_payload(received: bytes) -> bytes:
    """
    The payload of the first frame behind a handshake, of medium length.
    """
    frame = received.partition(b"\r\n\r\n")[2]
    assert frame[:2] == b"\x81\x7e"
    return frame[4 : 4 + int.from_bytes(frame[2:4])]


def test_close_has_code_and_reason(
    deployment: Deployment, call: Any, agent: EmbeddedAgent, follow: Any
) -> None:
    """
    It comes as soon as that many messages were sent, and only so often.
    """
    fault = deployment.faults.add(
        "close", route="logs_follow", after=2, times=2, code=1011, reason="slow"
    )
    for number in range(2):
        stream = call.websocket(follow)
        stream.recv()
        agent.push_logs([f"more {number}"])
        assert f"more {number}" in stream.recv()
        assert stream.recv_data() == (8, (1011).to_bytes(2) + b"slow")
    third = call.websocket(follow)
    third.recv()
    agent.push_logs(["all is well"])
    assert "all is well" in third.recv()
    assert fault.struck == 2


@pytest.mark.parametrize("code", [999, 1005, 1006, 1015, 5000])
def test_codes_that_cannot_be_sent(deployment: Deployment, code: int) -> None:
    """
    What has no meaning in a close frame is an error of the caller.
    """
    with pytest.raises(ValueError, match="close code"):
        deployment.faults.add("close", route="logs_follow", code=code)


def test_drop_leaves_without_a_word(
    deployment: Deployment, call: Any, drain: Any, follow: Any
) -> None:
    """
    The connection ends after the messages, without a close frame.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    wire = call.socket(follow, *HANDSHAKE)
    received = drain(wire)
    assert received.startswith(b"HTTP/1.1 101 ")
    payload = first_payload(received)
    assert json.loads(payload)[0]["output"] == "line"
    assert received.endswith(payload)


@pytest.mark.parametrize("kind", ["drop", "reset"])
@pytest.mark.parametrize("at", ["request", "message"])
def test_nothing_comes_of_a_dropped_request(
    deployment: Deployment, call: Any, rest: Any, kind: str, at: str
) -> None:
    """
    A response that is dropped has not begun, wherever the fault is placed.
    """
    deployment.faults.add(kind, route="logs", at=at)
    with pytest.raises(requests.ConnectionError):
        call.get(rest)
    assert call.get(rest).status_code == 200


def test_a_drop_behind_a_response_ends_the_kept_connection(
    deployment: Deployment, call: Any, drain: Any, rest: Any
) -> None:
    """
    After one message, which a response is, the connection is gone.
    """
    deployment.faults.add("drop", route="logs", after=1)
    wire = call.socket(rest)
    assert b"line" in drain(wire)


def test_a_drop_before_the_handshake(
    deployment: Deployment, call: Any, drain: Any, follow: Any
) -> None:
    """
    At the request not even the status line comes.
    """
    deployment.faults.add("drop", route="logs_follow", at="request")
    assert drain(call.socket(follow, *HANDSHAKE)) == b""


def test_reset_is_a_reset(deployment: Deployment, call: Any, metadata: Any) -> None:
    """
    The peer gets an error, not an end.
    """
    deployment.faults.add("reset", route="watch_metadata", after=2)
    wire = call.socket(metadata)
    with pytest.raises(ConnectionResetError):
        while wire.recv(65_536):
            pass


def test_silence_has_no_pings(deployment: Deployment, call: Any, follow: Any) -> None:
    """
    Nothing comes, and nothing is answered, until it is released.
    """
    fault = deployment.faults.add("silence", route="logs_follow", after=1)
    stream = call.websocket(follow)
    stream.recv()
    stream.ping()
    stream.settimeout(0.35)
    with pytest.raises(websocket.WebSocketTimeoutException):
        stream.recv_data(control_frame=True)
    fault.release()
    stream.settimeout(10)
    assert stream.recv_data(control_frame=True)[0] in (9, 10)


def test_silence_with_pings(
    deployment: Deployment, call: Any, agent: EmbeddedAgent, follow: Any
) -> None:
    """
    Only pings come; what is new waits until the release.
    """
    fault = deployment.faults.add("silence", route="logs_follow", after=1, pings=True)
    stream = call.websocket(follow)
    stream.recv()
    agent.push_logs(["later"])
    assert [stream.recv_data(control_frame=True)[0] for _ in range(3)] == [9, 9, 9]
    fault.release()
    while (found := stream.recv_data(control_frame=True))[0] == 9:
        pass
    assert b"later" in found[1]


def test_silence_before_the_answer_ends_with_the_peer(
    deployment: Deployment, call: Any, follow: Any
) -> None:
    """
    No header comes; whoever gives up leaves no thread behind.
    """
    fault = deployment.faults.add("silence", route="logs_follow", at="request", pings=True)
    wire = call.socket(follow, *HANDSHAKE)
    assert fault.wait_struck()
    wire.settimeout(0.2)
    with pytest.raises(TimeoutError):
        wire.recv(1)


def test_closing_ends_silence(deployment: Deployment, call: Any, drain: Any, metadata: Any) -> None:
    """
    A silent connection ends with the deployment, without a goodbye.
    """
    deployment.faults.add("silence", route="watch_metadata", after=1)
    wire = call.socket(metadata)
    received = b""
    while b"event: data" not in received:
        received += wire.recv(65_536)
    deployment.close()
    assert not drain(wire).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("at", ["request", "message"])
def test_drip_changes_nothing_but_the_pace(
    deployment: Deployment, call: Any, agent: EmbeddedAgent, follow: Any, at: str
) -> None:
    """
    Byte by byte the same arrives, handshake or not.
    """
    fault = deployment.faults.add("drip", route="logs_follow", at=at, pause=0.0001)
    stream = call.websocket(follow)
    assert json.loads(stream.recv())[0]["output"] == "line"
    assert fault.struck == 1


class CountingConnection(ServerConnection):
    """
    Remembers how much was sent at a time.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.sizes: list[int] = []

    def send(self, data: bytes) -> None:
        self.sizes.append(len(data))
        super().send(data)


def test_drip_sends_single_bytes(deployment: Deployment) -> None:
    """
    Each byte goes alone from the message on; what was before is whole.
    """
    fault = deployment.faults.add("drip", route="logs_follow", after=1)
    request = ServerRequest("GET", "/", "/", (), {}, b"", keep_alive=True)
    ours, peer = socket.socketpair()
    connection = CountingConnection(ours)
    with contextlib.closing(peer), contextlib.closing(ours):
        exchange = ServerExchange(connection, request, faults=[fault])
        exchange.send_message(b"whole")
        exchange.send_message(b"abc")
        assert connection.sizes == [5, 1, 1, 1]
        connection.stop()
        connection.end()
        assert peer.recv(100) == b"wholeabc"


def test_refuse_answers_as_a_stranger(
    deployment: Deployment, call: Any, follow: Any, rest: Any
) -> None:
    """
    Status, headers and body are the given ones, without those of a deployment.
    """
    deployment.faults.add(
        "refuse", route="logs", status=429, headers={"Retry-After": "2"}, body="slow down"
    )
    answer = call.get(rest)
    assert (answer.status_code, answer.text) == (429, "slow down")
    assert answer.headers["Retry-After"] == "2"
    assert "X-Coder-Build-Version" not in answer.headers
    deployment.faults.add(
        "refuse",
        route="logs_follow",
        status=502,
        headers=[("Content-Type", "text/html")],
        body=b"<html>",
    )
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        call.websocket(follow)
    assert caught.value.status_code == 502
    assert caught.value.resp_body == b"<html>"
    assert call.get(rest).status_code == 200


def test_a_status_nobody_knows() -> None:
    """
    It has no phrase of its own.
    """
    assert encode_head(599, []) == b"HTTP/1.1 599 Unknown\r\n\r\n"


def test_delay_can_be_released(deployment: Deployment, call: Any, rest: Any) -> None:
    """
    The answer waits, and is the right one.
    """
    fault = deployment.faults.add("delay", route="logs", seconds=600)
    answers: list[requests.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(call.get(rest)))
    waiting.start()
    assert fault.wait_struck()
    assert answers == []
    # The thread may not be waiting yet; then the release is found when it comes to wait.
    fault.release()
    waiting.join(60)
    assert answers.pop().status_code == 200


def test_a_delay_ends_by_itself(deployment: Deployment, call: Any, rest: Any) -> None:
    """
    The answer comes not before the seconds are over.
    """
    deployment.faults.add("delay", route="logs", seconds=0.1)
    began = time.monotonic()
    assert call.get(rest).status_code == 200
    assert time.monotonic() - began >= 0.1


def test_unchunked_events_end_with_the_connection(
    deployment: Deployment, call: Any, drain: Any, metadata: Any
) -> None:
    """
    The bytes of the events are the body; together with a drop they stop after it.
    """
    deployment.faults.add("unchunked", route="watch_metadata")
    deployment.faults.add("drop", route="watch_metadata", after=2)
    head, _, body = drain(call.socket(metadata)).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in head
    assert b"Content-Length" not in head
    assert body.startswith(b"event: data\ndata: [")
    assert body.endswith(b"}]\n\n")
    assert body.count(b"event: data") == 2


def test_unchunked_events_end_at_the_close(
    deployment: Deployment, call: Any, drain: Any, metadata: Any
) -> None:
    """
    There is no last chunk to send.
    """
    deployment.faults.add("unchunked", route="watch_metadata")
    wire = call.socket(metadata)
    received = wire.recv(65_536)
    while b"event: ping\n\n" not in received:
        received += wire.recv(65_536)
    deployment.close()
    assert (received + drain(wire)).endswith(b"\n\n")


def test_a_refusal_without_a_length(
    deployment: Deployment, call: Any, drain: Any, follow: Any
) -> None:
    """
    The end of the connection ends the body, as with some proxies.
    """
    deployment.faults.add("unchunked", route="logs")
    deployment.faults.add("refuse", route="logs", status=502, body="gone")
    head, _, body = drain(call.socket(follow.partition("?")[0])).partition(b"\r\n\r\n")
    assert b"Content-Length" not in head
    assert b"Connection: close" in head
    assert body == b"gone"


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("at", [None, 5])
def test_cut_ends_in_the_middle(
    deployment: Deployment, call: Any, follow: Any, reset: bool, at: int | None
) -> None:
    """
    A part of the message comes, never all of it.
    """
    deployment.faults.add("cut", route="logs_follow", at=at, reset=reset)
    wire = call.socket(follow, *HANDSHAKE)
    received = b""
    try:
        while data := wire.recv(65_536):
            received += data
        assert not reset
    except ConnectionResetError:
        assert reset
    if not reset:
        frame = received.partition(b"\r\n\r\n")[2]
        assert 0 < len(frame) < 150
        assert at is None or len(frame) == at


def test_cut_of_a_response_keeps_the_headers(deployment: Deployment, call: Any, rest: Any) -> None:
    """
    The length promises more than comes.
    """
    deployment.faults.add("cut", route="logs", at=3)
    with pytest.raises(requests.exceptions.ChunkedEncodingError) as caught:
        call.get(rest)
    assert "3 bytes read" in str(caught.value)


def test_chance_depends_on_the_seed_alone(calls: Any, drain: Any) -> None:
    """
    The same faults in the same order cut at the same places.
    """
    found = []
    for seed in (1, 1, 2):
        with Deployment(seed=seed) as deployment:
            agent = deployment.add_agent()
            agent.push_logs(["x" * 500])
            for _ in range(3):
                deployment.faults.add("cut", route="logs")
            call = calls(deployment)
            answers = [drain(call.socket(f"/workspaceagents/{agent.id}/logs")) for _ in range(3)]
            found.append([len(answer.partition(b"\r\n\r\n")[2]) for answer in answers])
    assert found[0] == found[1] != found[2]
    assert len(set(found[0])) > 1


def test_split_holds_the_second_part(
    deployment: Deployment, call: Any, agent: EmbeddedAgent, follow: Any
) -> None:
    """
    Half a message waits until it is released; then the message is whole.
    """
    fault = deployment.faults.add("split", route="logs_follow", at=10, seconds=600)
    wire = call.socket(follow, *HANDSHAKE)
    received = b""
    while len(received.partition(b"\r\n\r\n")[2]) < 10:
        received += wire.recv(65_536)
    wire.settimeout(0.2)
    with pytest.raises(TimeoutError):
        wire.recv(1)
    fault.release()
    wire.settimeout(10)
    while b"]\n" not in received:
        received += wire.recv(65_536)
    assert json.loads(first_payload(received))[0]["output"] == "line"


def test_oversize_means_the_same(
    deployment: Deployment, call: Any, follow: Any, metadata: Any, rest: Any
) -> None:
    """
    Messages of every kind become as large as asked, and read as before.
    """
    for route in ("logs_follow", "watch_metadata", "logs"):
        deployment.faults.add("oversize", route=route, size=100_000)
    text = call.websocket(follow).recv()
    assert len(text) == 100_000
    assert json.loads(text)[0]["output"] == "line"
    event = next(call.events(metadata))
    assert len(event) > 100_000
    assert json.loads(event.partition(b"data: ")[2])[0]["result"]["value"] == "value"
    assert len(call.get(rest).content) == 100_000


def test_replace_puts_another_text(deployment: Deployment, call: Any, follow: Any) -> None:
    """
    What is sent need not be JSON.
    """
    deployment.faults.add("replace", route="logs_follow", text="<html>")
    assert call.websocket(follow).recv() == "<html>"


def test_error_events_end_the_stream(
    deployment: Deployment, call: Any, agent: EmbeddedAgent, metadata: Any
) -> None:
    """
    Both metadata streams have a form for them.
    """
    for route in ("watch_metadata", "watch_metadata_ws"):
        deployment.faults.add("error", route=route, after=1, message="broken", detail="why")
    blocks = list(call.events(metadata))
    assert blocks[-1] == b'event: error\ndata: {"message": "broken", "detail": "why"}'
    stream = call.websocket(f"{metadata}-ws")
    stream.recv()
    assert json.loads(stream.recv()) == {
        "type": "error",
        "data": {"message": "broken", "detail": "why"},
    }
    assert stream.recv_data()[0] == 8


def test_faults_wait_in_line(deployment: Deployment, call: Any, rest: Any) -> None:
    """
    One connection meets one of them, in the order in which they were added.
    """
    first = deployment.faults.add("refuse", route="logs", status=500, times=2)
    second = deployment.faults.add("refuse", route="logs", status=501, times=None)
    statuses = [call.get(rest).status_code for _ in range(4)]
    assert statuses == [500, 500, 501, 501]
    assert (first.struck, second.struck) == (2, 2)
    assert not first.wait_struck(3, timeout=0)
    deployment.faults.clear()
    assert call.get(rest).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"kind": "nonsense", "route": "logs"}, "kind must be one of .*, not 'nonsense'"),
        ({"kind": "drop", "route": "nonsense"}, "route must be one of .*, not 'nonsense'"),
        (
            {"kind": "close", "route": "logs"},
            "close does not support the route logs, which is rest",
        ),
        ({"kind": "drop", "route": "logs", "after": -1}, "must not be negative"),
        ({"kind": "drop", "route": "logs", "times": -1}, "must not be negative"),
        ({"kind": "drop", "route": "logs", "at": "noon"}, "at must be"),
        ({"kind": "refuse", "route": "logs", "after": 1}, "after must be 0"),
    ],
)
def test_faults_that_make_no_sense(deployment: Deployment, arguments: Any, problem: str) -> None:
    """
    They are refused where they are added, in words.
    """
    with pytest.raises(ValueError, match=problem):
        deployment.faults.add(**arguments)


def test_every_kind_is_documented() -> None:
    """
    Each class says what it does, under the name it is added by.
    """
    assert all(fault.__doc__ and fault.kind == name for name, fault in KINDS.items())
