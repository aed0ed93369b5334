"""
Messages that arrive together, as the lines of a script that prints in a burst do.
"""

from __future__ import annotations

import itertools
import select
import threading
from collections.abc import Callable
from typing import Any

import pytest
from paced import paced
from peer import Conversation

from coder_agents import Agent, DecodeError, LogStream, StreamError

from .conftest import RAISING, feed_of, logs, until_1000

Serve = Callable[..., Agent]


def socket_of(stream: LogStream) -> Any:
    """
    Return the socket that *stream* reads.
    """
    source: Any = feed_of(stream)._connection._source
    return source._connection._socket


def together(
    first: str, *messages: str, code: int | None = None, end: bytes = b""
) -> Callable[..., None]:
    """
    Return a script that answers with *first*, then sends the other messages at once.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        frames = b"".join(map(conversation.text_frame, messages))
        closing = b"" if code is None else conversation.close_frame(code)
        conversation.send(conversation.text_frame(first) + frames + end + closing)
        conversation.until_gone()

    return script


def test_messages_that_arrive_together_are_one_batch(serve: Serve) -> None:
    """
    The answer to the request comes alone, as it settles what was requested.
    """
    agent = serve(together(logs(1), logs(2), logs(3, 4), "[]", logs(5)))
    with agent.follow_logs() as stream:
        batches = stream.batches()
        assert [log.id for log in next(batches)] == [1]
        assert [log.id for log in next(batches)] == [2, 3, 4, 5]


@pytest.mark.parametrize("bad", ["[{", '[{"id": "x"}]', '[{"id": 3, "output": 7}]', "7"])
@pytest.mark.parametrize("place", range(4))
def test_lines_before_a_message_that_cannot_be_read_are_handed_out(
    serve: Serve, bad: str, place: int
) -> None:
    """
    The error comes in the place of the bad message, with a bookmark after the lines before it.
    """
    messages = [logs(number) for number in range(2, 5)]
    messages.insert(place, bad)
    stream = serve(together(logs(1), *messages)).follow_logs()
    came: list[int] = []
    with pytest.raises(DecodeError) as caught:
        came.extend(log.id for log in stream)
    assert came == list(range(1, place + 2))
    assert caught.value.last_id == place + 1
    assert caught.value.bookmark is not None


def test_lines_before_a_close_frame_are_handed_out(serve: Serve) -> None:
    """
    A connection that ends with its last lines loses none of them.
    """
    stream = serve(together(logs(1), logs(2), logs(3), code=1000)).follow_logs()
    assert [log.id for log in until_1000(stream)] == [1, 2, 3]


def test_what_is_no_websocket_after_lines_is_reported_after_them(serve: Serve) -> None:
    """
    The lines that came before a frame with a reserved bit are whole.
    """
    stream = serve(together(logs(1), logs(2), logs(3), end=b"\xf1\x00")).follow_logs()
    assert [next(stream).id for _ in range(3)] == [1, 2, 3]
    with pytest.raises(StreamError, match="not WebSocket"):
        next(stream)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_message_of_which_a_part_arrived_comes_later(serve: Serve, cut: int) -> None:
    """
    The part may be a piece of a header, all of it, or some of the line.
    """
    go = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.send(conversation.text_frame("[]"))
        frame = conversation.text_frame(logs(3))
        conversation.send(
            conversation.text_frame(logs(1)) + conversation.text_frame(logs(2)) + frame[:cut]
        )
        go.wait(60)
        conversation.send(frame[cut:])
        conversation.until_gone()

    with serve(script).follow_logs() as stream:
        assert [next(stream).id for _ in range(2)] == [1, 2]
        assert stream.poll(0) is None
        go.set()
        assert next(stream).id == 3


def test_pings_between_messages_are_answered_and_hold_up_none(serve: Serve) -> None:
    """
    A ping ends a batch; the messages after it come in the next one.
    """

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        ping = b"\x89\x00"
        parts = [conversation.text_frame(logs(number)) for number in range(1, 6)]
        conversation.send(ping.join(parts))
        conversation.until_gone()

    with serve(script).follow_logs() as stream:
        assert [next(stream).id for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_batch_has_a_bound(serve: Serve) -> None:
    """
    A deployment that sends without end cannot hold the lines back.
    """
    script = together("[]", *(logs(number) for number in range(1, 101)))
    agent = serve(script, options=paced(RAISING, max_messages=10))
    with agent.follow_logs() as stream:
        came = [[log.id for log in batch] for batch in itertools.islice(stream.batches(), 10)]
    assert len(came[0]) <= 11
    assert list(itertools.chain.from_iterable(came)) == list(range(1, sum(map(len, came)) + 1))


def test_poll_without_waiting_finds_what_has_arrived(serve: Serve) -> None:
    """
    It finds it also where the read before had emptied the socket.
    """
    steps = [threading.Event() for _ in range(3)]

    def script(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.send(conversation.text_frame(logs(1)))
        for number, step in enumerate(steps, 2):
            step.wait(60)
            conversation.send(conversation.text_frame(logs(number)))
        conversation.until_gone()

    with serve(script).follow_logs() as stream:
        assert next(stream).id == 1
        for number, step in enumerate(steps, 2):
            assert stream.poll(0) is None
            step.set()
            select.select([socket_of(stream)], [], [], 40)
            arrived = stream.poll(0)
            assert arrived is not None
            assert arrived.id == number
