"""
A process that was forked has connections of its own, and disturbs none of its parent's.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from driving import body_of, data_of, opened, received
from effort import times
from peer import Conversation, Peer, serving

from coder_agents import Client
from coder_agents.transport import HTTP, ClosedError, KeptRequest, SSESource, fork
from coder_agents.transport.connection import Connection
from coder_agents.transport.session import abandon

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
LIMITS: dict[str, Any] = {"idle_timeout": 30.0, "max_message_size": 1 << 20}


def in_child(work: Callable[[], object]) -> Callable[[], None]:
    """
    Run *work* in a forked process; return a function that waits for it and asserts that it went
    well, with no warning.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where threads run
        pid = os.fork()
    if pid == 0:
        _run_child(work, write)
    os.close(write)

    def ended() -> None:
        with os.fdopen(read) as pipe:
            report = pipe.read()
        os.waitpid(pid, 0)
        assert report == "done", report

    return ended


def _run_child(work: Callable[[], object], write: int) -> None:
    unraisable: list[str] = []
    sys.unraisablehook = lambda found: unraisable.append(repr(found.exc_value))
    report = "done"
    try:
        signal.alarm(50)
        warnings.simplefilter("error")
        work()
        if unraisable:
            report = "\n".join(unraisable)
    except BaseException:
        report = traceback.format_exc()
    os.write(write, report.encode())
    os._exit(0)


def serve(conversation: Conversation) -> None:
    """
    Answer each request with its path.
    """
    while True:
        conversation.head = b""
        path = conversation.read_head().split(b" ")[1]
        body = json.dumps(path.decode()).encode()
        conversation.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )


def echo(conversation: Conversation) -> None:
    """
    Send back what comes.
    """
    while data := conversation.sock.recv(65536):
        conversation.send(data)


@pytest.fixture(params=["plain", "tls"])
def peer_of(
    request: pytest.FixtureRequest, server_tls: ssl.SSLContext
) -> Iterator[Callable[..., Peer]]:
    """
    A function of scripts that returns a peer that runs them, plain and over TLS.
    """
    peers = []

    def make(*scripts: Callable[[Conversation], object]) -> Peer:
        peers.append(Peer(*scripts, tls=server_tls if request.param == "tls" else None))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def client_of(url: str, authority_file: Path, **settings: Any) -> Client:
    """
    Return a client that trusts the tests' authority.
    """
    if url.startswith("https:"):
        settings["verify"] = authority_file
    return Client(url, TOKEN, **settings)


def test_a_connection_acts_as_closed_in_the_child(
    peer_of: Callable[..., Peer], authority_file: Path
) -> None:
    """
    Its numbers are closed; the parent reads and writes on, whatever the child does with it.
    """
    with client_of(peer_of(echo).url, authority_file) as client:
        http: HTTP = client._http
        request = http.prepare("/stream", (), {})
        connection = Connection()
        connection.dial(http.pool_for(request), request, 20)
        connection.send(b"before")
        assert data_of(connection) == b"before"
        assert connection._waker is not None
        numbers = [connection._socket.fileno(), connection._waker.fileno()]

        def child() -> None:
            for number in numbers:
                with pytest.raises(OSError, match="Bad file descriptor"):
                    os.fstat(number)
            assert connection.interest(9) is None
            with pytest.raises(ClosedError):
                connection.receive()
            connection.wake()
            connection.free()
            connection.__dict__.clear()

        in_child(child)()
        assert connection.receive() is None
        connection.send(b"after")
        assert data_of(connection) == b"after"
        connection.free()


def test_a_stream_of_the_parent_is_not_disturbed(
    peer_of: Callable[..., Peer], authority_file: Path
) -> None:
    """
    Closing it in the child, politely or not, is heard by nobody.
    """
    go = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.accept_sse()
        conversation.send_chunk(b"data: 1\n\n")
        go.wait(60)
        conversation.send_chunk(b"data: 2\n\n")
        conversation.until_gone()

    with client_of(peer_of(script).url, authority_file) as client:
        source = SSESource(client._http, "/stream", **LIMITS)
        assert received(opened(source)).data == "1"

        def child() -> None:
            source.close()
            with pytest.raises(ClosedError):
                source.receive()

        in_child(child)()
        go.set()
        assert received(source).data == "2"
        source.free()


