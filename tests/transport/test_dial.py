"""
A dial has one deadline in all, whatever it waits for.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import urllib3
import urllib3.connection
from driving import open_source, opened, received
from peer import Conversation, serving

from coder_agents import Client, RequestTimeoutError, TLSError, TransportError
from coder_agents.transport import HTTP, ClosedError, SSESource
from coder_agents.transport.connection import Connection
from coder_agents.transport.dial import DialDeadline, DialSocket, _tls, dial

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
EVENT = b"event: data\ndata: 1\n\n"
SHORT = 0.3  # seconds that a dial may take in these tests
LONG = 40  # seconds that it never takes

Tunnel = Callable[[Conversation], None]


def source_at(url: str, **settings: Any) -> SSESource:
    """
    Return an unopened source.
    """
    http: HTTP = Client(url, TOKEN, **settings)._http
    return SSESource(http, "/stream", idle_timeout=30, max_message_size=1 << 20)


def times_out(source: SSESource) -> str:
    """
    Assert that *source* is dialled for no longer than its deadline; return the error's text.
    """
    started = time.monotonic()
    with pytest.raises(RequestTimeoutError) as raised:
        source.send_request(SHORT)
    assert time.monotonic() - started < LONG
    return str(raised.value)


def stuck(conversation: Conversation) -> None:
    """
    Take whatever comes and never answer.
    """
    conversation.until_gone()


def event(conversation: Conversation) -> None:
    """
    Accept a stream and send one event.
    """
    conversation.accept_sse()
    conversation.send_chunk(EVENT)
    conversation.until_gone()


def drip(conversation: Conversation) -> None:
    """
    Answer a byte at a time, without end.
    """
    conversation.read_head()
    conversation.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not conversation.stop.wait(0.05):
        conversation.send(b"x")


def tunnel_to(port: int, head: list[bytes] | None = None) -> Tunnel:
    """
    Return the script of a proxy that connects everybody to *port*.
    """

    def script(conversation: Conversation) -> None:
        asked = conversation.read_head()
        if head is not None:
            head.append(asked)
        with socket.create_connection(("127.0.0.1", port)) as onward:
            conversation.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(onward, conversation.sock))
            back.start()
            _copy(conversation.sock, onward)
            back.join()

    return script


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def addresses(*ports: int) -> list[Any]:
    """
    Return what a look-up would find for a host with several addresses.
    """
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]


def test_an_address_that_never_answers_ends_at_the_deadline(full_listener: int) -> None:
    """
    The time-out is the whole dial's.
    """
    assert "timed out" in times_out(source_at(f"http://127.0.0.1:{full_listener}"))


def test_several_addresses_share_one_deadline(
    full_listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Two hundred addresses that never answer take no longer than one.
    """
    found = addresses(*[full_listener] * 200)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    started = time.monotonic()
    times_out(source_at("http://many.example.com"))
    assert time.monotonic() - started < SHORT * 100


