"""
A connection never waits but for its dial, and can be woken at any moment.
"""

from __future__ import annotations

import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import pytest
import requests
from driving import LIMIT, InThread, data_of, open_source, reached, wait
from effort import times
from peer import Conversation, Peer, serving
from requests.adapters import BaseAdapter

from coder_agents import Client, TransportError
from coder_agents.transport import (
    HTTP,
    ClosedError,
    DroppedError,
    HTTPSource,
    Interest,
    SSESource,
    WebSocketSource,
)
from coder_agents.transport.connection import Connection

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
LIMITS: dict[str, Any] = {"idle_timeout": 30.0, "max_message_size": 1 << 20}

MakeSource = Callable[..., HTTPSource[Any]]


def http_of(url: str, **settings: Any) -> HTTP:
    """
    Return what a client of *url* calls with.
    """
    http: HTTP = Client(url, TOKEN, **settings)._http
    return http


@pytest.fixture(params=[SSESource, WebSocketSource])
def source_at(request: pytest.FixtureRequest) -> MakeSource:
    """
    A function of a URL that returns an unopened source of each kind.
    """

    def make(url: str, **settings: Any) -> HTTPSource[Any]:
        source: HTTPSource[Any] = request.param(http_of(url, **settings), "/stream", **LIMITS)
        return source

    return make


@pytest.fixture(params=["plain", "tls"])
def dialled(
    request: pytest.FixtureRequest, server_tls: ssl.SSLContext, authority_file: Path
) -> Iterator[Callable[..., tuple[Connection, Peer]]]:
    """
    A function of a script that returns a connection to a peer that runs it, plain and over TLS.
    """
    peers = []
    connections = []

    def make(script: Callable[[Conversation], object], **options: Any) -> tuple[Connection, Peer]:
        peer = Peer(script, tls=server_tls if request.param == "tls" else None)
        peers.append(peer)
        connection = Connection(**options)
        connections.append(connection)
        dial(connection, http_of(peer.url, verify=authority_file))
        return connection, peer

    yield make
    for connection in connections:
        connection.free()
    for peer in peers:
        peer.close()


def dial(connection: Connection, http: HTTP, timeout: float = 20) -> None:
    """
    Connect *connection* to the deployment of *http*.
    """
    request = http.prepare("/stream", (), {})
    connection.dial(http.pool_for(request), request, timeout)


def stuck(conversation: Conversation) -> None:
    """
    Take whatever comes and never answer.
    """
    conversation.until_gone()


def silent(conversation: Conversation) -> None:
    """
    Read nothing and send nothing.
    """
    conversation.stop.wait(60)


def assert_free(connection: Connection) -> None:
    """
    Assert that *connection* holds no socket.
    """
    held = (connection._socket, connection._waker)
    assert all(one is None or one.fileno() == -1 for one in held)


def woken_while(source: HTTPSource[Any], phase: Callable[[], object]) -> BaseException | None:
    """
    Wake *source* once *phase* is reached; return what opening it raised.
    """
    opening = InThread(lambda: open_source(source))
    reached(phase)
    started = time.monotonic()
    source.wake()
    source.wake()
    error = opening.ended()
    assert time.monotonic() - started < 40  # of a time-out of 60
    assert_free(source._connection)
    return error


def is_tls(connection: Connection) -> bool:
    """
    Whether the TLS handshake of *connection* is done.
    """
    return isinstance(connection._socket, ssl.SSLSocket)


def test_it_wakes_while_waiting_for_headers(source_at: MakeSource) -> None:
    """
    The request is sent, no answer comes: waking ends the wait.
    """
    with serving(stuck) as peer:
        source = source_at(peer.url)
        error = woken_while(source, lambda: source._answer_until)
        assert isinstance(error, ClosedError)


def test_it_wakes_while_waiting_for_headers_over_tls(
    source_at: MakeSource, server_tls: ssl.SSLContext, authority_file: Path
) -> None:
    """
    The same on top of TLS.
    """
    with serving(stuck, tls=server_tls) as peer:
        source = source_at(peer.url, verify=authority_file)
        error = woken_while(source, lambda: is_tls(source._connection))
        assert isinstance(error, ClosedError)


def test_it_wakes_in_a_tls_handshake(source_at: MakeSource) -> None:
    """
    The peer takes the hello and sends nothing.
    """
    with serving(stuck) as peer:
        source = source_at(peer.url.replace("http://", "https://"))
        error = woken_while(source, lambda: peer.accepted)
        assert isinstance(error, ClosedError)


