"""
What comes over a WebSocket is taken in exact sizes wherever the network splits it.
"""

from __future__ import annotations

import functools
import socket
import struct
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import wsproto.frame_protocol as frames
from driving import opened, received
from hypothesis import given
from hypothesis import strategies as st
from peer import Conversation, serving

from coder_agents import Client, MessageTooLargeError, TransportError
from coder_agents.transport import DroppedError, WebSocketSource
from coder_agents.transport.websocket import _Frames, _Inbox, _NotWholeError

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
LIMIT = 70_000

Script = Callable[[Conversation], object]


def websocket(url: str, **options: Any) -> WebSocketSource:
    """
    Return an unopened source of messages.
    """
    limits = {"idle_timeout": 30.0, "max_message_size": LIMIT, **options}
    return WebSocketSource(Client(url, TOKEN)._http, "/stream", **limits)


def sending(*parts: bytes) -> Script:
    """
    Return a script that accepts, sends *parts* and leaves the connection open.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        for part in parts:
            conversation.send(part)
        conversation.until_gone()

    return script


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """
    Return a server's frame, whatever the protocol says of it.
    """
    size = len(payload)
    if size < 126:
        length = bytes([size])
    else:
        length = (
            b"\x7e" + struct.pack("!H", size) if size < 65536 else b"\x7f" + struct.pack("!Q", size)
        )
    return bytes([fin << 7 | opcode]) + length + payload


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@given(
    st.integers(0, 200),
    st.lists(st.integers(1, 40) | st.none(), max_size=30),
    st.lists(st.integers(0, 40), min_size=3, max_size=12),
)
def test_sizes_are_taken_whole_and_in_order(
    begin: int, pieces: list[int | None], sizes: list[int]
) -> None:
    """
    They are so however the bytes come, and however often nothing comes meanwhile.
    """
    stream = bytes(range(200))
    rest = bytearray(stream[begin:])
    arriving = iter(pieces)

    def receive() -> bytes | None:
        size = next(arriving, 1)
        if size is None:
            return None
        data = bytes(rest[:size])
        del rest[:size]
        return data

    inbox = _Inbox(stream[:begin], receive)
    taken = b""
    for size in sizes:
        if len(taken) + size > len(stream):
            break
        while True:
            try:
                part = inbox.take(size)
            except _NotWholeError:
                continue
            break
        assert len(part) == size
        taken += part
    assert taken == stream[: len(taken)]


def test_what_is_whole_is_not_copied_more_than_once() -> None:
    """
    A size that is all there is comes as it is.
    """
    whole = bytes(100_000)
    assert _Inbox(whole, bytes).take(100_000) is whole


SIZES = (0, 1, 125, 126, 300, 65_535, 65_536)
FRAMES = b"".join(frame(TEXT, bytes([size % 251]) * size) for size in SIZES[:5])


def test_every_split_point_gives_the_same_frames() -> None:
    """
    Half a length or half a payload waits for the rest.
    """
    for at in range(len(FRAMES)):
        pieces = iter([FRAMES[:at] or None, None, FRAMES[at:]])
        buffer = _Frames(_Inbox(b"", functools.partial(next, pieces)), LIMIT)
        found: list[int] = []
        while len(found) < 5:
            try:
                found.append(len(buffer.recv_frame().data))
            except _NotWholeError:
                continue
        assert tuple(found) == SIZES[:5], f"split at {at}"


@pytest.mark.parametrize("size", SIZES)
def test_a_message_of_any_size_comes_whole(size: int) -> None:
    """
    Text and binary alike, with a frame in the packet of the handshake.
    """
    payload = b"x" * size

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket(beyond=frame(TEXT, b"first"))
        conversation.send(frame(BINARY, payload))
        conversation.until_gone()

    with serving(script) as peer:
        source = opened(websocket(peer.url))
        assert received(source) == b"first"
        assert received(source) == payload
        assert source.receive() is None
        source.close()


def test_fragments_are_one_message() -> None:
    """
    It is one with a ping between them, an empty one among them, and another message after them.
    """
    script = sending(
        frame(TEXT, b"", fin=False),
        frame(0, b"one", fin=False),
        frame(PING, b"?"),
        frame(0, b"two"),
        frame(TEXT, b"three"),
    )
    with serving(script) as peer:
        source = opened(websocket(peer.url))
        assert received(source) == b"onetwo"
        assert received(source) == b"three"
        source.close()


def test_a_ping_is_answered_and_a_pong_skipped() -> None:
    """
    The pong has the ping's payload.
    """
    said: list[bytes] = []

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.send(frame(PONG, b"unasked") + frame(PING, b"are you there"))
        conversation.send(frame(TEXT, b"1"))
        said.append(conversation.until_gone())

    with serving(script) as peer:
        source = opened(websocket(peer.url))
        before = source.pinged
        assert received(source) == b"1"
        assert (before, source.pinged) == (False, True)
        source.close()
    pong, close = events_of(said[0])
    assert isinstance(pong, frames.Frame)
    assert (pong.opcode, pong.payload) == (frames.Opcode.PONG, b"are you there")
    assert (close.opcode, close.payload[0]) == (frames.Opcode.CLOSE, 1000)


def events_of(said: bytes) -> list[frames.Frame]:
    """
    Return the frames that a client sent.
    """
    protocol = frames.FrameProtocol(client=False, extensions=[])
    protocol.receive_bytes(said)
    return list(protocol.received_frames())


@pytest.mark.parametrize(
    ("payload", "code", "reason", "shown"),
    [
        (b"\x03\xe9bye", 1001, "bye", r"\(close code 1001, 'bye'\)"),
        (b"\x03\xe8", 1000, "", r"\(close code 1000\)"),
        (b"", None, "", r"\(close code none\)"),
        (b"\x03\xe9\xff", 1001, "\ufffd", "close code 1001"),
    ],
)
def test_a_close_is_a_drop_with_its_code(
    payload: bytes, code: int | None, reason: str, shown: str
) -> None:
    """
    It is answered with the same code.
    """
    said: list[bytes] = []

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.send(frame(CLOSE, payload))
        said.append(conversation.until_gone())

    with serving(script) as peer:
        source = opened(websocket(peer.url))
        with pytest.raises(DroppedError, match=shown) as raised:
            received(source)
        source.free()
    assert (raised.value.code, raised.value.reason) == (code, reason)
    (answer,) = events_of(said[0])
    assert answer.opcode == frames.Opcode.CLOSE
    assert answer.payload[0] == (code or 1005)


@pytest.mark.parametrize(
    "data",
    [
        frame(0, b"a continuation of nothing"),
        frame(TEXT, b"a", fin=False) + frame(TEXT, b"another"),
        frame(3, b"unknown opcode"),
        b"\xc1\x00",  # a reserved bit
        frame(PING, b"x" * 126),
        frame(PING, b"", fin=False),
        frame(CLOSE, b"x"),
    ],
)
def test_what_is_not_websocket_is_a_drop(data: bytes) -> None:
    """
    The close has the code for a protocol error.
    """
    with serving(sending(data)) as peer:
        source = opened(websocket(peer.url))
        with pytest.raises(DroppedError, match="not WebSocket") as raised:
            received(source)
        assert raised.value.code == 1002
        source.close()


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"x" * (LIMIT + 1))[:20],  # before its payload has come
        frame(TEXT, b"x" * (LIMIT - 1), fin=False) + frame(0, b"xx"),
    ],
)
def test_a_message_past_the_limit_is_refused(data: bytes) -> None:
    """
    Its length alone is enough; fragments count together.
    """
    with serving(sending(data)) as peer:
        source = opened(websocket(peer.url))
        with pytest.raises(MessageTooLargeError, match=f"more than {LIMIT} bytes"):
            received(source)
        source.close()


def test_messages_up_to_the_limit_are_taken_one_after_the_other() -> None:
    """
    What came before does not count.
    """
    data = frame(TEXT, b"x" * (LIMIT - 1), fin=False) + frame(0, b"y")
    with serving(sending(data, data, frame(TEXT, b"z" * LIMIT))) as peer:
        source = opened(websocket(peer.url))
        assert [len(received(source)) for _ in range(3)] == [LIMIT] * 3
        source.close()


def test_an_end_without_a_close_frame_is_a_drop() -> None:
    """
    The drop has no code.
    """
    with serving(Conversation.accept_websocket) as peer:
        source = opened(websocket(peer.url))
        with pytest.raises(DroppedError, match="ended without a close frame") as raised:
            received(source)
        assert raised.value.code is None
        source.close()


def test_a_peer_that_sends_nothing_is_a_drop() -> None:
    """
    Half a frame is none.
    """
    with serving(sending(b"\x81")) as peer:
        source = opened(websocket(peer.url, idle_timeout=0.3))
        with pytest.raises(DroppedError, match="no byte came"):
            received(source)
        source.close()


def test_a_handshake_that_is_answered_wrongly_is_refused() -> None:
    """
    A cache that replays another one's answer, for instance.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: other\r\n\r\n"
        )
        conversation.until_gone()

    with serving(script) as peer:
        with pytest.raises(TransportError, match="does not match the WebSocket handshake"):
            opened(websocket(peer.url))


