"""
One connection by itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from coder_agents.testing.connection import ConnectionEnded, ServerConnection, ServerStopping
from coder_agents.testing.http import RequestReader


@pytest.fixture
def pair() -> Iterator[tuple[ServerConnection, socket.socket]]:
    """
    A connection and its peer.
    """
    ours, peer = socket.socketpair()
    peer.settimeout(10)
    connection = ServerConnection(ours)
    yield connection, peer
    peer.close()
    connection.end()


class WokenConnection(ServerConnection):
    """
    Does something when it is woken without input.
    """

    def __init__(self, sock: socket.socket, then: Callable[[], object]) -> None:
        super().__init__(sock)
        self._then = then

    def wait(self, timeout: float | None = None) -> bool:
        readable = super().wait(timeout)
        if not readable:
            self._then()
        return readable


def test_a_wake_up_is_not_a_request() -> None:
    """
    Whoever waits for a request goes on waiting when woken without one.
    """
    ours, peer = socket.socketpair()
    text = b"GET /x?a=1&a=2 HTTP/1.1\r\nHost: y\r\n\r\n"
    connection = WokenConnection(ours, lambda: peer.sendall(text))
    connection.wake()
    request = RequestReader(connection).read()
    assert (request.path, request.parameters("a")) == ("/x", ["1", "2"])
    peer.close()
    connection.end()


def test_many_wake_ups_are_one(pair: tuple[ServerConnection, socket.socket]) -> None:
    """
    No one that wakes is blocked, however many nobody waits for.
    """
    connection, _ = pair
    for _ in range(10_000):
        connection.wake()
    assert not connection.wait(None)


def test_waiting_ends_at_the_stop(pair: tuple[ServerConnection, socket.socket]) -> None:
    """
    It ends whether the stop comes before a wait or during it, with input or without.
    """
    connection, peer = pair
    connection.stop()
    with pytest.raises(ServerStopping):
        connection.wait()
    peer.sendall(b"x")
    with pytest.raises(ServerStopping):
        connection.wait()


def test_what_is_over_stays_over(pair: tuple[ServerConnection, socket.socket]) -> None:
    """
    After the end, waking and aborting do nothing, and a second end neither.
    """
    connection, peer = pair
    connection.stop()
    connection.end()
    connection.wake()
    connection.abort()
    connection.end()
    assert peer.recv(1) == b""


def test_a_peer_that_has_gone(pair: tuple[ServerConnection, socket.socket]) -> None:
    """
    Receiving gives nothing, sending raises.
    """
    connection, peer = pair
    peer.close()
    assert connection.wait()
    assert connection.receive() == b""
    for send in (connection.send, connection.send_below):
        with pytest.raises(ConnectionEnded):
            for _ in range(2):
                send(b"x")


def test_aborting_ends_a_read(pair: tuple[ServerConnection, socket.socket]) -> None:
    """
    It is the end of the connection for both sides.
    """
    connection, peer = pair
    connection.abort()
    assert connection.receive() == b""
    assert peer.recv(1) == b""


def test_who_sleeps_notices_that_the_peer_has_gone() -> None:
    """
    The thread notices it at once, not at the end of the sleep.
    """
    ours, theirs = socket.socketpair()
    connection = ServerConnection(ours)
    theirs.close()
    with pytest.raises(ConnectionEnded):
        connection.sleep(60)
    connection.end()