def test_it_wakes_in_a_tcp_connect(source_at: MakeSource, full_listener: int) -> None:
    """
    The peer does not even accept the connection.
    """
    source = source_at(f"http://127.0.0.1:{full_listener}")
    error = woken_while(source, lambda: source._connection._waker)
    assert isinstance(error, ClosedError)


def test_it_wakes_while_a_proxy_does_not_answer(source_at: MakeSource) -> None:
    """
    The proxy takes the CONNECT and sends nothing.
    """
    with serving(stuck) as proxy:
        source = source_at("http://127.0.0.1:9", proxies={"http": proxy.url})
        error = woken_while(source, lambda: proxy.accepted)
        assert isinstance(error, ClosedError)


def test_it_wakes_while_it_is_read(dialled: Callable[..., tuple[Connection, Peer]]) -> None:
    """
    The wait for the socket ends, and the read after it raises, however often.
    """
    connection, _ = dialled(stuck)
    assert connection.receive() is None
    reading = InThread(lambda: data_of(connection))
    connection.wake()
    assert isinstance(reading.ended(), ClosedError)
    with pytest.raises(ClosedError):
        connection.receive()
    with pytest.raises(ClosedError):
        connection.send(b"x")
    with pytest.raises(ClosedError):
        connection.flush()
    assert connection.interest(math.inf) is None


def test_it_wakes_before_it_is_dialled(source_at: MakeSource) -> None:
    """
    A wake that comes first is not forgotten, and nothing is sent.
    """
    with serving(stuck) as peer:
        source = source_at(peer.url)
        source.wake()
        with pytest.raises(ClosedError):
            source.send_request(5)
        assert_free(source._connection)
        assert peer.accepted == 0