def test_closing_says_goodbye_only_where_somebody_listens() -> None:
    """
    It says nothing before it is accepted, nor once it was woken.
    """
    said: list[bytes] = []

    def unanswered(conversation: Conversation) -> None:
        conversation.read_head()
        said.append(conversation.until_gone())

    def woken(conversation: Conversation) -> None:
        conversation.accept_websocket()
        said.append(conversation.until_gone())

    with serving(unanswered, woken) as peer:
        source = websocket(peer.url)
        source.send_request(5)
        source.close()
        other = opened(websocket(peer.url))
        other.wake()
        other.close()
    assert said == [b"", b""]


def test_closing_never_waits() -> None:
    """
    This holds also where the peer does not read.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.stop.wait(60)

    with serving(script) as peer:
        source = opened(websocket(peer.url))
        source._connection.send(b"x" * 50_000_000)
        source.close()


@pytest.fixture
def count_calls() -> Callable[[Callable[[], object]], list[str]]:
    """
    A function that returns which functions of the package some work calls.
    """

    def count(work: Callable[[], object]) -> list[str]:
        called: list[str] = []

        def profile(frame: FrameType, event: str, _: object) -> None:
            module = frame.f_globals.get("__name__", "")
            if event == "call" and module.startswith("coder_agents."):
                called.append(frame.f_code.co_name)

        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            work()
        finally:
            sys.setprofile(before)
        return called

    return count


def test_a_small_message_passes_few_functions(
    count_calls: Callable[[Callable[[], object]], list[str]],
) -> None:
    """
    It passes few from the socket to the message, and to the knowledge that there is no other.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        source = websocket("http://127.0.0.1:9")
        connection = source._connection
        connection._socket = ours
        source._inbox = _Inbox(b"", connection.receive)
        source._frames = _Frames(source._inbox, LIMIT)
        source._parts = []
        theirs.sendall(frame(TEXT, b"one line"))
        found: list[bytes | None] = []
        called = count_calls(lambda: found.append(source.receive()))
        assert found == [b"one line"]
        assert len(called) <= 8, called
        called = count_calls(lambda: found.append(source.receive()))
        assert found == [b"one line", None]
        assert len(called) <= 6, called
