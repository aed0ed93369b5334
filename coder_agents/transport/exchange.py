"""
HTTP exchanges over a connection: a request, the head of its answer, and the answer's body.

h11 parses byte by byte if necessary: half a header, half a chunk or half of a chunk's length waits
for the missing bytes, which http.client does not support.
"""

from __future__ import annotations

from collections.abc import Mapping

import h11
import requests

from coder_agents.errors import MessageTooLargeError
from coder_agents.transport.connection import Connection
from coder_agents.transport.waiting import DroppedError

Head = h11.Response | h11.InformationalResponse

MAX_READS = 64
"""
The most reads of one step, so that other connections get their turn: an answer may have millions of
tiny chunks, or many megabytes.
"""

_MAX_HEAD = 65536  # bytes of the status line and headers


class Exchange:
    """
    A GET and its answer, as far as the answer has come. Where the peer allows it, another GET may
    follow.

    Nothing here waits.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)

    def send(self, request: h11.Request) -> None:
        """
        Send *request*, which has no body.

        Raises *h11.LocalProtocolError* where *request* cannot be sent.
        """
        data = self._parser.send(request) or b""
        self._connection.send(data + (self._parser.send(h11.EndOfMessage()) or b""))

    def head(self) -> Head | None:
        """
        Return the head of the answer, None while it is not complete. Of the 1xx heads, only 101
        counts.

        Raises *DroppedError* where the head cannot be read.
        """
        while (event := self._next_event()) is not None:
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return event
        return None

    def read(self) -> bytes | None:
        """
        Return the next bytes of the body, None where none have come; b"" at the body's end.

        Raises *DroppedError* where the body cannot be read.
        """
        event = self._next_event()
        if event is None:
            return None
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    def read_into(self, body: bytearray, max_size: int) -> bool:
        """
        Add the bytes that have come to *body*; return whether *body* is complete.

        After *MAX_READS* reads the result is False, although more bytes may have come: other
        connections get their turn.

        Raises *DroppedError* where the body cannot be read, *MessageTooLargeError* beyond
        *max_size* bytes.
        """
        for _ in range(MAX_READS):
            data = self.read()
            if not data:
                return data is not None
            body += data
            if len(body) > max_size:
                raise MessageTooLargeError(f"a document has more than {max_size} bytes")
        return False

    @property
    def beyond(self) -> bytes:
        """
        The bytes after the head of a 101: the first bytes of the new protocol.
        """
        return bytes(self._parser.trailing_data[0])

    @property
    def reusable(self) -> bool:
        """
        Whether the answer is complete, nothing came after it, and another request may follow.
        """
        parser = self._parser
        return parser.our_state is parser.their_state is h11.DONE and not parser.trailing_data[0]

    def next_cycle(self) -> None:
        """
        Prepare for another request; only where `reusable` is true.
        """
        self._parser.start_next_cycle()

    def _next_event(self) -> object:
        """
        Return the next event of the answer, None while it is not complete.
        """
        try:
            while (event := self._parser.next_event()) is h11.NEED_DATA:
                data = self._connection.receive()
                if data is None:
                    return None
                self._parser.receive_data(data)
        except h11.RemoteProtocolError as error:
            # The error's traceback refers to h11's frames, these refer to the error, and to all
            # callers. Without the traceback the frames are freed.
            reason = str(error.with_traceback(None))
        else:
            return event
        raise DroppedError(f"the answer is incomplete or invalid: {reason}")


def request_of(prepared: requests.PreparedRequest) -> h11.Request:
    """
    Return *prepared* as a request of h11.

    Raises *h11.LocalProtocolError* where one of its headers cannot be sent.
    """
    headers: Mapping[str, str | bytes] = prepared.headers
    return h11.Request(
        method=prepared.method or "",
        target=prepared.path_url,
        headers=[(name, _text(value)) for name, value in headers.items()],
    )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def headers_of(head: Head) -> dict[str, str]:
    """
    Return the headers of an answer, with names in lower case.
    """
    return {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
