"""
What holds for every stream: it is a generator, it polls, it ends, it leaves nothing.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import random
import socket
import ssl
import stat
import threading
import time
import warnings
from collections.abc import Callable, Generator
from typing import Any
from urllib.parse import urlsplit

import pytest
from driving import signalled_when_waiting
from effort import times
from peer import Conversation

from coder_agents import (
    AuthenticationError,
    Client,
    PermissionDeniedError,
    Reconnect,
    RequestTimeoutError,
    ServerError,
    StreamEnd,
    StreamError,
    StreamOptions,
    TLSError,
    TransportError,
)
from coder_agents.agent import Agent

from .conftest import AGENT, Kind, agent_at

Serve = Callable[..., Agent]


def counting(kind: Kind, count: int = 3) -> Callable[[Conversation], None]:
    """
    Return a script that says 1 to *count* and then waits.
    """

    def script(conversation: Conversation) -> None:
        kind.accept(conversation)
        for number in range(1, count + 1):
            kind.say(conversation, number)
        conversation.until_gone()

    return script


def silent(kind: Kind) -> Callable[[Conversation], None]:
    """
    Return a script that accepts and then says nothing.
    """
    return counting(kind, 0)


def open_sockets(agent: Agent | Client, among: int | None = None) -> set[int]:
    """
    Return which sockets this process has open, but for those of the agent's server; *among* is a
    family of addresses, None all of them.

    Not how many: one of an earlier test may go meanwhile.
    """
    port = urlsplit(agent._http.settings.url).port
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own, closed by now
            about = os.stat(int(name))
            if stat.S_ISSOCK(about.st_mode):
                with socket.socket(fileno=os.dup(int(name))) as sock:
                    if among in (None, sock.family) and sock.getsockname()[1:2] != (port,):
                        found.add(about.st_ino)
    return found


def test_a_stream_is_a_generator(serve: Serve, kind: Kind) -> None:
    """
    for, next, islice and yield from work as on any generator.
    """

    def delegating(stream: Generator[Any, None, None]) -> Generator[Any, None, None]:
        yield from stream

    stream: Any = kind.open(serve(counting(kind, 5)))
    assert issubclass(type(stream), Generator)
    with stream:
        assert iter(stream) is stream
        assert kind.read(next(stream)) == 1
        assert [kind.read(i) for i in itertools.islice(stream, 2)] == [2, 3]
        outer = delegating(stream)
        assert kind.read(next(outer)) == 4
        assert kind.read(stream.send(None)) == 5
        assert repr(stream).endswith(", open>")
    assert stream.end is StreamEnd.CLOSED
    assert list(stream) == []


@pytest.mark.parametrize("error", [KeyError, KeyError("x")])
def test_throw_closes_and_raises(serve: Serve, kind: Kind, error: Any) -> None:
    """
    A generator that does not catch the exception would do the same.
    """
    stream: Any = kind.open(serve(counting(kind)))
    next(stream)
    with pytest.raises(KeyError):
        stream.throw(error)
    assert stream.end is StreamEnd.CLOSED
    with pytest.raises(StopIteration):
        next(stream)


def test_throw_takes_a_type_and_a_value(serve: Serve, kind: Kind) -> None:
    """
    The older form of generator.throw.
    """
    stream = kind.open(serve(counting(kind)))
    with pytest.raises(KeyError, match="why"):
        stream.throw(KeyError, KeyError("why"))


def test_it_connects_when_called(serve: Serve, kind: Kind) -> None:
    """
    A refusal is raised where the stream was asked for, not at the first item.
    """

    def refuse(conversation: Conversation) -> None:
        conversation.read_head()
        body = b'{"message": "who are you"}'
        conversation.send(
            b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    with pytest.raises(AuthenticationError, match="who are you"):
        kind.open(serve(refuse))


@pytest.mark.parametrize("tail", [b"", b"\r\nContent-Length: 4000"])
def test_a_refusal_without_a_length_keeps_what_came_of_its_body(
    serve: Serve, kind: Kind, tail: bytes
) -> None:
    """
    Proxies leave the length out, or cut the body: what is there is told.
    """

    def refuse(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html" + tail)
        conversation.send(b"\r\n\r\n<b>no entry</b>")

    with pytest.raises(PermissionDeniedError, match="no entry"):
        kind.open(serve(refuse))


def test_a_refusals_body_has_a_limit(serve: Serve, kind: Kind) -> None:
    """
    An endless page is cut, and the connection is left.
    """

    def refuse(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            conversation.send(b"x" * 65536)

    with pytest.raises(ServerError, match="unexpected status code 500"):
        kind.open(serve(refuse))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 O",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
    ids=["nothing", "half a line", "another protocol", "bad length", "a flood", "no handshake"],
)
def test_an_answer_that_is_none_is_a_transport_error(serve: Serve, kind: Kind, said: bytes) -> None:
    """
    What is not the head of an answer is told as such; a flood of headers is cut.
    """

    def speak(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(said)

    with pytest.raises(TransportError, match=f"GET http://127.*{AGENT}"):
        kind.open(serve(speak))


def test_informational_answers_are_passed_over(serve: Serve, kind: Kind) -> None:
    """
    103 Early Hints and 100 Continue come before the answer.
    """

    def hint(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        counting(kind)(conversation)

    with kind.open(serve(hint)) as stream:
        assert kind.read(next(stream)) == 1


def test_headers_dripped_byte_by_byte_end_at_the_time_limit(serve: Serve, kind: Kind) -> None:
    """
    The limit is on the whole handshake: single bytes do not put it off.
    """

    def drip(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\nX: ")
        while not conversation.stop.wait(0.02):
            conversation.send(b"x")

    started = time.monotonic()
    with pytest.raises(RequestTimeoutError, match="no answer in time"):
        kind.open(serve(drip, timeout=(5, 0.4)))
    assert time.monotonic() - started < 40


def test_a_port_where_nobody_listens_is_a_transport_error(serve: Serve, kind: Kind) -> None:
    """
    The error names the URL and the reason.
    """
    agent = serve(counting(kind))
    url = agent._http.settings.url
    gone = agent_at("http://127.0.0.1:1")
    assert url != "http://127.0.0.1:1"
    with pytest.raises(TransportError, match=r"GET http://127\.0\.0\.1:1/.*refused") as raised:
        kind.open(gone)
    assert raised.value.__context__ is None


def test_an_unknown_authority_is_a_tls_error(
    serve: Serve, kind: Kind, server_tls: ssl.SSLContext
) -> None:
    """
    The streams check certificates as the REST calls do.
    """
    agent = serve(counting(kind), tls=server_tls, verify=True)
    with pytest.raises(TLSError, match="certificate verify failed"):
        kind.open(agent)


def test_poll_returns_on_time_and_loses_no_half(
    serve: Serve, kind: Kind, tls: ssl.SSLContext | None
) -> None:
    """
    poll(0.1) returns None in time; half a frame or half a chunk before it is kept.
    """
    polled = threading.Event()

    def halves(conversation: Conversation) -> None:
        kind.accept(conversation)
        first, second = kind.half(conversation, 7)
        conversation.send(first)
        assert polled.wait(60)
        conversation.send(second)
        conversation.until_gone()

    with kind.open(serve(halves, tls=tls)) as stream:
        started = time.monotonic()
        assert stream.poll(0.1) is None
        assert stream.poll(0) is None
        assert time.monotonic() - started < 40
        polled.set()
        assert kind.read(stream.poll(60)) == 7


def test_poll_does_not_wait_for_drips(serve: Serve, kind: Kind) -> None:
    """
    Each byte of a message on its own, the chunk's length too: poll still ends on time
    and the message is whole in the end.
    """

    def drip(conversation: Conversation) -> None:
        kind.accept(conversation)
        for byte in b"".join(kind.half(conversation, 7)):
            conversation.send(bytes([byte]))
            conversation.stop.wait(0.002)
        conversation.until_gone()

    with kind.open(serve(drip)) as stream:
        polls = 0
        while (item := stream.poll(0.01)) is None:
            polls += 1
        assert kind.read(item) == 7
        assert polls > 2


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300, 30, 0.5])
def test_poll_returns_an_item_at_once(serve: Serve, kind: Kind, timeout: float | None) -> None:
    """
    None and infinity wait without limit, but never when something is there.
    """
    with kind.open(serve(counting(kind))) as stream:
        assert kind.read(stream.poll(timeout)) == 1


@pytest.mark.parametrize(
    ("timeout", "error"), [(-1, ValueError), (math.nan, ValueError), ("1", TypeError)]
)
def test_a_bad_poll_timeout_is_refused(
    serve: Serve, kind: Kind, timeout: Any, error: type[Exception]
) -> None:
    """
    The stream stays whole.
    """
    with kind.open(serve(counting(kind))) as stream:
        with pytest.raises(error, match="timeout must be"):
            stream.poll(timeout)
        assert kind.read(next(stream)) == 1


def test_after_the_end_poll_returns_none_at_once(serve: Serve, kind: Kind) -> None:
    """
    This holds also with no limit of time.
    """
    stream = kind.open(serve(counting(kind)))
    stream.close()
    assert stream.poll(None) is None
    assert stream.poll(5) is None


def test_silence_past_the_idle_timeout_is_a_drop(serve: Serve, kind: Kind) -> None:
    """
    No byte at all for that long is told as such, by next and by poll alike.
    """
    options = StreamOptions(reconnect=None, idle_timeout=0.3)
    agent = serve(silent(kind), options=options)
    with pytest.raises(StreamError, match=r"no byte came for 0\.3 seconds"):
        next(kind.open(agent))
    stream = kind.open(agent)
    with pytest.raises(StreamError, match="no byte came"):
        while True:
            stream.poll(0.01)
    assert stream.end is StreamEnd.FAILED


def test_a_peer_that_only_pings_is_not_silent(serve: Serve, kind: Kind) -> None:
    """
    Silence is measured in bytes, and a ping is some.
    """

    pauses: list[float] = []

    def pinging(conversation: Conversation) -> None:
        kind.accept(conversation)
        for _ in range(8):
            began = time.monotonic()
            conversation.stop.wait(0.1)
            pauses.append(time.monotonic() - began)
            if kind.name == "logs":
                conversation.ping(b"x")
            else:
                conversation.send_chunk(b"event: ping\n\n")
        kind.say(conversation, 1)
        conversation.until_gone()

    agent = serve(pinging, options=StreamOptions(reconnect=None, idle_timeout=0.5))
    with kind.open(agent) as stream:
        try:
            assert kind.read(next(stream)) == 1
        except StreamError:
            # A machine that is too busy is silent itself.
            assert max(pauses, default=1.0) > 0.2


def test_a_slow_loop_body_is_no_silence(serve: Serve, kind: Kind) -> None:
    """
    What came meanwhile is read first.
    """
    agent = serve(counting(kind, 2), options=StreamOptions(reconnect=None, idle_timeout=1))
    with kind.open(agent) as stream:
        assert kind.read(next(stream)) == 1
        time.sleep(1.2)
        assert kind.read(next(stream)) == 2


def test_what_comes_during_a_slow_loop_body_is_read_before_it_is_silence(
    serve: Serve, kind: Kind
) -> None:
    """
    A read that emptied the socket before does not hide what came after it.
    """
    first_was_read = threading.Event()

    def say_one_after_the_other(conversation: Conversation) -> None:
        kind.accept(conversation)
        kind.say(conversation, 1)
        assert first_was_read.wait(60)
        kind.say(conversation, 2)
        conversation.until_gone()

    options = StreamOptions(reconnect=None, idle_timeout=1)
    with kind.open(serve(say_one_after_the_other, options=options)) as stream:
        assert kind.read(next(stream)) == 1
        first_was_read.set()
        time.sleep(1.2)
        assert kind.read(next(stream)) == 2


def test_a_lost_connection_is_never_the_end_of_the_iteration(serve: Serve, kind: Kind) -> None:
    """
    It raises once; the iteration after that is over.
    """

    def reset(conversation: Conversation) -> None:
        kind.accept(conversation)
        kind.say(conversation, 1)
        conversation.stop.wait(0.2)
        conversation.reset()

    stream = kind.open(serve(reset))
    with pytest.raises(StreamError):
        for _ in stream:
            pass
    assert stream.end is StreamEnd.FAILED
    assert list(stream) == []


def in_thread(stream: Any) -> tuple[threading.Thread, list[object]]:
    """
    Read *stream* to its end in a thread; return it and what it gave.
    """
    found: list[object] = []

    def read() -> None:
        try:
            found.extend(stream)
            found.append("end")
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, found


def test_close_from_another_thread_wakes_a_blocked_reader(
    serve: Serve, kind: Kind, tls: ssl.SSLContext | None
) -> None:
    """
    The iteration ends without an error, and nothing stays open.
    """
    agent = serve(counting(kind, 1), tls=tls)
    before = open_sockets(agent)
    stream = kind.open(agent)
    thread, found = in_thread(stream)
    while not found:
        time.sleep(0.01)
    stream.close()
    stream.close()
    thread.join(60)
    assert not thread.is_alive()
    assert found[1:] == ["end"]
    assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) <= before


def test_close_in_a_signal_handler_wakes_a_blocked_reader(
    serve: Serve, kind: Kind, tls: ssl.SSLContext | None
) -> None:
    """
    The handler runs in the very thread that reads.
    """
    agent = serve(counting(kind, 1), tls=tls)
    before = open_sockets(agent)
    stream = kind.open(agent)
    next(stream)
    with signalled_when_waiting(lambda *_: stream.close()):
        assert list(stream) == []
    assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) <= before


def test_ctrl_c_passes_through_and_leaves_nothing_open(
    serve: Serve, kind: Kind, tls: ssl.SSLContext | None
) -> None:
    """
    KeyboardInterrupt in a blocked read closes the socket.
    """
    agent = serve(counting(kind, 1), tls=tls)
    before = open_sockets(agent)
    stream = kind.open(agent)
    next(stream)
    with signalled_when_waiting(), pytest.raises(KeyboardInterrupt):
        next(stream)
    assert stream.end is StreamEnd.INTERRUPTED
    assert list(stream) == []
    assert open_sockets(agent) <= before


def test_ctrl_c_while_it_connects_leaves_nothing_open(
    serve: Serve, kind: Kind, tls: ssl.SSLContext | None
) -> None:
    """
    Waiting for the head of the answer, and in the TLS handshake.
    """

    def stuck(conversation: Conversation) -> None:
        conversation.until_gone()

    agent = serve(stuck, tls=tls)
    before = open_sockets(agent)
    with signalled_when_waiting(), pytest.raises(KeyboardInterrupt):
        kind.open(agent)
    assert open_sockets(agent) <= before


def test_closes_at_random_moments(serve: Serve, kind: Kind, tls: ssl.SSLContext | None) -> None:
    """
    No open socket, no deadlock, no ciphertext in the parser: what is read is in order and
    the end is never an error.
    """

    # More than can be read before the close, and no more, or the peer has the processor for itself.
    agent = serve(counting(kind, 100), tls=tls)
    before = open_sockets(agent)
    chance = random.Random(7)
    for _ in range(times(30, 400) if tls is None else times(10, 100)):
        stream = kind.open(agent)
        thread, found = in_thread(stream)
        time.sleep(chance.random() * 0.004)
        stream.close()
        thread.join(60)
        assert not thread.is_alive()
        assert found.pop() == "end"
        assert [kind.read(item) for item in found] == list(range(1, len(found) + 1))
        assert stream.end is StreamEnd.CLOSED
    assert open_sockets(agent) <= before


def test_two_readers_at_once_are_refused(serve: Serve, kind: Kind) -> None:
    """
    They are refused with ValueError as by generators, and the first reader is not disturbed.
    """
    stream = kind.open(serve(silent(kind)))
    thread, found = in_thread(stream)
    while not stream._core.owner:
        time.sleep(0.01)
    with pytest.raises(ValueError, match="another thread is reading the stream"):
        next(stream)
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)
    thread.join(60)
    assert found == ["end"]


def test_a_stream_left_open_is_closed_with_a_warning(serve: Serve, kind: Kind) -> None:
    """
    A ResourceWarning says where it was opened, and the socket is gone.
    """
    agent = serve(counting(kind))
    before = open_sockets(agent)
    with pytest.warns(ResourceWarning, match=r"test_stream\.py:\d+"):
        next(kind.open(agent))
    assert open_sockets(agent) <= before


def test_a_stream_that_never_opened_warns_of_nothing(kind: Kind) -> None:
    """
    Its error is all there is to say.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TransportError):
            kind.open(agent_at("http://127.0.0.1:1"))


