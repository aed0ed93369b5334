"""
The metadata of an agent, watched over server-sent events.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from peer import SSE_HEAD_UNCHUNKED, Conversation

from coder_agents import (
    DecodeError,
    MessageTooLargeError,
    ServerEventError,
    StreamEnd,
    StreamError,
    StreamOptions,
)
from coder_agents.agent import Agent
from coder_agents.schema import WorkspaceAgentMetadata

from .conftest import AGENT, metadata_event

Serve = Callable[..., Agent]
Recording = Callable[[str, str], dict[str, Any]]


def sending(*blocks: bytes, end: bytes = b"0\r\n\r\n") -> Callable[[Conversation], None]:
    """
    Return a script that sends *blocks* as chunks and ends the body.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_sse()
        for block in blocks:
            conversation.send_chunk(block)
        conversation.send(end)

    return script


def test_each_item_is_the_full_list(serve: Serve) -> None:
    """
    Pings and events of unknown names are passed over.
    """
    script = sending(
        metadata_event("1"), b"event: ping\n\n", b"event: news\ndata: x\n\n", metadata_event("2")
    )
    with serve(script).watch_metadata() as stream:
        assert [next(stream)[0].result.value for _ in range(2)] == ["1", "2"]


def test_the_clean_end_of_the_body_is_not_the_end_of_the_metadata(serve: Serve) -> None:
    """
    It never ends by itself: whatever ended it cut it off.
    """
    stream = serve(sending(metadata_event())).watch_metadata()
    next(stream)
    with pytest.raises(StreamError, match="the server ended the stream") as raised:
        next(stream)
    assert raised.value.code is None
    assert stream.end is StreamEnd.FAILED


def test_a_body_cut_in_a_chunk_is_an_error(serve: Serve) -> None:
    """
    The half event before it is dropped.
    """
    stream = serve(sending(metadata_event(), end=b"ff\r\nevent: data\ndata: [")).watch_metadata()
    next(stream)
    with pytest.raises(StreamError, match="incomplete"):
        next(stream)


def test_an_error_event_ends_the_stream_with_what_it_says(serve: Serve) -> None:
    """
    Made safe for a terminal in the text, as it came in the attributes.
    """
    said = b'event: error\ndata: {"message": "it\\u001b[2J broke", "detail": "badly"}\n\n'
    stream = serve(sending(said)).watch_metadata()
    with pytest.raises(ServerEventError, match=r"it\\x1b\[2J broke: badly") as raised:
        next(stream)
    assert (raised.value.message, raised.value.detail) == ("it\x1b[2J broke", "badly")
    assert stream.end is StreamEnd.FAILED


def test_an_error_event_needs_no_detail(serve: Serve) -> None:
    """
    Its message stands alone.
    """
    stream = serve(sending(b'event: error\ndata: {"message": "no"}\n\n')).watch_metadata()
    with pytest.raises(ServerEventError, match=r"ended the stream: no$"):
        next(stream)


def test_a_body_without_chunks_yields_each_event_when_it_comes(serve: Serve) -> None:
    """
    It does not wait until the next event is there.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(SSE_HEAD_UNCHUNKED)
        for value in "12":
            conversation.send(metadata_event(value))
            conversation.stop.wait(0.5)
        conversation.until_gone()

    with serve(script).watch_metadata() as stream:
        started = time.monotonic()
        assert next(stream)[0].result.value == "1"
        assert next(stream)[0].result.value == "2"
        assert time.monotonic() - started < 40


def test_an_event_of_200_kb_arrives_whole(serve: Serve) -> None:
    """
    It comes in chunks and packets of any size.
    """
    value = "x" * 200_000
    with serve(sending(metadata_event(value))).watch_metadata() as stream:
        assert next(stream)[0].result.value == value


def test_an_event_past_the_limit_is_an_error(serve: Serve) -> None:
    """
    Enforced while it is received: its end need not come.
    """

    def endless(conversation: Conversation) -> None:
        conversation.accept_sse()
        conversation.send_chunk(b"data: ")
        while True:
            conversation.send_chunk(b"x" * 1000)

    options = StreamOptions(reconnect=None, max_message_size=100_000)
    with pytest.raises(MessageTooLargeError, match="more than 100000 bytes"):
        next(serve(endless, options=options).watch_metadata())


@pytest.mark.parametrize(
    "event",
    [b"event: data\ndata: \xff\n\n", b"event: data\ndata: {\n\n", b"event: data\ndata: {}\n\n"],
)
def test_what_cannot_be_read_is_a_decode_error(serve: Serve, event: bytes) -> None:
    """
    Broken UTF-8, broken JSON, something else than a list.
    """
    stream = serve(sending(event)).watch_metadata()
    with pytest.raises(DecodeError):
        next(stream)
    assert stream.end is StreamEnd.FAILED


@pytest.mark.parametrize("kind", [b"Content-Type: text/html\x1b\r\n", b""])
def test_an_answer_that_is_no_event_stream_is_a_decode_error(serve: Serve, kind: bytes) -> None:
    """
    A proxy's login page with status 200 is not taken for a stream.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 200 OK\r\n" + kind.replace(b"\x1b", b"") + b"\r\n<html>")

    with pytest.raises(DecodeError, match="wanted text/event-stream"):
        serve(script).watch_metadata()


def test_the_request_asks_for_an_event_stream(serve: Serve) -> None:
    """
    Uncompressed, as a compressor would hold events back.
    """
    heads: list[bytes] = []

    def script(conversation: Conversation) -> None:
        heads.append(conversation.read_head())
        conversation.accept_sse()

    serve(script).watch_metadata().close()
    (head,) = heads
    assert head.startswith(b"GET /api/v2/workspaceagents/%s/watch-metadata " % str(AGENT).encode())
    assert b"Accept: text/event-stream\r\n" in head
    assert b"Accept-Encoding: identity\r\n" in head


@pytest.mark.parametrize("name", ["watch_metadata", "watch_metadata_ping_and_update"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_recorded_stream_yields_every_event(
    serve: Serve, recording: Recording, release: str, name: str, size: int
) -> None:
    """
    The events are the same however the network cuts what the real server sent.
    """
    chunks = recording(release, name)["chunks"]
    body = "".join(chunk["data"] for chunk in chunks).encode()
    sent = body[: 40_000 if size == 1 else None]
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    expected = [
        json.loads(line.removeprefix("data: "))
        for block in sent.decode(errors="ignore").split("\n\n")[:-1]
        for line in block.split("\n")
        if line.startswith("data: ")
    ]
    assert expected
    found: list[list[WorkspaceAgentMetadata]] = []
    with pytest.raises(StreamError, match="the server ended the stream"):
        found.extend(serve(sending(*pieces)).watch_metadata())
    values = [[item.result.value for item in items] for items in found]
    assert values == [[item["result"]["value"] for item in items] for items in expected]
