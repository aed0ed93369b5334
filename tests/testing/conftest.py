"""
Embedded deployments with short intervals, and ways to talk to them that are not ours.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import websocket
from driving import reached
from pty_client import PtyClient

from coder_agents.schema import WorkspaceAgentContainer
from coder_agents.testing import Deployment, EmbeddedAgent
from coder_agents.testing.fixtures import coder_deployment

__all__ = ["coder_deployment"]

API = "/api/v2"


def open_sockets() -> int:
    """
    How many sockets, pipes and terminals this process has open.
    """
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:
            continue
    kinds = ("socket:", "pipe:", "anon_inode", "/dev/pt")
    return sum(link.startswith(kinds) for link in links)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """
    Fail a test that leaves a thread, a socket, a pipe or a terminal behind.
    """
    threads, sockets = threading.active_count(), open_sockets()
    yield
    # One of an earlier test may have ended meanwhile, and one of this test may be about to end.
    reached(lambda: threading.active_count() <= threads)
    if open_sockets() > sockets:
        # An exception of a client may keep its socket in a cycle.
        gc.collect()
    assert open_sockets() <= sockets


class Caller:
    """
    Calls a deployment through requests, websocket-client and plain sockets.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.headers = {"Coder-Session-Token": deployment.token}
        self._open: list[Any] = []

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """
        The answer to a request.
        """
        options.setdefault("headers", self.headers)
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.deployment.url + API + path, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """
        The answer to a GET.
        """
        return self("GET", path, timeout=60, **options)

    def websocket(self, path: str, **options: Any) -> websocket.WebSocket:
        """
        A WebSocket after its handshake.
        """
        url = self.deployment.url.replace("http", "ws", 1) + API + path
        options.setdefault("header", self.headers)
        connection = websocket.create_connection(url, timeout=60, **options)
        self._open.append(connection)
        return connection

    def events(self, path: str) -> Iterator[bytes]:
        """
        The blocks of an event stream, without the empty lines between them.
        """
        with requests.Session() as session:
            response = session.get(
                self.deployment.url + API + path, headers=self.headers, stream=True, timeout=60
            )
            self._open.append(response)
            buffer = b""
            while data := response.raw.read1(65_536):
                *blocks, buffer = (buffer + data).split(b"\n\n")
                yield from blocks

    def socket(self, path: str, *headers: str) -> socket.socket:
        """
        A socket on which a GET has been sent.
        """
        port = int(self.deployment.url.rpartition(":")[2])
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._open.append(connection)
        token = f"Coder-Session-Token: {self.deployment.token}"
        lines = [f"GET {API}{path} HTTP/1.1", "Host: localhost", token, *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return connection

    def close(self) -> None:
        """
        Close what was opened.
        """
        for each in self._open:
            if isinstance(each, websocket.WebSocket):
                each.shutdown()  # type: ignore[no-untyped-call]
            else:
                each.close()
        # What refers to a response keeps its connection pool, and that its sockets.
        self._open.clear()


@pytest.fixture
def calls() -> Iterator[Callable[[Deployment], Caller]]:
    """
    A function that makes a `Caller` of a deployment.
    """
    callers: list[Caller] = []

    def make(deployment: Deployment) -> Caller:
        callers.append(Caller(deployment))
        return callers[-1]

    yield make
    for caller in callers:
        caller.close()


@pytest.fixture
def terminal() -> Iterator[Callable[..., PtyClient]]:
    """
    A function that opens a terminal; see `PtyClient`.
    """
    clients: list[PtyClient] = []

    def make(*arguments: Any, **options: Any) -> PtyClient:
        clients.append(PtyClient(*arguments, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment of 2.31 whose pings and metadata come quickly.
    """
    with Deployment(ping_interval=0.1, metadata_interval=0.05) as made:
        yield made


@pytest.fixture
def agent(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent with a container that runs, and one that does not.
    """
    made = deployment.add_agent()
    made.set_containers(
        [
            WorkspaceAgentContainer(id="0123456789abcdef", name="web", running=True),
            WorkspaceAgentContainer(id="fedcba9876543210", name="old"),
        ]
    )
    return made


@pytest.fixture
def call(deployment: Deployment, calls: Callable[[Deployment], Caller]) -> Caller:
    """
    Calls `deployment`.
    """
    return calls(deployment)


def receive_all(connection: socket.socket) -> bytes:
    """
    All that comes until the peer ends the connection.
    """
    received = bytearray()
    while data := connection.recv(65_536):
        received += data
    return bytes(received)


@pytest.fixture
def drain() -> Callable[[socket.socket], bytes]:
    """
    A function that reads a socket to its end.
    """
    return receive_all
