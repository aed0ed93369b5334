"""
Server-sent events over a connection.

sseclient parses complete blocks, each with its blank line. On single bytes sseclient is quadratic,
and it takes an incomplete block at the end for an event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs
from sseclient import SSEClient

from coder_agents.errors import DecodeError, MessageTooLargeError
from coder_agents.transport.exchange import MAX_READS, Head
from coder_agents.transport.http_source import HTTPSource
from coder_agents.transport.waiting import DroppedError

# Atomic, so that a CR LF never counts as two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n){2}")
_EVENTS = "text/event-stream"
_EVENT, _DATA = b"event: ", b"data: "
_OVERLAP = 3  # bytes of a blank line that may precede its last byte


@attrs.frozen
class ReceivedEvent:
    """
    One event: its name and its data.
    """

    name: str
    data: str


class BlockBuffer:
    """
    Cuts a byte stream into blocks, each with its final blank line.

    The cost is linear in the bytes fed. The buffer holds at most one unfinished block of *limit*
    bytes and the bytes fed last.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._searched = 0

    def event_alone(self, data: bytes) -> ReceivedEvent | None:
        """
        Return the event if *data* is exactly one event, as each of Coder's chunks is; else None,
        and *data* has to be fed.
        """
        if self._buffer or len(data) > self._limit:
            return None
        try:
            return _plain_event(data)
        except UnicodeDecodeError:
            return None

    def feed(self, data: bytes) -> None:
        """
        Add *data* to the buffer.
        """
        self._buffer += data

    def next_block(self) -> bytes | None:
        """
        Return the next complete block, None while it is not complete.

        Raises *MessageTooLargeError* beyond *limit* bytes.
        """
        end = self._end_of_block()
        size = end or len(self._buffer)
        if size > self._limit:
            raise MessageTooLargeError(f"an event has more than {self._limit} bytes")
        if not end:
            self._searched = size
            return None
        block = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._searched = 0
        return block

    def _end_of_block(self) -> int:
        """
        Return the end of the first block, 0 while it is not complete.
        """
        start = max(0, self._searched - _OVERLAP)
        if self._buffer.find(b"\r", start) >= 0:
            blank = _BLANK_LINE.search(self._buffer, start)
            return 0 if blank is None else blank.end()
        # Only LF line ends: searching them costs a hundredth of the pattern.
        at = self._buffer.find(b"\n", start)
        while at >= 0 and self._buffer[at + 1 : at + 2] != b"\n":
            at = self._buffer.find(b"\n", at + 1)
        return 0 if at < 0 else at + 2


class SSESource(HTTPSource[ReceivedEvent]):
    """
    The events of one ``text/event-stream`` answer.
    """

    _success = 200
    _wanted = _EVENTS

    def _headers(self) -> Mapping[str, str]:
        return {
            "Accept": _EVENTS,
            "Accept-Encoding": "identity",
            "Cache-Control": "no-cache",
            "Connection": "keep-alive",
        }

    def _accept(self, head: Head) -> None:
        self._blocks = BlockBuffer(self._max_message_size)

    def receive(self) -> ReceivedEvent | None:
        """
        Return the next event; None while it is not complete, or where the event has no data, like
        Coder's pings.
        """
        for _ in range(MAX_READS):
            if (block := self._blocks.next_block()) is not None:
                if (event := parse_block(block)) is not None:
                    return event
                self.pinged = True
                return None  # a peer may ping endlessly, but the caller has a deadline
            data = self._exchange.read()
            if data is None:
                self._check_silence()
                return None
            if not data:
                raise DroppedError("the server ended the stream")
            if (event := self._blocks.event_alone(data)) is not None:
                return event
            self._blocks.feed(data)
        return None  # other connections get their turn


def parse_block(block: bytes) -> ReceivedEvent | None:
    """
    Return the event in *block*, None where the event has no data.

    Raises *DecodeError* where *block* is not UTF-8.
    """
    try:
        return _plain_event(block) or _any_event(block)
    except UnicodeDecodeError as error:
        found = repr(error.object[error.start : error.end])
    raise DecodeError(f"an event is not UTF-8: found {found}", wanted="text in UTF-8", found=found)


def _plain_event(block: bytes) -> ReceivedEvent | None:
    """
    Return the event in *block* if it has the form that Coder writes, a name line, a data line and a
    blank line; else None.
    """
    end_of_name = block.find(b"\n")
    data = end_of_name + 1 + len(_DATA)
    is_plain = (
        block.startswith(_EVENT)
        and end_of_name > len(_EVENT)
        and block.startswith(_DATA, end_of_name + 1)
        and data < block.find(b"\n", data) == len(block) - 2
        and block.endswith(b"\n")
        and b"\r" not in block
    )
    if not is_plain:
        return None
    return ReceivedEvent(block[len(_EVENT) : end_of_name].decode(), block[data:-2].decode())


def _any_event(block: bytes) -> ReceivedEvent | None:
    event = next(SSEClient(iter([block])).events(), None)
    return None if event is None else ReceivedEvent(event.event, event.data)