def test_the_repr_says_what_and_whether_it_runs(serve: Serve, kind: Kind) -> None:
    """
    It shows nothing of the token.
    """
    with kind.open(serve(counting(kind))) as stream:
        name = f"{type(stream).__name__} of {stream._core.engine.what}"
        assert repr(stream) == f"<{name}, 0 items, open>"
        next(stream)
        assert repr(stream) == f"<{name}, 1 item, open>"
        assert f"{name}</div>" in stream._repr_html_()
        assert str(AGENT) in repr(stream)
    assert repr(stream).endswith(", ended: closed by this program>")


def test_a_stream_outlives_its_client(serve: Serve, kind: Kind) -> None:
    """
    Closing the client closes no stream, and one that drops connects again; a new one is refused.
    """

    def drop(conversation: Conversation) -> None:
        kind.accept(conversation)
        kind.say(conversation, 1)

    options = StreamOptions(reconnect=Reconnect(initial=0.01), settle=0)
    agent = serve(drop, counting(kind, 2), options=options)
    with kind.open(agent) as stream:
        agent._http.close()
        assert kind.read(next(stream)) == 1
        assert kind.read(next(stream)) == 2
    with pytest.raises(RuntimeError, match="client is closed"):
        kind.open(agent)


def test_whoever_polls_a_stream_that_is_being_closed_gets_none(serve: Serve, kind: Kind) -> None:
    """
    It returns though another reader has not let go of the stream yet; that one frees it.
    """
    stream = kind.open(serve(silent(kind)))
    owner = stream._core.owner
    owner[0] = "another reader"
    stream.close()
    assert stream.poll(None) is None
    assert stream.end is StreamEnd.CLOSED
    owner.clear()
    stream.close()
