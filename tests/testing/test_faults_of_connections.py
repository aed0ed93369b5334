"""
Faults that meet a connection before its request, or a request on a connection that was kept.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import requests

from coder_agents.testing import Deployment

REST = {
    "buildinfo": "/buildinfo",
    "me": "/users/me",
    "workspace": "/workspaces/{workspace}",
    "agent": "/workspaceagents/{agent}",
    "logs": "/workspaceagents/{agent}/logs",
    "listening_ports": "/workspaceagents/{agent}/listening-ports",
    "containers": "/workspaceagents/{agent}/containers",
}
STREAMS = {
    "logs_follow": "/workspaceagents/{agent}/logs?follow",
    "watch_metadata": "/workspaceagents/{agent}/watch-metadata",
    "watch_metadata_ws": "/workspaceagents/{agent}/watch-metadata-ws",
    "containers_watch": "/workspaceagents/{agent}/containers/watch",
}


def path_of(deployment: Deployment, route: str) -> str:
    """
    Return the path of a route, for an agent of the deployment.
    """
    agent = deployment.add_agent()
    agent.push_logs(["line"])
    workspace = agent.build.workspace.id
    return {**REST, **STREAMS}[route].format(agent=agent.id, workspace=workspace)


class Keeper:
    """
    One kept connection, on which nothing is sent twice.
    """

    def __init__(self, deployment: Deployment) -> None:
        port = int(deployment.url.rpartition(":")[2])
        self._headers = {"Coder-Session-Token": deployment.token}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        # A connection that was closed is not made anew.
        self._connection.connect()
        self._connection.auto_open = 0

    def get(self, path: str) -> tuple[int, bytes]:
        """
        Return the status and the body of the answer.
        """
        self.send(path)
        return self.read()

    def send(self, path: str) -> None:
        self._connection.request("GET", f"/api/v2{path}", headers=self._headers)

    def read(self) -> tuple[int, bytes]:
        with self._connection.getresponse() as answer:
            return answer.status, answer.read()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def kept(deployment: Deployment) -> Iterator[Keeper]:
    """
    A kept connection to `deployment`.
    """
    keeper = Keeper(deployment)
    yield keeper
    keeper.close()


@pytest.fixture
def secure() -> Iterator[Deployment]:
    """
    A deployment with TLS.
    """
    with Deployment(tls=True, ping_interval=0.1) as made:
        yield made


def test_a_kept_connection_ends_at_the_next_request(deployment: Deployment, kept: Keeper) -> None:
    """
    It is closed before the first byte of the answer; a fresh one is served.
    """
    path = path_of(deployment, "logs")
    fault = deployment.faults.add("drop", route="logs", at="request", kept=True)
    assert kept.get(path)[0] == 200
    assert fault.struck == 0
    with pytest.raises(http.client.RemoteDisconnected):
        kept.get(path)
    assert fault.struck == 1
    fresh = Keeper(deployment)
    assert [fresh.get(path)[0] for _ in range(2)] == [200, 200]
    fresh.close()


def test_a_kept_connection_is_closed_while_idle(deployment: Deployment, kept: Keeper) -> None:
    """
    The client sees its end before it sends anything.
    """
    path = path_of(deployment, "logs")
    assert kept.get(path)[0] == 200
    assert deployment.connections.wait_idle(1)
    deployment.connections.close_idle()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        kept.get(path)


@pytest.mark.parametrize("route", REST)
def test_a_request_that_is_never_answered(deployment: Deployment, kept: Keeper, route: str) -> None:
    """
    On each REST route a request can hang, and is answered once it is released.
    """
    path = path_of(deployment, route)
    fault = deployment.faults.add("silence", route=route, at="request")
    kept.send(path)
    assert fault.wait_struck()
    assert deployment.connections.idle == 0
    fault.release()
    assert kept.read()[0] == 200
    assert kept.get(path)[0] == 200


@pytest.mark.parametrize("part", ["message", "head"])
@pytest.mark.parametrize("reset", [False, True])
def test_half_an_answer_then_silence_then_the_end(
    deployment: Deployment, call: Any, drain: Any, part: str, reset: bool
) -> None:
    """
    A part of the answer comes, then nothing until it is released, then the end.
    """
    path = path_of(deployment, "logs")
    fault = deployment.faults.add("cut", route="logs", at=10, part=part, reset=reset, seconds=600)
    wire = call.socket(path)
    assert fault.wait_struck()
    received = wire.recv(65_536)
    assert received == b"HTTP/1.1 2" if part == "head" else b"\r\n\r\n[" in received
    wire.settimeout(0.2)
    with pytest.raises(TimeoutError):
        wire.recv(1)
    wire.settimeout(10)
    fault.release()
    if reset:
        with pytest.raises(ConnectionResetError):
            drain(wire)
    else:
        assert drain(wire) == b""


def test_half_an_answer_of_a_deployment_that_closes(
    deployment: Deployment, call: Any, drain: Any
) -> None:
    """
    What waits ends with the deployment, and says no more.
    """
    fault = deployment.faults.add("cut", route="logs_follow", at=5, seconds=600)
    wire = call.socket(
        path_of(deployment, "logs_follow"),
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert fault.wait_struck()
    deployment.close()
    assert len(drain(wire).partition(b"\r\n\r\n")[2]) == 5


@pytest.mark.parametrize("route", ["logs", "logs_follow", "watch_metadata"])
def test_a_head_in_two_parts(deployment: Deployment, call: Any, drain: Any, route: str) -> None:
    """
    Its second part waits until it is released; the answer is the right one.
    """
    path = path_of(deployment, route)
    fault = deployment.faults.add("split", route=route, part="head", at=12, seconds=600)
    wire = call.socket(
        path,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert fault.wait_struck()
    status = b"101" if route == "logs_follow" else b"200"
    assert wire.recv(65_536) == b"HTTP/1.1 " + status
    fault.release()
    while b"\r\n\r\n" not in (received := wire.recv(65_536)):
        pass
    assert not received.startswith(b"HTTP")


@pytest.mark.parametrize("status", [401, 404, 429, 503])
@pytest.mark.parametrize("retry_after", [None, "301"])
def test_refusals_of_the_deployment_itself(
    deployment: Deployment, kept: Keeper, call: Any, status: int, retry_after: str | None
) -> None:
    """
    They have a message in JSON and its headers, and the connection is kept.
    """
    path = path_of(deployment, "logs")
    headers = {"Retry-After": retry_after} if retry_after else {}
    for _ in range(2):
        deployment.faults.add("refuse", route="logs", status=status, message="no", headers=headers)
    answer = call.get(path)
    assert answer.status_code == status
    assert answer.json() == {"message": "no"}
    assert answer.headers.get("Retry-After") == retry_after
    assert answer.headers["X-Coder-Build-Version"]
    assert [kept.get(path)[0] for _ in range(2)] == [status, 200]


def test_a_follow_is_refused_for_301_seconds(deployment: Deployment, call: Any) -> None:
    """
    A handshake is answered with what a balancer says, headers included.
    """
    path = path_of(deployment, "logs_follow")
    deployment.faults.add("refuse", route="logs_follow", status=503, headers={"Retry-After": "301"})
    answer = call.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "301")


PAGES: list[tuple[int, str, dict[str, str]]] = [
    (200, "Sign in", {}),
    (503, "Maintenance", {"Retry-After": "301"}),
]


@pytest.mark.parametrize(("status", "title", "headers"), PAGES)
@pytest.mark.parametrize("route", [*REST, *STREAMS])
def test_pages_instead_of_answers(
    deployment: Deployment, call: Any, route: str, status: int, title: str, headers: dict[str, str]
) -> None:
    """
    On each route, a stream's too, a login page or one of maintenance can come.
    """
    path = path_of(deployment, route)
    deployment.faults.add("html", route=route, status=status, title=title, headers=headers)
    answer = call.get(path)
    assert answer.status_code == status
    assert f"<title>{title}</title>" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers.get("Retry-After") == headers.get("Retry-After")
    assert "X-Coder-Build-Version" not in answer.headers


def test_a_workspace_document_that_is_no_workspace(deployment: Deployment, call: Any) -> None:
    """
    Another text comes with a good status and the right type.
    """
    path = path_of(deployment, "workspace")
    deployment.faults.add("replace", route="workspace", text='{"id": 7}')
    answer = call.get(path)
    assert (answer.status_code, answer.json()) == (200, {"id": 7})
    assert answer.headers["Content-Type"].startswith("application/json")
    assert call.get(path).json()["name"] == "dev"


@pytest.mark.parametrize("newer", [False, True])
def test_1000_with_and_without_a_newer_build(
    deployment: Deployment, call: Any, newer: bool
) -> None:
    """
    The close is the same; only the workspace shows whether the agent is still part of it.
    """
    agent = deployment.add_agent()
    agent.push_logs(["line"])
    if newer:
        agent.new_build()
    else:
        deployment.faults.add("close", route="logs_follow", after=1, code=1000)
    follower = call.websocket(f"/workspaceagents/{agent.id}/logs?follow")
    assert "line" in follower.recv()
    assert follower.recv_data() == (8, (1000).to_bytes(2))
    listed = json.dumps(call.get(f"/workspaces/{agent.build.workspace.id}").json())
    assert (str(agent.id) in listed) is not newer


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("kind", ["drop", "reset"])
def test_a_connection_that_ends_before_its_request(
    calls: Any, drain: Any, kind: str, tls: bool
) -> None:
    """
    It is accepted and gone, whatever it was for; the next one is served.
    """
    with Deployment(tls=tls) as deployment:
        fault = deployment.faults.add(kind, route="connection")
        port = int(deployment.url.rpartition(":")[2])
        # The reset may be there before the connect has returned.
        ending: AbstractContextManager[Any] = nullcontext()
        if kind == "reset":
            ending = pytest.raises(ConnectionResetError)
        with ending, socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
            assert drain(wire) == b""
        assert fault.struck == 1
        trust = str(deployment.ca_file) if tls else None
        assert calls(deployment).get("/buildinfo", verify=trust).status_code == 200
        assert len(deployment.requests) == 1


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(("kind", "options"), [("silence", {}), ("delay", {"seconds": 600})])
def test_a_connection_that_waits_before_its_request(
    calls: Any, kind: str, options: Any, tls: bool
) -> None:
    """
    Nothing of what the client sends is lost: once released it is served.
    """
    with Deployment(tls=tls) as deployment:
        fault = deployment.faults.add(kind, route="connection", **options)
        call, trust = calls(deployment), str(deployment.ca_file) if tls else None
        answers: list[requests.Response] = []
        asking = threading.Thread(
            target=lambda: answers.append(call.get("/buildinfo", verify=trust))
        )
        asking.start()
        assert fault.wait_struck()
        time.sleep(0.05)
        assert not answers
        fault.release()
        asking.join()
        assert answers.pop().status_code == 200


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("sends", [b"", b"GET "])
def test_who_gives_up_waiting_is_noticed(tls: bool, sends: bytes) -> None:
    """
    The silent connection ends with its client, whatever that has sent.
    """
    with Deployment(tls=tls) as deployment:
        fault = deployment.faults.add("silence", route="connection")
        port = int(deployment.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as wire:
            wire.sendall(sends)
            assert fault.wait_struck()
        assert deployment.connections.wait_open(0)


@pytest.mark.parametrize("tls", [False, True])
def test_closing_ends_connections_that_wait(drain: Any, tls: bool) -> None:
    """
    The deployment closes, and no thread of it is left.
    """
    with Deployment(tls=tls) as deployment:
        fault = deployment.faults.add("silence", route="connection")
        port = int(deployment.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
            assert fault.wait_struck()
            deployment.close()
            assert drain(wire) == b""


def test_a_handshake_is_refused(secure: Deployment, calls: Any) -> None:
    """
    One connection fails with an error of TLS, the next one is served.
    """
    secure.faults.add("tls_error", route="connection")
    call = calls(secure)
    with pytest.raises(requests.exceptions.SSLError):
        call.get("/buildinfo", verify=str(secure.ca_file))
    assert call.get("/buildinfo", verify=str(secure.ca_file)).status_code == 200


@pytest.mark.parametrize("at", ["message", "request"])
def test_what_comes_cannot_be_decrypted(secure: Deployment, at: str) -> None:
    """
    On a connection that was good the client gets an error of TLS, at the request or in a stream.
    """
    agent = secure.add_agent()
    agent.push_logs(["line"])
    fault = secure.faults.add("tls_error", route="watch_metadata", at=at)
    context = ssl.create_default_context(cafile=str(secure.ca_file))
    port = int(secure.url.rpartition(":")[2])
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    path = f"/api/v2/workspaceagents/{agent.id}/watch-metadata"
    with pytest.raises(ssl.SSLError):
        connection.request("GET", path, headers={"Coder-Session-Token": secure.token})
        connection.getresponse().read()
    connection.close()
    assert fault.struck == 1


NONSENSE: list[tuple[dict[str, Any], str]] = [
    ({"kind": "tls_error", "route": "connection"}, "needs a deployment with TLS"),
    ({"kind": "html", "route": "connection"}, "does not support the route connection"),
    ({"kind": "drop", "route": "connection", "after": 1}, "after must be 0 and kept False"),
    ({"kind": "drop", "route": "connection", "kept": True}, "after must be 0 and kept False"),
    ({"kind": "cut", "route": "logs", "part": "tail"}, "part must be"),
    ({"kind": "cut", "route": "logs_follow", "part": "head", "after": 1}, "after must be 0"),
    ({"kind": "refuse", "route": "logs", "body": "x", "message": "y"}, "not both"),
]


@pytest.mark.parametrize(("arguments", "problem"), NONSENSE)
def test_more_faults_that_make_no_sense(
    deployment: Deployment, arguments: Any, problem: str
) -> None:
    """
    They are refused where they are added.
    """
    with pytest.raises(ValueError, match=problem):
        deployment.faults.add(**arguments)
