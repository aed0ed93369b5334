"""
The log of an agent, followed over WebSocket.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
import requests.adapters
from peer import Conversation

from coder_agents import (
    APIError,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    MessageTooLargeError,
    NotFoundError,
    StreamEnd,
    StreamError,
    StreamOptions,
    TransportError,
)
from coder_agents.agent import Agent

from .conftest import AGENT, logs, until_1000

pytestmark = pytest.mark.unmeasured

Serve = Callable[..., Agent]
Recording = Callable[[str, str], dict[str, Any]]


def saying(*parts: bytes | str, code: int | None = 1000) -> Callable[[Conversation], None]:
    """
    Return a script that accepts, sends *parts* (text as a message) and closes with *code*.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        for part in parts:
            data = conversation.text_frame(part) if isinstance(part, str) else part
            conversation.send(data)
        if code is not None:
            conversation.send(conversation.close_frame(code))
        conversation.until_gone()

    return script


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """
    Return a server's frame, also one that no library would make.
    """
    head = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65536:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


def test_each_line_is_an_item_and_1000_may_be_a_restart(serve: Serve) -> None:
    """
    Messages are lists of lines; without reconnecting nothing tells the server's 1000 from a drop,
    so it is raised.
    """
    stream = serve(saying("[]\n", logs(3, 5), logs(9))).follow_logs()
    assert stream.last_id is None
    assert [next(stream).id for _ in range(3)] == [3, 5, 9]
    with pytest.raises(StreamError, match="close code 1000") as caught:
        next(stream)
    assert (caught.value.code, caught.value.last_id) == (1000, 9)
    assert caught.value.bookmark == stream.bookmark
    assert stream.end is StreamEnd.FAILED
    assert stream.last_id == 9


def test_last_id_is_the_newest_that_was_yielded(serve: Serve) -> None:
    """
    It is not the newest received, and never a lower one that came late.
    """
    stream = serve(saying(logs(3, 9, 5))).follow_logs()
    assert [stream.last_id for _ in until_1000(stream)] == [3, 9, 9]


@pytest.mark.parametrize(
    ("after", "query"),
    [(0, b"?follow=&no_compression= "), (7, b"?after=7&follow=&no_compression= ")],
)
def test_the_request_asks_to_follow(serve: Serve, after: int, query: bytes) -> None:
    """
    It has the presence flags that servers know, and the token as a header.
    """
    heads: list[bytes] = []

    def script(conversation: Conversation) -> None:
        heads.append(conversation.read_head())
        conversation.accept_websocket()

    stream = serve(script).follow_logs(after)
    stream.close()
    (head,) = heads
    assert head.startswith(b"GET /api/v2/workspaceagents/%s/logs" % str(AGENT).encode() + query)
    assert b"Coder-Session-Token: " in head
    assert b"Sec-WebSocket-Extensions" not in head
    assert b"Origin" not in head
    assert b"ookie" not in head


@pytest.mark.parametrize(
    ("after", "error", "says"),
    [
        (-1, ValueError, "after must be 0 or more"),
        (True, TypeError, "after must be a whole number"),
        (None, TypeError, "after must be a whole number"),
        ("7", ValueError, "is neither a bookmark nor an id"),
    ],
)
def test_a_bad_after_is_refused_before_any_io(
    serve: Serve, after: Any, error: type[Exception], says: str
) -> None:
    """
    The error says what would be right.
    """
    agent = serve(saying())
    with pytest.raises(error, match=says):
        agent.follow_logs(after)


@pytest.mark.parametrize(
    ("after", "error"), [(-1, ValueError), ("1", ValueError), (True, TypeError)]
)
def test_a_bad_after_of_logs_is_refused_before_any_io(
    serve: Serve, after: Any, error: type[Exception]
) -> None:
    """
    The log, read once, begins after an id or after a bookmark.
    """
    with pytest.raises(error, match=r"after must be|neither a bookmark nor an id"):
        serve(saying()).logs(after)


@pytest.mark.parametrize("at", range(0, 120, 7))
def test_what_comes_with_the_handshake_is_not_lost(serve: Serve, at: int) -> None:
    """
    The first message may share a packet with the handshake, in whole or in part.
    """

    def script(conversation: Conversation) -> None:
        message = conversation.text_frame(logs(1))
        conversation.accept_websocket(beyond=message[:at])
        conversation.send(message[at:])
        conversation.until_gone()

    with serve(script).follow_logs() as stream:
        assert next(stream).id == 1


def test_a_fragmented_message_with_pings_between_is_one(serve: Serve) -> None:
    """
    Control frames may come between fragments, and empty fragments count as none.
    """
    whole = logs(*range(1, 60)).encode()
    script = saying(
        frame(1, whole[:10], fin=False),
        frame(9, b"are you there"),
        frame(0, b"", fin=False),
        frame(10, b"unasked"),
        frame(0, whole[10:2000], fin=False),
        frame(0, whole[2000:]),
    )
    assert [log.id for log in until_1000(serve(script).follow_logs())] == list(range(1, 60))


