"""
Server-sent events are cut into whole blocks wherever the network splits them.
"""

from __future__ import annotations

import itertools

import pytest
from driving import opened, received
from hypothesis import given
from hypothesis import strategies as st
from peer import Conversation, serving

from coder_agents import Client, DecodeError, MessageTooLargeError
from coder_agents.transport import DroppedError, SSESource
from coder_agents.transport.sse import (
    BlockBuffer,
    ReceivedEvent,
    _any_event,
    _plain_event,
    parse_block,
)

LIMIT = 1 << 20

STREAM = (
    'event: data\ndata: ["\u00e4\u20ac\U0001f600"]\n\n'
    "event: ping\n\n"
    "event: data\r\ndata: 1\r\ndata: 2\r\n\r\n"
    ": a comment\r\rdata: old mac\r\r"
    "event: error\ndata:no space\n\n"
    "id: 7\nretry: 9\nunknown: x\ndata\ndata:  two spaces\n\n"
    'event: data\ndata: ["cut ta'
).encode()

EVENTS = [
    ReceivedEvent("data", '["\u00e4\u20ac\U0001f600"]'),
    ReceivedEvent("data", "1\n2"),
    ReceivedEvent("message", "old mac"),
    ReceivedEvent("error", "no space"),
    ReceivedEvent("message", "\n two spaces"),
]


def events_of(pieces: list[bytes], limit: int = LIMIT) -> list[ReceivedEvent]:
    """
    Feed *pieces* one by one and return the events that come out.
    """
    buffer = BlockBuffer(limit)
    found = []
    for piece in pieces:
        if (event := buffer.event_alone(piece)) is not None:
            found.append(event)
            continue
        buffer.feed(piece)
        while (block := buffer.next_block()) is not None:
            if (event := parse_block(block)) is not None:
                found.append(event)
    return found


def test_every_split_point_gives_the_same_events() -> None:
    """
    Multi-byte text, CR, LF, CR LF, pings and a cut tail: no split changes the events.
    """
    for at in range(len(STREAM) + 1):
        assert events_of([STREAM[:at], STREAM[at:]]) == EVENTS, f"split at {at}"


def test_single_bytes_give_the_same_events() -> None:
    """
    The finest split of all changes nothing either.
    """
    assert events_of([bytes([byte]) for byte in STREAM]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_splits_give_the_same_events(cuts: list[int]) -> None:
    """
    Any number of cuts anywhere changes nothing.
    """
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(edges)]
    assert events_of(pieces) == EVENTS


@given(
    st.lists(
        st.tuples(
            st.lists(
                st.text(
                    st.characters(exclude_characters="\r\n\x00", exclude_categories=["Cs"]),
                    min_size=1,
                ),
                min_size=1,
                max_size=3,
            ),
            st.sampled_from(["\n", "\r", "\r\n"]),
        ),
        max_size=5,
    ),
    st.integers(1, 9),
)
def test_what_a_server_writes_comes_out(written: list[tuple[list[str], str]], size: int) -> None:
    """
    Any data lines with any of the three ends of line come out as they were written.
    """
    stream = "".join(
        "".join(f"data: {line}{eol}" for line in lines) + eol for lines, eol in written
    ).encode()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [event.data for event in events_of(pieces)] == ["\n".join(lines) for lines, _ in written]


def test_a_large_event_arrives_whole() -> None:
    """
    200 KB in network-sized pieces are one event.
    """
    data = "x" * 200_000
    stream = f"event: data\ndata: {data}\n\n".encode()
    pieces = [stream[at : at + 1400] for at in range(0, len(stream), 1400)]
    assert events_of(pieces) == [ReceivedEvent("data", data)]


@pytest.mark.parametrize("size", [64, 4096])
def test_an_event_past_the_limit_is_refused_while_it_comes(size: int) -> None:
    """
    The error comes before more than the limit and one piece is held.
    """
    buffer = BlockBuffer(1000)
    fed = 0
    with pytest.raises(MessageTooLargeError, match="more than 1000 bytes"):
        while True:
            buffer.feed(b"x" * size)
            fed += size
            buffer.next_block()
    assert fed <= 1000 + size


def test_an_event_of_exactly_the_limit_is_taken() -> None:
    """
    The limit counts the whole block with its blank line.
    """
    block = b"data: " + b"x" * 92 + b"\n\n"
    assert len(events_of([block], limit=100)) == 1
    with pytest.raises(MessageTooLargeError):
        events_of([block], limit=99)