def test_rest_calls_get_their_own_answers_in_parent_and_children(
    peer_of: Callable[..., Peer], authority_file: Path
) -> None:
    """
    Many calls each, at the same time, of a client that had called before.
    """
    with client_of(peer_of(serve).url, authority_file, timeout=20) as client:
        http: HTTP = client._http
        http.call("GET", "/before")

        def calls(who: str) -> None:
            for number in range(times(25, 100)):
                path = f"/{who}/{number}"
                assert json.loads(http.call("GET", path)) == f"/api/v2{path}"

        children = [in_child(lambda who=who: calls(who)) for who in ("one", "two", "three")]  # type: ignore[misc]
        calls("parent")
        for ended in children:
            ended()


def test_kept_connections_get_their_own_answers_in_parent_and_children(
    peer_of: Callable[..., Peer], authority_file: Path
) -> None:
    """
    One that is idle and one that is lent stay the parent's.
    """
    with client_of(peer_of(serve).url, authority_file) as client:
        http: HTTP = client._http

        def fetch(path: str) -> object:
            request = KeptRequest(http.kept, path, max_message_size=1000)
            try:
                return json.loads(body_of(request))
            finally:
                request.free()

        lent = KeptRequest(http.kept, "/lent", max_message_size=1000)
        fetch("/idle")
        lent.receive(20)

        def calls(who: str) -> None:
            for number in range(30):
                assert fetch(f"/{who}/{number}") == f"/api/v2/{who}/{number}"

        def child() -> None:
            assert not any(http.kept._places)
            calls("child")
            lent.free()
            client.close()

        ended = in_child(child)
        calls("parent")
        if not lent._body:
            assert json.loads(body_of(lent)) == "/api/v2/lent"
        ended()
        assert fetch("/after") == "/api/v2/after"


def test_a_child_that_exits_in_the_usual_way_disturbs_nobody(
    peer_of: Callable[..., Peer], authority_file: Path
) -> None:
    """
    What Python closes at its end is closed already, whatever lock a thread of the parent held.
    """
    with client_of(peer_of(serve).url, authority_file) as client:
        http: HTTP = client._http
        http.call("GET", "/before")
        (pool,) = http.session.get_adapter(http.url("")).poolmanager.pools._container.values()  # type: ignore[attr-defined]
        before = http.session

        def child() -> None:
            assert http.session is not before
            assert pool.pool.qsize() == 0
            pool.close()

        with pool.pool.mutex:
            ended = in_child(child)
        ended()
        assert pool.num_connections == 1
        http.call("GET", "/after")
        assert pool.num_connections == 1


def test_a_session_that_was_handed_in_has_no_connection_of_its_parents(
    peer_of: Callable[..., Peer], authority_file: Path
) -> None:
    """
    A session stays the user's; in a child it dials, so that no process reads the answers of another.
    """
    peer = peer_of(serve)
    with requests.Session() as session:
        session.trust_env = False  # a variable of this machine would take precedence
        session.verify = str(authority_file)
        with Client(peer.url, TOKEN, session=session) as client:
            http: HTTP = client._http
            http.call("GET", "/before")
            (pool,) = session.get_adapter(http.url("")).poolmanager.pools._container.values()  # type: ignore[attr-defined]

            def child() -> None:
                assert http.session is session
                assert json.loads(http.call("GET", "/child")) == "/api/v2/child"
                session.close()

            with session.get_adapter(http.url("")).poolmanager.pools.lock, pool.pool.mutex:  # type: ignore[attr-defined]
                ended = in_child(child)
            ended()
            assert json.loads(http.call("GET", "/after")) == "/api/v2/after"
            assert (pool.num_connections, peer.accepted) == (1, 2)


