"""
A connection can be woken at any moment, and is dialled as the session would.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from peer import Conversation, Peer, serving
from requests.adapters import BaseAdapter

from coder_agents import Client, TransportError
from coder_agents.transport import ClosedError, DroppedError, HTTPSource, SSESource, WebSocketSource
from coder_agents.transport.connection import Connection

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
LIMITS = {"idle_timeout": 30.0, "max_message_size": 1 << 20}


@pytest.fixture(params=[SSESource, WebSocketSource])
def source_at(request: pytest.FixtureRequest) -> Callable[..., HTTPSource[Any]]:
    """
    A function of a URL that returns an unopened source of each kind.
    """

    def make(url: str, **settings: Any) -> HTTPSource[Any]:
        http = Client(url, TOKEN, **settings)._http
        source: HTTPSource[Any] = request.param(http, "/stream", **LIMITS)
        return source

    return make


def stuck(conversation: Conversation) -> None:
    """
    Take whatever comes and never answer.
    """
    conversation.until_gone()


def open_in_thread(source: HTTPSource[Any]) -> tuple[threading.Thread, list[BaseException | None]]:
    """
    Open *source* in a thread; return it and what came of it.
    """
    found: list[BaseException | None] = []

    def run() -> None:
        try:
            source.open()
            found.append(None)
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def _woken_while(source: HTTPSource[Any], reached: Callable[[], bool]) -> BaseException | None:
    thread, found = open_in_thread(source)
    until = time.monotonic() + 10
    while not reached() and time.monotonic() < until:
        time.sleep(0.002)
    started = time.monotonic()
    source.wake()
    source.wake()
    thread.join(20)
    assert not thread.is_alive()
    assert time.monotonic() - started < 5  # of a time-out of 60
    _assert_free(source)
    return found[0]


def _assert_free(source: HTTPSource[Any]) -> None:
    held = (source._connection._socket, source._connection._waker)
    assert all(one is None or one.fileno() == -1 for one in held)


def test_it_wakes_while_waiting_for_headers(source_at: Callable[..., HTTPSource[Any]]) -> None:
    """
    The request is sent, no answer comes: waking ends the wait.
    """
    with serving(stuck) as peer:
        source = source_at(peer.url)
        error = _woken_while(source, lambda: source._connection._socket is not None)
        assert isinstance(error, ClosedError)


def test_it_wakes_while_waiting_for_headers_over_tls(
    source_at: Callable[..., HTTPSource[Any]], server_tls: ssl.SSLContext, authority_file: Path
) -> None:
    """
    The same on top of TLS.
    """
    with serving(stuck, tls=server_tls) as peer:
        source = source_at(peer.url, verify=authority_file)
        error = _woken_while(source, lambda: source._connection._socket is not None)
        assert isinstance(error, ClosedError)


def test_it_wakes_in_a_tls_handshake(source_at: Callable[..., HTTPSource[Any]]) -> None:
    """
    The peer takes the hello and says nothing.
    """
    with serving(stuck) as peer:
        source = source_at(peer.url.replace("http://", "https://"))
        error = _woken_while(source, lambda: source._connection._waker is not None)
        assert isinstance(error, ClosedError)


def test_it_wakes_before_it_is_dialled(source_at: Callable[..., HTTPSource[Any]]) -> None:
    """
    A wake that comes first is not forgotten.
    """
    with serving(stuck) as peer:
        source = source_at(peer.url)
        source.wake()
        with pytest.raises(ClosedError):
            source.open()
        _assert_free(source)


def test_a_wake_that_comes_first_is_not_forgotten_in_a_tls_handshake(
    source_at: Callable[..., HTTPSource[Any]],
) -> None:
    """
    The socket is shut down as soon as it is there.
    """
    with serving(stuck) as peer:
        source = source_at(peer.url.replace("http://", "https://"), timeout=60)
        source.wake()
        started = time.monotonic()
        with pytest.raises(ClosedError):
            source.open()
        assert time.monotonic() - started < 30


def test_many_wakes_at_random_moments_of_opening(source_at: Callable[..., HTTPSource[Any]]) -> None:
    """
    Whenever it comes: opened or closed, never stuck, never another error.
    """
    with serving(stuck) as peer:
        for step in range(100):
            source = source_at(peer.url)
            thread, found = open_in_thread(source)
            time.sleep(step * 0.00005)
            source.wake()
            thread.join(20)
            assert isinstance(found[0], ClosedError)
            _assert_free(source)


def test_urllib3_still_calls_new_conn_to_make_its_socket() -> None:
    """
    The tap is on a private method: this fails where a release of urllib3 moves it.
    """
    for scheme in (urllib3.HTTPConnectionPool, urllib3.HTTPSConnectionPool):
        pool = scheme("127.0.0.1", 9)
        connection: Any = pool._new_conn()
        tapped: list[bool] = []

        def tap(tapped: list[bool] = tapped) -> socket.socket:
            tapped.append(True)
            raise ClosedError

        connection._new_conn = tap
        with pytest.raises(ClosedError):
            connection.connect()
        assert tapped == [True]


def test_a_peer_that_resets_is_a_drop() -> None:
    """
    Of reading and of writing alike.
    """

    def reset(conversation: Conversation) -> None:
        conversation.sock.recv(1)  # or the reset could overtake the connection
        conversation.reset()

    with serving(reset) as peer:
        connection = _dialled(peer)
        connection.send(b"x", time.monotonic() + 10)
        with pytest.raises(DroppedError, match="connection was lost"):
            connection.receive(time.monotonic() + 10)
        with pytest.raises(DroppedError, match="connection was lost"):
            for _ in range(1000):
                connection.send(b"x" * 65536, time.monotonic() + 10)
        connection.free()


def test_writing_to_a_peer_that_does_not_read_ends_at_the_deadline() -> None:
    """
    What it could not send is an error, not a hang.
    """
    with serving(lambda conversation: conversation.stop.wait(30)) as peer:
        connection = _dialled(peer)
        with pytest.raises(TimeoutError):
            connection.send(b"x" * 50_000_000, time.monotonic() + 0.2)
        connection.free()


def test_tls_may_have_to_wait_the_other_way_round() -> None:
    """
    A write that waits for a read, and a read that waits for a write, wait for that.
    """

    class Renegotiating:
        """
        Asks each operation once for the other direction first.
        """

        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock
            self._asked: list[str] = []

        def fileno(self) -> int:
            return self._sock.fileno()

        def send(self, data: bytes) -> int:
            if "send" not in self._asked:
                self._asked.append("send")
                raise ssl.SSLWantReadError
            return self._sock.send(data)

        def recv(self, size: int) -> bytes:
            if "recv" not in self._asked:
                self._asked.append("recv")
                raise ssl.SSLWantWriteError
            return self._sock.recv(size)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection()
        connection._socket = Renegotiating(ours)
        theirs.sendall(b"hello")
        connection.send(b"hi", time.monotonic() + 10)
        assert connection.receive(time.monotonic() + 10) == b"hello"
        assert theirs.recv(10) == b"hi"


def _dialled(peer: Peer) -> Connection:
    http = Client(peer.url, TOKEN)._http
    request = http.prepare("/stream", (), {})
    connection = Connection()
    connection.dial(http.pool_for(request), request, 5)
    return connection


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
    http = Client("http://127.0.0.1:1", TOKEN, session=session)._http
    with pytest.raises(TypeError, match=r"streams need a requests\.adapters\.HTTPAdapter"):
        SSESource(http, "/stream", **LIMITS).open()  # type: ignore[arg-type]


def test_a_session_header_that_cannot_be_sent_is_told(
    source_at: Callable[..., HTTPSource[Any]],
) -> None:
    """
    Without showing it: it may be a secret.
    """
    session = requests.Session()
    session.headers["X-Bad"] = "s3cret\x00"
    with serving(stuck) as peer:
        source = source_at(peer.url, session=session)
        with pytest.raises(Exception, match="header") as raised:
            source.open()
        assert "s3cret" not in str(raised.value)


def test_an_own_sessions_headers_cookies_and_auth_go_with_streams(
    source_at: Callable[..., HTTPSource[Any]],
) -> None:
    """
    Streams take from the session what its REST calls would.
    """
    session = requests.Session()
    session.headers["X-Theirs"] = "1"
    session.auth = ("user", "password")
    session.cookies.set("theirs", "1", domain="127.0.0.1", path="/")
    with serving(lambda conversation: conversation.read_head()) as peer:
        source = source_at(peer.url, session=session, headers={"X-Gate": "open"})
        with pytest.raises(TransportError):
            source.open()
        (head,) = peer.heads
    assert b"X-Theirs: 1\r\n" in head
    assert b"X-Gate: open\r\n" in head
    assert b"Authorization: Basic " in head
    assert b"Cookie: theirs=1\r\n" in head
    assert b"Coder-Session-Token: " + TOKEN.encode() in head
    assert b"Origin" not in head


def test_a_proxy_that_refuses_is_a_transport_error(
    source_at: Callable[..., HTTPSource[Any]],
) -> None:
    """
    With the proxy's reason.
    """

    def refuse(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 403 No entry\r\n\r\n")

    with serving(refuse) as middle:
        source = source_at("http://127.0.0.1:9", proxies={"http": middle.url})
        with pytest.raises(TransportError, match="403 No entry"):
            source.open()


def test_a_redirect_never_carries_the_token_on(source_at: Callable[..., HTTPSource[Any]]) -> None:
    """
    The second host sees no connection at all.
    """
    with serving(stuck) as other:

        def redirect(conversation: Conversation) -> None:
            conversation.read_head()
            conversation.send(
                b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
                b"Location: %s/\r\n\r\n" % other.url.encode()
            )

        with serving(redirect) as peer:
            with pytest.raises(Exception, match=f"use {other.url} as the deployment's URL"):
                source_at(peer.url).open()
        assert other.accepted == 0