def test_an_address_that_never_answers_leaves_time_for_the_next(
    full_listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Such an address is one of IPv6 that leads nowhere.
    """
    with serving(event) as peer:
        found = addresses(full_listener, peer.port)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        source = source_at("http://two.example.com")
        opened(source, SHORT * 8)
        assert received(source).data == "1"
        source.free()


def test_a_slow_dns_request_counts(full_listener: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where it takes all the time there is, no address is tried.
    """

    def slow(*_: Any) -> list[Any]:
        time.sleep(0.3)
        return addresses(full_listener)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    started = time.monotonic()
    with pytest.raises(RequestTimeoutError):
        source_at("http://slow.example.com").send_request(0.1)
    assert time.monotonic() - started < LONG


def test_the_last_address_that_fails_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A refused connection is no time-out, and a look-up may find nothing.
    """
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: addresses(port, port))
        with pytest.raises(TransportError, match="refused") as raised:
            source_at("http://two.example.com").send_request(LONG)
    assert type(raised.value) is TransportError
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    with pytest.raises(TransportError, match="found no address"):
        source_at("http://none.example.com").send_request(LONG)


def test_a_host_that_does_not_exist_is_a_transport_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The error has the resolver's reason.
    """

    def unknown(*_: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TransportError, match="Name or service not known"):
        source_at("http://nowhere.example.com").send_request(LONG)


def test_a_host_name_that_cannot_be_is_a_transport_error() -> None:
    """
    A label may not be empty.
    """
    with pytest.raises(TransportError, match="label empty or too long"):
        source_at("http://a..example.com").send_request(LONG)


def test_a_tls_handshake_that_is_never_answered_ends_at_the_deadline() -> None:
    """
    The peer takes the hello and sends nothing.
    """
    with serving(stuck) as peer:
        times_out(source_at(peer.url.replace("http:", "https:")))


def test_a_tls_handshake_that_drips_ends_at_the_deadline() -> None:
    """
    A record that comes byte by byte.
    """

    def script(conversation: Conversation) -> None:
        conversation.sock.recv(100)
        conversation.send(b"\x16\x03\x03\x40\x00")
        while not conversation.stop.wait(0.05):
            conversation.send(b"x")

    with serving(script) as peer:
        times_out(source_at(peer.url.replace("http:", "https:")))


def test_a_wrong_certificate_is_a_tls_error(server_tls: ssl.SSLContext) -> None:
    """
    It is the error that REST calls raise.
    """
    with serving(stuck, tls=server_tls) as peer:
        with pytest.raises(TLSError):
            source_at(peer.url).send_request(LONG)


@pytest.mark.parametrize("script", [stuck, drip])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_answer_ends_at_the_deadline(scheme: str, script: Tunnel) -> None:
    """
    An answer that comes byte by byte ends there, too.
    """
    with serving(script) as proxy:
        times_out(source_at(f"{scheme}://127.0.0.1:9", proxies={scheme: proxy.url}))


@pytest.mark.parametrize("script", [stuck, drip])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_over_tls_that_does_not_answer_ends_at_the_deadline(
    scheme: str, script: Tunnel, server_tls: ssl.SSLContext, authority_file: Path
) -> None:
    """
    The same inside TLS to the proxy.
    """
    with serving(script, tls=server_tls) as proxy:
        source = source_at(
            f"{scheme}://127.0.0.1:9", proxies={scheme: proxy.url}, verify=authority_file
        )
        times_out(source)


def test_a_tls_handshake_through_a_proxy_over_tls_ends_at_the_deadline(
    server_tls: ssl.SSLContext, authority_file: Path
) -> None:
    """
    The proxy answers; what is behind it does not.
    """
    with serving(stuck) as peer:
        with serving(tunnel_to(peer.port), tls=server_tls) as proxy:
            source = source_at(
                peer.url.replace("http:", "https:"),
                proxies={"https": proxy.url},
                verify=authority_file,
            )
            times_out(source)


@pytest.mark.parametrize("to_proxy", ["http", "https"])
@pytest.mark.parametrize("to_deployment", ["http", "https"])
def test_a_stream_comes_through_a_proxy(
    to_proxy: str, to_deployment: str, server_tls: ssl.SSLContext, authority_file: Path
) -> None:
    """
    There may be TLS to the proxy, to the deployment, to both or none; CONNECT is always used.
    """
    heads: list[bytes] = []
    with serving(event, tls=server_tls if to_deployment == "https" else None) as peer:
        script = tunnel_to(peer.port, heads)
        with serving(script, tls=server_tls if to_proxy == "https" else None) as proxy:
            source = source_at(peer.url, proxies={to_deployment: proxy.url}, verify=authority_file)
            opened(source)
            assert received(source).data == "1"
            inner = source._connection._socket
            assert type(getattr(inner, "socket", inner)) in (ssl.SSLSocket, DialSocket)
            source.free()
    assert heads[0].startswith(b"CONNECT 127.0.0.1:%d " % peer.port)


def test_a_proxy_that_refuses_is_a_transport_error() -> None:
    """
    The error has the proxy's reason.
    """

    def refuse(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 403 No entry\r\n\r\n")

    with serving(refuse) as middle:
        with pytest.raises(TransportError, match="403 No entry"):
            source_at("http://127.0.0.1:9", proxies={"http": middle.url}).send_request(LONG)


def test_a_proxy_that_sends_nonsense_is_a_transport_error() -> None:
    """
    http.client's errors are none of Python's OSErrors.
    """

    def nonsense(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"nonsense\r\n\r\n")

    with serving(nonsense) as middle:
        with pytest.raises(TransportError, match="nonsense"):
            source_at("http://127.0.0.1:9", proxies={"http": middle.url}).send_request(LONG)


def test_an_own_sessions_socket_options_and_source_address_hold() -> None:
    """
    They are settings of urllib3's pools.
    """
    with serving(event) as peer:
        source = source_at(peer.url)
        pool = source._http.pool_for(source._http.prepare("/stream", (), {}))
        pool.conn_kw["source_address"] = ("127.0.0.1", 0)
        pool.conn_kw["socket_options"] = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        opened(source)
        sock = source._connection._socket
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        source.free()


def test_a_failed_socket_option_leaves_nothing_open() -> None:
    """
    A source address that is not this machine's.
    """
    source = source_at("http://127.0.0.1:9")
    pool = source._http.pool_for(source._http.prepare("/stream", (), {}))
    pool.conn_kw["source_address"] = ("192.0.2.1", 0)
    with pytest.raises(TransportError):
        source.send_request(LONG)


class OwnConnection(urllib3.connection.HTTPConnection):
    """
    A connection that knows by itself how to connect, as one to a SOCKS proxy does.
    """

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout
        assert isinstance(timeout, float)
        return socket.create_connection((self.host, self.port), timeout)


def own_pool(source: SSESource) -> None:
    """
    Let *source* be dialled by `OwnConnection`.
    """
    pool = source._http.pool_for(source._http.prepare("/stream", (), {}))
    pool.ConnectionCls = OwnConnection


def test_a_connection_of_another_kind_connects_by_itself() -> None:
    """
    A connection through a SOCKS proxy is one of that kind.
    """
    with serving(event) as peer:
        source = source_at(peer.url)
        own_pool(source)
        opened(source)
        assert received(source).data == "1"
        source.free()


def test_a_connection_of_another_kind_has_the_deadline_too(full_listener: int) -> None:
    """
    Its time-out is what is left until the deadline.
    """
    source = source_at(f"http://127.0.0.1:{full_listener}")
    own_pool(source)
    times_out(source)


def test_a_connection_of_another_kind_is_woken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It is woken as soon as it has a socket.
    """
    with serving(stuck) as peer:
        source = source_at(peer.url)
        own_pool(source)
        connect = OwnConnection._new_conn

        def woken(self: OwnConnection) -> socket.socket:
            source.wake()
            return connect(self)

        monkeypatch.setattr(OwnConnection, "_new_conn", woken)
        with pytest.raises(ClosedError):
            source.send_request(LONG)


def test_ctrl_c_in_a_dial_leaves_nothing_open() -> None:
    """
    This holds whatever ends the dial.
    """

    def interrupted(sock: socket.socket) -> None:
        raise KeyboardInterrupt

    with serving(stuck) as peer:
        http = source_at(peer.url)._http
        request = http.prepare("/stream", (), {})
        with pytest.raises(KeyboardInterrupt):
            dial(http.pool_for(request), request, LONG, interrupted)


def test_ctrl_c_in_a_tls_handshake_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The traceback keeps nothing open either.
    """
    half_made: list[ssl.SSLSocket] = []

    def interrupted(self: ssl.SSLSocket, *_: object) -> None:
        half_made.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", interrupted)
    with serving(stuck) as peer:
        source = source_at(peer.url.replace("http:", "https:"))
        with pytest.raises(KeyboardInterrupt):
            source.send_request(LONG)
    assert [sock.fileno() for sock in half_made] == [-1]


def test_a_dialled_socket_is_like_any_other() -> None:
    """
    Its time-out is its own again, and reading and writing are those of any socket.
    """

    def script(conversation: Conversation) -> None:
        conversation.send(b"hi")
        conversation.until_gone()

    with serving(script) as peer:
        connection = Connection()
        http = source_at(peer.url)._http
        request = http.prepare("/stream", (), {})
        connection.dial(http.pool_for(request), request, LONG)
        sock = connection._socket
        assert sock.gettimeout() == 0
        assert type(sock).recv is socket.socket.recv
        assert type(sock).send is socket.socket.send
        sock.setblocking(True)
        sock.sendall(b"x")
        assert sock.recv_into(bytearray(2)) == 2
        connection.free()


def test_a_deadline_that_has_passed_leaves_no_time() -> None:
    """
    Only ssl's handshake gets some, and fails at once: its socket could not be closed otherwise.
    """
    deadline = DialDeadline(0)
    with pytest.raises(TimeoutError):
        deadline.left()
    with DialSocket() as sock:
        sock.deadline = deadline
        assert sock.gettimeout() == 0.001


def test_tls_of_another_kind_is_left_as_it_is() -> None:
    """
    urllib3 may wrap a socket in something else than Python's own TLS.
    """
    other = object()
    dialled: list[Any] = []
    assert _tls(other, DialDeadline(1), dialled) is other
    assert dialled == []


def test_a_dial_is_audited_as_any_connection() -> None:
    """
    Python's audit hooks see where it goes.
    """
    seen: list[tuple[Any, ...]] = []

    def hook(name: str, args: tuple[Any, ...]) -> None:
        if name == "http.client.connect" and seen_by:
            seen.append(args[1:])

    seen_by = [True]  # a hook cannot be removed
    sys.addaudithook(hook)
    with serving(event) as peer:
        source = source_at(peer.url)
        open_source(source)
        source.free()
    seen_by.clear()
    assert ("127.0.0.1", peer.port) in seen


def test_urllib3_still_calls_new_conn_to_make_its_socket() -> None:
    """
    The tap is on a private method: this fails where a release of urllib3 moves it.
    """
    for scheme in (urllib3.HTTPConnectionPool, urllib3.HTTPSConnectionPool):
        pool = scheme("127.0.0.1", 9)
        connection: Any = pool._new_conn()
        assert connection._dns_host == "127.0.0.1"
        tapped: list[bool] = []

        def tap(tapped: list[bool] = tapped) -> socket.socket:
            tapped.append(True)
            raise ClosedError

        connection._new_conn = tap
        with pytest.raises(ClosedError):
            connection.connect()
        assert tapped == [True]


def test_an_interrupt_while_a_socket_is_made_leaves_none_open() -> None:
    """
    Ctrl-C at any line of what makes it finds nobody who could close it.
    """
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if frame.f_code is not socket.socket.__init__.__code__:
            return trace
        lines -= event == "line"
        if lines == 0 and event == "line":
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        interrupted = 0
        for number in range(1, 20):
            lines = number
            try:
                sys.settrace(trace)
                DialSocket().close()
            except KeyboardInterrupt:
                interrupted += 1
            finally:
                sys.settrace(before)
    assert [str(warning.message) for warning in caught] == []
    assert 2 < interrupted < 19


def test_a_socket_that_cannot_be_made_is_an_error() -> None:
    """
    The error of the system is passed on.
    """
    with pytest.raises(OSError, match="family"):
        DialSocket(family=250)