def test_a_ping_is_answered_with_its_payload(serve: Serve) -> None:
    """
    While somebody reads, as servers from 2.31 on demand.
    """
    answered: list[bytes] = []
    done = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.ping(b"are you there")
        head = conversation.sock.recv(6)
        mask, payload = head[2:6], conversation.sock.recv(13)
        answered.append(head[:1] + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))
        conversation.text(logs(1))
        done.wait(60)

    with serve(script).follow_logs() as stream:
        next(stream)
        done.set()
    assert answered == [b"\x8aare you there"]


def test_closing_says_goodbye(serve: Serve) -> None:
    """
    A server sees a close frame with 1000 from whoever is not blocked.
    """
    said: list[bytes] = []
    gone = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(logs(1))
        said.append(conversation.until_gone())
        gone.set()

    with serve(script).follow_logs() as stream:
        next(stream)
    assert gone.wait(60)
    (frame_,) = said
    mask = frame_[2:6]
    assert frame_[:1] == b"\x88"
    assert bytes(b ^ mask[i % 4] for i, b in enumerate(frame_[6:])) == b"\x03\xe8"


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4000])
def test_any_other_close_code_is_an_error_that_tells_it(serve: Serve, code: int) -> None:
    """
    The error has the code, the reason and the newest id.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(logs(4))
        conversation.send(conversation.close_frame(code, "Ping failed"))
        conversation.until_gone()

    stream = serve(script).follow_logs()
    assert next(stream).id == 4
    with pytest.raises(StreamError, match=f"close code {code}, 'Ping failed'") as raised:
        next(stream)
    error = raised.value
    assert (error.code, error.reason, error.last_id) == (code, "Ping failed", 4)
    assert stream.end is StreamEnd.FAILED


def test_a_close_frame_without_a_code_is_an_error(serve: Serve) -> None:
    """
    It says nothing, so it is not the end.
    """
    with pytest.raises(StreamError, match="close code none") as raised:
        next(serve(saying(frame(8, b""), code=None)).follow_logs())
    assert raised.value.code is None


def test_a_connection_that_ends_without_a_close_frame_is_an_error(serve: Serve) -> None:
    """
    It is one also in the middle of a frame: what was cut is dropped, never guessed.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(logs(4))
        conversation.send(conversation.text_frame(logs(5))[:-3])

    stream = serve(script).follow_logs()
    assert next(stream).id == 4
    with pytest.raises(StreamError, match="ended without a close frame") as raised:
        next(stream)
    assert raised.value.last_id == 4


@pytest.mark.parametrize(
    "bad",
    [
        frame(3, b"x"),
        frame(0, b"x"),
        frame(1, b"[", fin=False) + frame(1, b"]"),
        frame(9, b"x" * 126),
        b"\xc1\x01x",
        frame(8, b"\x03"),
        frame(8, b"\x00\x01"),
    ],
    ids=[
        "unknown opcode",
        "continuation of nothing",
        "message in a message",
        "long ping",
        "reserved bit",
        "short close",
        "bad close code",
    ],
)
def test_what_is_not_websocket_is_an_error(serve: Serve, bad: bytes) -> None:
    """
    1002 is the code for it.
    """
    with pytest.raises(StreamError, match="not WebSocket") as raised:
        next(serve(saying(bad, code=None)).follow_logs())
    assert raised.value.code == 1002


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (frame(1, b'[{"id": 1, "output": "\xff"}]'), DecodeError),
        (frame(1, b"[{"), DecodeError),
        (frame(1, b""), DecodeError),
        (frame(1, b'[{"id": "one"}]'), DecodeError),
    ],
)
def test_what_cannot_be_read_is_a_decode_error(
    serve: Serve, message: bytes, error: type[Exception]
) -> None:
    """
    Broken UTF-8, broken JSON, a wrong type.
    """
    stream = serve(saying(message)).follow_logs()
    with pytest.raises(error):
        next(stream)
    assert stream.end is StreamEnd.FAILED


