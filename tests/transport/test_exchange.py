"""
An answer is read wherever the network splits it, and another request may follow.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import h11
import pytest
import requests

from coder_agents.transport import DroppedError
from coder_agents.transport.connection import Connection
from coder_agents.transport.exchange import Exchange, headers_of, request_of

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b"5\r\nhello\r\n7;x=1\r\n, world\r\n0\r\n\r\n"
ANSWER = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + BODY

Wire = tuple[Exchange, socket.socket]


@contextlib.contextmanager
def wired() -> Iterator[Wire]:
    """
    Yield an exchange whose request was sent, and the server's end of its connection.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        connection = Connection()
        connection._socket = ours
        exchange = Exchange(connection)
        exchange.send(request())
        yield exchange, theirs


@pytest.fixture
def wire() -> Iterator[Wire]:
    """
    An exchange whose request was sent, and the server's end of its connection.
    """
    with wired() as made:
        yield made


def request() -> h11.Request:
    """
    Return a GET.
    """
    return request_of(requests.Request("GET", "http://h/p?q=1", headers={"Host": "h"}).prepare())


def body_of(exchange: Exchange, theirs: socket.socket) -> bytes:
    """
    Return the body, which the server has sent up to its end.
    """
    body = b""
    while data := exchange.read():
        body += data
    assert data == b""
    return body


def test_every_split_point_gives_the_same_answer() -> None:
    """
    Half a header, half a chunk, half of a chunk's length: what is not whole is None.
    """
    for at in range(len(ANSWER) + 1):
        with wired() as wire:
            assert answer_split(wire, at) == b"hello, world", f"split at {at}"


def answer_split(wire: Wire, at: int) -> bytes:
    """
    Return the body of an answer that comes in two pieces.
    """
    exchange, theirs = wire
    theirs.sendall(ANSWER[:at])
    head, body = exchange.head(), b""
    if head is not None:
        while data := exchange.read():
            body += data
        if data == b"":
            assert at == len(ANSWER)
    theirs.sendall(ANSWER[at:])
    head = head or exchange.head()
    assert head is not None
    assert head.status_code == 200
    assert headers_of(head)["content-type"] == "text/plain"
    if at < len(ANSWER):
        body += body_of(exchange, theirs)
    assert exchange.reusable
    return body


def test_the_request_is_what_was_prepared(wire: Wire) -> None:
    """
    Its method, path, query and headers.
    """
    _, theirs = wire
    assert theirs.recv(1000) == b"GET /p?q=1 HTTP/1.1\r\nHost: h\r\n\r\n"


def test_another_request_follows_an_answer_that_is_whole(wire: Wire) -> None:
    """
    It goes over the same connection.
    """
    exchange, theirs = wire
    for text in (b"one", b"two"):
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + text)
        assert exchange.head() is not None
        before = exchange.reusable
        assert body_of(exchange, theirs) == text
        assert (before, exchange.reusable) == (False, True)
        exchange.next_cycle()
        exchange.send(request())
    assert theirs.recv(1000).count(b"GET ") == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_no_request_follows_where_the_answer_forbids_it(wire: Wire, answer: bytes) -> None:
    """
    Bytes after the answer, a server that closes, an old one.
    """
    exchange, theirs = wire
    theirs.sendall(answer)
    assert exchange.head() is not None
    assert body_of(exchange, theirs) == b"x"
    assert not exchange.reusable


def test_what_comes_after_a_101_is_kept(wire: Wire) -> None:
    """
    The new protocol's first bytes may be in the same packet.
    """
    exchange, theirs = wire
    exchange = Exchange(exchange._connection)
    prepared = requests.Request(
        "GET", "http://h/", headers={"Host": "h", "Connection": "Upgrade", "Upgrade": "x"}
    ).prepare()
    exchange.send(request_of(prepared))
    theirs.sendall(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nbeyond")
    head = exchange.head()
    assert head is not None
    assert head.status_code == 101
    assert exchange.beyond == b"beyond"


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", HEAD[:30], b"HTTP/1.1 200 OK\r\n" * 9000]
)
def test_what_cannot_be_read_is_a_drop(wire: Wire, answer: bytes) -> None:
    """
    An end too early, something else than HTTP, a head without end.
    """
    exchange, theirs = wire
    theirs.settimeout(0.1)
    try:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
    except TimeoutError:
        pass
    with pytest.raises(DroppedError, match="the answer is incomplete"):
        exchange.head()


def test_a_body_that_ends_too_early_is_a_drop(wire: Wire) -> None:
    """
    What came of it is handed out first.
    """
    exchange, theirs = wire
    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    theirs.shutdown(socket.SHUT_WR)
    assert exchange.head() is not None
    assert exchange.read() == b"half"
    with pytest.raises(DroppedError, match="the answer is incomplete"):
        exchange.read()
