"""
One HTTP exchange over a connection: the head of the answer, then its body.

h11 parses, byte by byte if need be: half a header, half a chunk or half of a
chunk's length wait whole for the rest, which http.client cannot do.
"""

from __future__ import annotations

from collections.abc import Mapping

import h11
import requests

from coder_agents.transport.connection import Connection, DroppedError

_LARGEST_HEAD = 65536  # bytes of a status line and headers, more than any server sends


class Exchange:
    """
    One GET, and its answer as far as it has come.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)

    def send(self, request: requests.PreparedRequest, deadline: float) -> None:
        """
        Send *request*; raises *TimeoutError* where it is not sent at *deadline*.
        """
        head = h11.Request(
            method=request.method or "",
            target=request.path_url,
            headers=[(name, value) for name, value in _text_headers(request.headers)],
        )
        data = self._parser.send(head) or b""
        self._connection.send(data + (self._parser.send(h11.EndOfMessage()) or b""), deadline)

    def head(self, deadline: float | None) -> h11.Response | h11.InformationalResponse:
        """
        Return the head of the answer; 101 is one.

        Raises *TimeoutError* where it is not whole at *deadline*, and can then be called again;
        *DroppedError* where it cannot be read.
        """
        while True:
            event = self._next_event(deadline)
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return event

    def read(self, deadline: float | None) -> bytes:
        """
        Return the next bytes of the body; b"" at its end.
        """
        event = self._next_event(deadline)
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    @property
    def beyond(self) -> bytes:
        """
        What has come behind the head of a 101: the new protocol's first bytes.
        """
        return bytes(self._parser.trailing_data[0])

    def _next_event(self, deadline: float | None) -> object:
        try:
            while (event := self._parser.next_event()) is h11.NEED_DATA:
                self._parser.receive_data(self._connection.receive(deadline))
        except h11.RemoteProtocolError as error:
            failure = DroppedError(f"the answer is not whole: {error}")
        else:
            return event
        raise failure


def _text_headers(headers: Mapping[str, str | bytes]) -> list[tuple[str, str]]:
    return [
        (name, value if isinstance(value, str) else value.decode("latin-1"))
        for name, value in headers.items()
    ]