@pytest.mark.parametrize("adapter", [None, object(), requests.adapters.BaseAdapter()])
def test_an_adapter_of_another_kind_is_left_as_it_is(adapter: Any) -> None:
    """
    What is mounted on a session may be no adapter of requests' own.
    """
    session = requests.Session()
    session.adapters["http://"] = adapter
    with Client("http://127.0.0.1:9", TOKEN, session=session) as client:
        client._http.after_fork_in_child()
        assert client._http.session is session
    assert session.adapters["http://"] is adapter


def test_a_proxys_connections_are_abandoned_too(authority_file: Path) -> None:
    """
    A session keeps them apart; a pool that was closed has none.
    """

    def proxy(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        conversation.until_gone()

    with serving(proxy) as middle:
        url = "http://coder.example.com"
        with Client(url, TOKEN, proxies={"http": middle.url}) as client:
            client._http.call("GET", "/x")
            (manager,) = client._http.session.get_adapter(url).proxy_manager.values()  # type: ignore[attr-defined]
            (pool,) = manager.pools._container.values()
            (sock,) = [one.sock for one in pool.pool.queue if one is not None]
            abandon(client._http.session)
            assert sock.fileno() == -1
            assert pool.pool.empty()


def test_a_session_of_an_unexpected_kind_is_replaced_all_the_same() -> None:
    """
    What it is built from is private to two libraries.
    """
    with Client("http://127.0.0.1:9", TOKEN) as client:
        http: HTTP = client._http
        before = http.session
        http.session.get_adapter("http://x").poolmanager = object()  # type: ignore[attr-defined]
        http.after_fork_in_child()
        assert http.session is not before


def test_one_object_that_fails_keeps_no_other_from_its_turn() -> None:
    """
    All are told, once each fork.
    """

    class Noting:
        def __init__(self, error: Exception | None) -> None:
            self.count = 0
            self._error = error

        def after_fork_in_child(self) -> None:
            self.count += 1
            if self._error is not None:
                raise self._error

    objects = [Noting(None), Noting(ValueError("x")), Noting(None)]
    for one in objects:
        fork.register(one)
        fork.register(one)

    def child() -> None:
        assert [one.count for one in objects] == [1, 1, 1]

    in_child(child)()
    assert [one.count for one in objects] == [0, 0, 0]
    fork._after_fork_in_child()
    assert [one.count for one in objects] == [1, 1, 1]


def test_the_handler_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nothing is registered where the platform cannot fork.
    """
    handlers: list[object] = []
    monkeypatch.setattr(fork, "_registered", {})
    monkeypatch.setattr(os, "register_at_fork", lambda **hooks: handlers.append(hooks))
    connections = [Connection(), Connection()]
    for connection in connections:
        fork.register(connection)
    assert handlers == [{"after_in_child": fork._after_fork_in_child}]
    monkeypatch.setattr(fork, "_registered", {})
    monkeypatch.delattr(os, "register_at_fork")
    fork.register(connections[0])
    assert len(handlers) == 1


def test_numbers_are_closed_of_whatever_holds_them() -> None:
    """
    A socket, urllib3's TLS within TLS, and what has no socket at all.
    """

    class Around:
        def __init__(self, sock: object) -> None:
            self.socket = sock

    ours, theirs = socket.socketpair()
    for held in (ours, Around(theirs), None, object()):
        fork.close_number(held)
        fork.close_number(held)
    assert ours.fileno() == theirs.fileno() == -1


def test_what_belongs_to_the_parent_is_dropped() -> None:
    """
    Connections, kept ones and idle ones of the session are dropped here in this process, as a child
    would do it.
    """
    with serving(serve) as peer:
        with Client(peer.url, TOKEN) as client:
            http: HTTP = client._http
            http.call("GET", "/x")
            body_of(KeptRequest(http.kept, "/y", max_message_size=1000))
            (kept,) = http.kept._all()
            before = http.session
            http.after_fork_in_child()
            assert kept.connection._socket.fileno() == -1
            with pytest.raises(ClosedError):
                kept.connection.receive()
            assert http.session is not before
            before.close()
            http.call("GET", "/z")
            body_of(KeptRequest(http.kept, "/z", max_message_size=1000))
            assert peer.accepted == 4