FIELDS = ("event: data", "event:", "event: ", "event:x", "data: ", "data:", "id: 1")
VALUES = ("", "1", " 2", "\u00e9\u2028", "a\n", "b\r", "c\nd", "c\rd")
LINES = [f"{field}{value}\n" for field in FIELDS for value in VALUES]


@pytest.mark.parametrize("end", ["", "\n", "\r", "\r\n", "data: 3\n\n"])
def test_the_short_way_reads_what_the_long_way_reads(end: str) -> None:
    """
    An event of the form that Coder writes is the one that the parser of any form finds.
    """
    for first, second in itertools.product(LINES, LINES):
        block = f"{first}{second}{end}".encode()
        plain = _plain_event(block)
        assert plain is None or plain == _any_event(block), block


def test_the_short_way_is_taken_for_what_coder_writes() -> None:
    """
    It would be no way at all otherwise.
    """
    assert _plain_event(b'event: data\ndata: [{"a": 1}]\n\n') is not None


def test_an_event_that_comes_alone_is_taken_as_it_is() -> None:
    """
    It is not taken so after the beginning of another one, nor where more comes with it or it is too
    large.
    """
    alone = b"event: data\ndata: 1\n\n"
    buffer = BlockBuffer(len(alone))

    assert buffer.event_alone(alone) == ReceivedEvent("data", "1")
    for other in (
        alone[:-1],
        alone[:-1] + b" ",
        alone * 2,
        alone[:-3] + b"11\n\n",
        b"\xff" + alone,
    ):
        assert buffer.event_alone(other) is None, other
    assert BlockBuffer(99).event_alone(b"event: data\ndata: \xff\n\n") is None
    buffer.feed(b"data: 0\n")
    assert buffer.event_alone(alone) is None


@pytest.mark.parametrize("block", [b"data: \xff\n\n", b"event: data\ndata: \xff\n\n"])
def test_either_way_shows_the_bytes_that_are_no_text(block: bytes) -> None:
    """
    The decode is strict, and the error is the same.
    """
    with pytest.raises(DecodeError, match=r"not UTF-8: found b'\\xff'"):
        parse_block(block)


def test_events_come_over_a_connection() -> None:
    """
    One in a chunk, several in one, one in several; pings are skipped and noted.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_sse()
        conversation.send_chunk(b"event: data\ndata: 1\n\n")
        conversation.send_chunk(b"event: ping\n\n")
        conversation.stop.wait(0.05)
        conversation.send_chunk(b"data: 2\n\ndata: 3\n\nda")
        conversation.stop.wait(0.05)
        conversation.send_chunk(b"ta: 4\n\n")

    with serving(script) as peer:
        source = opened(sse(peer.url))
        assert received(source).data == "1"
        before = source.pinged
        assert [received(source).data for _ in range(3)] == ["2", "3", "4"]
        assert (before, source.pinged) == (False, True)
        with pytest.raises(DroppedError):
            received(source)
        source.free()


def test_the_end_of_the_answer_is_a_drop() -> None:
    """
    It is one also where the server ends it in due form.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_sse()
        conversation.send(b"0\r\n\r\n")
        conversation.until_gone()

    with serving(script) as peer:
        source = opened(sse(peer.url))
        with pytest.raises(DroppedError, match="the server ended the stream"):
            received(source)
        source.free()


def test_an_event_too_large_for_the_source_is_refused() -> None:
    """
    The limit is the source's own.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_sse()
        conversation.send_chunk(b"data: " + b"x" * 2000)
        conversation.until_gone()

    with serving(script) as peer:
        source = opened(sse(peer.url))
        with pytest.raises(MessageTooLargeError):
            received(source)
        source.free()


def test_an_answer_that_is_no_stream_is_a_decode_error() -> None:
    """
    A page is such an answer, for instance.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        conversation.until_gone()

    with serving(script) as peer:
        with pytest.raises(DecodeError, match=r"wanted text/event-stream, found an empty page"):
            opened(sse(peer.url))


def sse(url: str) -> SSESource:
    """
    Return an unopened source of events.
    """
    http = Client(url, "0123456789-abcdefghijklmnopqrstuv")._http
    return SSESource(http, "/stream", idle_timeout=30, max_message_size=1000)