def test_a_wake_during_the_dns_request_is_not_forgotten(
    source_at: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It ends before the first address is tried.
    """
    getaddrinfo = socket.getaddrinfo

    def woken(*args: Any) -> Any:
        source.wake()
        return getaddrinfo(*args)

    with serving(stuck) as peer:
        source = source_at(peer.url)
        monkeypatch.setattr(socket, "getaddrinfo", woken)
        with pytest.raises(ClosedError):
            source.send_request(5)
        assert_free(source._connection)


def test_many_wakes_at_random_moments_of_opening(source_at: MakeSource) -> None:
    """
    Whenever it comes: never stuck, never another error, and nothing stays open.
    """
    with serving(stuck) as peer:
        for step in range(0, 100, times(2, 1)):
            source = source_at(peer.url)
            opening = InThread(lambda source=source: open_source(source))  # type: ignore[misc]
            time.sleep(step * 0.00005)
            source.wake()
            assert isinstance(opening.ended(), ClosedError)
            assert_free(source._connection)


def test_what_a_woken_socket_gives_is_no_data() -> None:
    """
    Bytes that were read while somebody woke the reader are not handed out.
    """

    class Woken:
        def __init__(self, error: type[OSError] | None) -> None:
            self._error = error

        def recv(self, size: int) -> bytes:
            connection.wake()
            if self._error is not None:
                raise self._error
            return b"ciphertext"

    for error in (None, BlockingIOError, ssl.SSLWantWriteError, ConnectionResetError):
        connection = Connection()
        connection._socket = Woken(error)
        with pytest.raises(ClosedError):
            connection.receive()


def test_reading_never_waits(dialled: Callable[..., tuple[Connection, Peer]]) -> None:
    """
    None where nothing has come; what to wait for is reported only then.
    """

    def echo(conversation: Conversation) -> None:
        conversation.send(conversation.sock.recv(100))
        conversation.until_gone()

    connection, _ = dialled(echo)
    assert connection.interest(7.0) is None  # not read yet: something may be there
    assert connection.receive() is None
    assert connection.interest(7.0) == Interest(connection._socket.fileno(), EVENT_READ, 7.0)
    before = connection.last_byte
    connection.send(b"hello")
    assert data_of(connection) == b"hello"
    assert connection.interest(7.0) is None  # there may be more
    assert connection.receive() is None
    assert connection.received == 5
    assert connection.last_byte > before


def test_the_end_is_an_empty_read(dialled: Callable[..., tuple[Connection, Peer]]) -> None:
    """
    Every further read is empty as well.
    """
    connection, _ = dialled(lambda conversation: None)
    assert data_of(connection) == b""
    assert connection.receive() == b""


def test_what_tls_holds_already_is_no_event_of_the_socket(
    server_tls: ssl.SSLContext, authority_file: Path
) -> None:
    """
    A record larger than a read: the rest is read without waiting for the socket.
    """

    def script(conversation: Conversation) -> None:
        conversation.send(b"x" * 100_000)
        conversation.until_gone()

    with serving(script, tls=server_tls) as peer:
        connection = Connection()
        dial(connection, http_of(peer.url, verify=authority_file))
        size = 0
        deadline = time.monotonic() + 60
        while size < 100_000:
            data = connection.receive()
            if data is None:
                wait(connection.interest(math.inf), deadline)
            else:
                size += len(data)
        connection.free()


def test_a_peer_that_resets_is_a_drop() -> None:
    """
    It is raised by reading.
    """

    def reset(conversation: Conversation) -> None:
        conversation.sock.recv(1)
        conversation.reset()

    with serving(reset) as peer:
        connection = Connection()
        dial(connection, http_of(peer.url))
        connection.send(b"x")
        with pytest.raises(DroppedError, match="connection dropped"):
            data_of(connection)
        connection.free()


def test_what_came_before_a_failed_write_is_read_first() -> None:
    """
    A write to a peer that has gone fails; what the peer sent before is not lost.
    """
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        connection = Connection()
        connection._socket = ours
        theirs.sendall(b"last")
        theirs.close()
        assert connection.receive() == b"last"
        connection._lacking = EVENT_READ  # as if it had been read before the peer went
        connection.send(b"x")
        assert connection.interest(math.inf) is None
        assert connection.receive() == b""
        with pytest.raises(DroppedError, match="connection dropped"):
            connection.flush()


def test_a_failed_write_is_raised_where_nothing_is_left_to_read() -> None:
    """
    The reader would wait for a peer that never got the message otherwise.
    """

    class Broken:
        def send(self, data: bytes) -> int:
            raise BrokenPipeError("broken pipe")

        def recv(self, size: int) -> bytes:
            raise BlockingIOError

    connection = Connection()
    connection._socket = Broken()
    connection.send(b"x")
    with pytest.raises(DroppedError, match="broken pipe"):
        connection.receive()


def test_output_waits_for_a_peer_that_is_slow(
    dialled: Callable[..., tuple[Connection, Peer]],
) -> None:
    """
    What could not be sent at once is sent by later calls, in order and whole.
    """
    size = 20_000_000
    read: list[bytes] = []

    def slow(conversation: Conversation) -> None:
        while sum(map(len, read)) < size:
            time.sleep(0.001)
            read.append(conversation.sock.recv(1 << 20))
        conversation.send(b"thanks")
        conversation.until_gone()

    connection, _ = dialled(slow, send_timeout=LIMIT)
    sent = bytes(range(250)) * (size // 250)
    connection.send(sent[: size // 2])
    assert connection.receive() is None
    interest = connection.interest(math.inf)
    assert interest is not None
    assert interest.events == EVENT_READ | EVENT_WRITE
    assert interest.until < math.inf
    connection.send(sent[size // 2 :])
    connection.flush()
    assert data_of(connection) == b"thanks"
    assert b"".join(read) == sent
    assert connection.receive() is None
    interest = connection.interest(math.inf)
    assert interest is not None
    assert interest.events == EVENT_READ


def test_a_peer_that_does_not_read_is_dropped(
    dialled: Callable[..., tuple[Connection, Peer]],
) -> None:
    """
    It is dropped after a time, by whichever call comes first.
    """
    connection, _ = dialled(silent, send_timeout=0.5)
    started = time.monotonic()
    connection.send(b"x" * 20_000_000)
    assert connection.receive() is None
    with pytest.raises(DroppedError, match="does not read"):
        data_of(connection)
    assert 0.5 <= time.monotonic() - started < 40
    with pytest.raises(DroppedError, match="does not read"):
        connection.flush()


def test_tls_may_have_to_wait_the_other_way_round() -> None:
    """
    A write that waits for a read, and a read that waits for a write, report that.
    """

    class Renegotiating:
        """
        Asks each operation once for the other direction first.
        """

        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock
            self._lacked: list[str] = []

        def fileno(self) -> int:
            return self._sock.fileno()

        def send(self, data: bytes) -> int:
            if "send" not in self._lacked:
                self._lacked.append("send")
                raise ssl.SSLWantReadError
            return self._sock.send(data)

        def recv(self, size: int) -> bytes:
            if "recv" not in self._lacked:
                self._lacked.append("recv")
                raise ssl.SSLWantWriteError
            return self._sock.recv(size)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        connection = Connection()
        connection._socket = Renegotiating(ours)
        theirs.sendall(b"hello")
        connection.send(b"hi")
        assert connection._output_lacking == EVENT_READ
        assert connection.receive() is None
        assert connection.interest(1.0) == Interest(ours.fileno(), EVENT_WRITE, 1.0)
        assert connection.receive() == b"hello"
        assert theirs.recv(10) == b"hi"


def test_an_end_that_is_no_bytes_is_an_end() -> None:
    """
    urllib3's TLS within TLS returns the number 0 there.
    """

    class Ended:
        def recv(self, size: int) -> int:
            return 0

    connection = Connection()
    connection._socket = Ended()
    assert connection.receive() == b""


def test_freeing_ends_the_connection_even_where_another_process_holds_it(
    dialled: Callable[..., tuple[Connection, Peer]],
) -> None:
    """
    The peer sees the end, also twice.
    """
    gone: list[bool] = []

    def script(conversation: Conversation) -> None:
        conversation.until_gone()
        gone.append(True)

    connection, _ = dialled(script)
    number = os.dup(connection._socket.fileno())  # as a forked process has
    try:
        connection.free()
        connection.free()
        reached(lambda: gone)
    finally:
        os.close(number)
    assert_free(connection)
    assert connection.interest(math.inf) is None


def test_a_connection_has_one_file_descriptor(
    dialled: Callable[..., tuple[Connection, Peer]],
) -> None:
    """
    The duplicate that wakes a dial is closed after the dial.
    """
    accepted = threading.Event()

    def script(conversation: Conversation) -> None:
        accepted.set()
        conversation.stop.wait(60)

    connection, _ = dialled(script)
    assert accepted.wait(60)
    opened = len(os.listdir("/dev/fd"))
    connection.free()
    assert len(os.listdir("/dev/fd")) == opened - 1


def test_freeing_what_was_never_dialled_does_nothing() -> None:
    """
    Waking it does nothing either.
    """
    connection = Connection()
    assert not connection.is_dialled
    connection.free()
    connection.wake()


def test_an_adapter_that_cannot_dial_is_refused() -> None:
    """
    A session may have adapters of its own kind; streams say what they need.
    """

    class Other(BaseAdapter):
        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            raise NotImplementedError

        def close(self) -> None:
            pass

    session = requests.Session()
    session.mount("http://", Other())
    http = http_of("http://127.0.0.1:1", session=session)
    with pytest.raises(TypeError, match=r"streams need a requests\.adapters\.HTTPAdapter"):
        SSESource(http, "/stream", **LIMITS).send_request(5)


def test_a_session_header_that_cannot_be_sent_is_reported(source_at: MakeSource) -> None:
    """
    The error does not show it: it may be a secret.
    """
    session = requests.Session()
    session.headers["X-Bad"] = "s3cret\x00"
    with serving(stuck) as peer:
        source = source_at(peer.url, session=session)
        with pytest.raises(Exception, match="header") as raised:
            source.send_request(5)
        assert "s3cret" not in str(raised.value)


def test_an_own_sessions_headers_cookies_and_auth_go_with_streams(source_at: MakeSource) -> None:
    """
    Streams take from the session what its REST calls would.
    """
    session = requests.Session()
    session.headers["X-Theirs"] = "1"
    session.headers["X-Bytes"] = b"2"
    session.auth = ("user", "password")
    session.cookies.set("theirs", "1", domain="127.0.0.1", path="/")
    with serving(lambda conversation: conversation.read_head()) as peer:
        source = source_at(peer.url, session=session, headers={"X-Gate": "open"})
        with pytest.raises(TransportError):
            open_source(source)
        (head,) = peer.heads
    assert b"X-Theirs: 1\r\n" in head
    assert b"X-Bytes: 2\r\n" in head
    assert b"X-Gate: open\r\n" in head
    assert b"Authorization: Basic " in head
    assert b"Cookie: theirs=1\r\n" in head
    assert b"Coder-Session-Token: " + TOKEN.encode() in head
    assert b"Origin" not in head


def test_a_redirect_never_carries_the_token_on(source_at: MakeSource) -> None:
    """
    The second host sees no connection at all.
    """
    with serving(stuck) as other:

        def redirect(conversation: Conversation) -> None:
            path = conversation.read_head().split()[1].partition(b"?")[0]
            conversation.send(
                b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
                b"Location: %s%s\r\n\r\n" % (other.url.encode(), path)
            )

        with serving(redirect) as peer:
            with pytest.raises(Exception, match=f"use {other.url} as the deployment's URL"):
                open_source(source_at(peer.url))
        assert other.accepted == 0