@pytest.mark.parametrize("fragments", [1, 5])
def test_a_message_past_the_limit_is_refused_before_it_is_read(
    serve: Serve, fragments: int
) -> None:
    """
    The lengths that its frames announce are enough; the payload need not come.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        for part in range(fragments - 1):
            conversation.send(frame(0 if part else 1, b"[" * 250, fin=False))
        last = 1001 - 250 * (fragments - 1)
        conversation.send(frame(0 if fragments > 1 else 1, b"x" * last)[:-1])
        conversation.until_gone()

    stream = serve(
        script, options=StreamOptions(reconnect=None, max_message_size=1000)
    ).follow_logs()
    with pytest.raises(MessageTooLargeError, match="more than 1000 bytes"):
        next(stream)


def test_a_message_of_exactly_the_limit_is_taken(serve: Serve) -> None:
    """
    The limit is the most that is allowed.
    """
    message = logs(1)
    options = StreamOptions(reconnect=None, max_message_size=len(message))
    with serve(saying(message), options=options).follow_logs() as stream:
        assert next(stream).id == 1


def test_a_first_message_of_20_mb_arrives(serve: Serve) -> None:
    """
    A backlog of any size, each line of it once.
    """
    count, output = 20_000, "x" * 1000
    lines = [{"id": n, "output": output, "level": "info"} for n in range(1, count + 1)]
    message = json.dumps(lines).encode()
    assert len(message) > 20_000_000
    with serve(saying(frame(1, message), code=None)).follow_logs() as stream:
        assert all(next(stream).id == n for n in range(1, count + 1))


def test_options_of_one_stream_go_before_the_clients(serve: Serve) -> None:
    """
    ``options=`` holds for that stream alone.
    """
    agent = serve(saying(logs(1), code=None))
    with pytest.raises(MessageTooLargeError):
        next(agent.follow_logs(options=StreamOptions(reconnect=None, max_message_size=10)))
    with agent.follow_logs() as stream:
        assert next(stream).id == 1


class LittleBuffer(requests.adapters.HTTPAdapter):
    """
    Lets the system hold little of what is sent and not read.
    """

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """
        Set the buffer of each socket.
        """
        size = (socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
        super().init_poolmanager(*arguments, socket_options=[size], **options)


def test_a_peer_that_does_not_read_cannot_hold_us(serve: Serve) -> None:
    """
    Pings without end whose pongs nobody takes: an error, not a hang.
    """

    def script(conversation: Conversation) -> None:
        # Little is on its way before it is noticed.
        conversation.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        conversation.accept_websocket()
        while True:
            conversation.send(frame(9, b"x" * 125) * 500)
            time.sleep(0.05)

    with requests.Session() as session:
        session.mount("http://", LittleBuffer())
        with pytest.raises(StreamError, match="does not read what the client sends"):
            next(serve(script, session=session).follow_logs())


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("follow_400", BadRequestError),
        ("follow_401", AuthenticationError),
        ("follow_404", NotFoundError),
    ],
)
def test_a_recorded_refusal_is_raised(
    serve: Serve, recording: Recording, release: str, name: str, error: type[Exception]
) -> None:
    """
    The error has the message that the real server gave.
    """
    found = recording(release, name)["response"]
    body = str(found["body"]).encode()

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(
            b"HTTP/1.1 %d No\r\nContent-Type: application/json; charset=utf-8\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (found["status"], len(body), body)
        )

    with pytest.raises(APIError) as raised:
        serve(script).follow_logs()
    assert type(raised.value) is error
    assert raised.value.message == json.loads(body)["message"]


def _replaying(found: dict[str, Any]) -> Callable[[Conversation], None]:
    messages = found["messages"]

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        for message in messages:
            if message["kind"] == "text":
                conversation.send(frame(1, str(message["data"]).encode()))
            elif message["kind"] == "ping":
                conversation.ping()
            elif message["kind"] == "close":
                conversation.send(conversation.close_frame(int(str(message["code"]))))
        conversation.until_gone()

    return script


@pytest.mark.parametrize(
    "name", ["follow_backlog", "follow_backlog_over_32k", "follow_live", "follow_superseded"]
)
def test_a_recorded_stream_yields_every_line(
    serve: Serve, recording: Recording, release: str, name: str
) -> None:
    """
    Lines past the 32 KiB come at which the Go client falls silent.
    """
    found = recording(release, name)
    messages = found["messages"]
    texts = [str(m["data"]) for m in messages if m["kind"] == "text"]
    expected = [(line["id"], line["output"]) for text in texts for line in json.loads(text)]
    stream = serve(_replaying(found)).follow_logs()
    assert [(log.id, log.output) for _, log in zip(expected, stream, strict=False)] == expected
    if any(m["kind"] == "close" for m in messages):
        assert list(until_1000(stream)) == []
    stream.close()


def test_a_handshake_that_another_key_answers_is_refused(serve: Serve) -> None:
    """
    A cache between us and the server cannot replay an old handshake.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + hashlib.sha1(b"old").hexdigest().encode() + b"\r\n\r\n"
        )

    with pytest.raises(TransportError, match="does not match the WebSocket handshake"):
        serve(script).follow_logs()


def test_what_is_told_in_the_middle_of_a_message_is_exact(serve: Serve) -> None:
    """
    The bookmark, the newest id and the counts say what was handed out, not what has come.
    """
    stream = serve(saying(logs(3, 9, 5, 11), code=None)).follow_logs()
    told = []
    for _ in range(4):
        next(stream)
        told.append((stream.last_id, stream.stats.items, stream.stats.late))
    bookmarks = [stream.bookmark]
    stream.close()
    bookmarks.append(stream.bookmark)

    assert told == [(3, 1, 0), (9, 2, 0), (9, 3, 1), (11, 4, 1)]
    assert bookmarks == [f"1:{AGENT}:0:3,5,9,11."] * 2


def test_a_close_in_the_middle_of_a_message_counts_what_was_handed_out(serve: Serve) -> None:
    """
    The rest is not yielded any more, and the bookmark does not say it was.
    """
    stream = serve(saying(logs(3, 9, 5, 11), code=None)).follow_logs()
    assert [next(stream).id, next(stream).id] == [3, 9]
    stream.close()

    assert list(stream) == []
    assert (stream.bookmark, stream.stats.items) == (f"1:{AGENT}:0:3,9.", 2)
