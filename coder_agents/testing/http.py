"""
Reading requests from a connection, and encoding answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import attrs
import h11

from coder_agents.testing.connection import ConnectionEnded, ServerConnection

Headers = Sequence[tuple[str, str]]

# Go's server sends no length for a body that exceeds its first buffer.
UNCHUNKED_LIMIT = 2_048


@attrs.frozen
class ServerRequest:
    """
    One request, with headers under lower-case names and the query's parameters in order.
    """

    method: str
    target: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool

    def parameter(self, name: str) -> str | None:
        """
        Return the first value of the query parameter *name*, None where it is missing.
        """
        return next(iter(self.parameters(name)), None)

    def parameters(self, name: str) -> list[str]:
        """
        Return all values of the query parameter *name*.
        """
        return [value for key, value in self.query if key == name]


@attrs.frozen
class ServerResponse:
    """
    One answer with its whole body.
    """

    status: int
    body: bytes = b""
    headers: Headers = ()

    def head(self, *, keep_alive: bool) -> bytes:
        """
        Return the status line and the headers.
        """
        fields = [*self.headers]
        if self.chunked:
            fields.append(("Transfer-Encoding", "chunked"))
        elif self.status != HTTPStatus.NO_CONTENT:
            fields.append(("Content-Length", str(len(self.body))))
        if not keep_alive:
            fields.append(("Connection", "close"))
        return encode_head(self.status, fields)

    @property
    def chunked(self) -> bool:
        """
        Whether the body is sent in chunks, without its length.
        """
        return len(self.body) > UNCHUNKED_LIMIT

    @property
    def framed_body(self) -> bytes:
        """
        The body as it is sent.
        """
        return encode_chunk(self.body) + LAST_CHUNK if self.chunked else self.body


LAST_CHUNK = b"0\r\n\r\n"


def encode_head(status: int, headers: Headers) -> bytes:
    """
    Return the status line and *headers*, with the final empty line.
    """
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def encode_chunk(data: bytes) -> bytes:
    """
    Return *data* as one chunk of a chunked body.
    """
    return b"%x\r\n%b\r\n" % (len(data), data)


class RequestReader:
    """
    Reads the requests of a connection, one by one.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._unparsed = b""

    def read(self) -> ServerRequest:
        """
        Return the next request, with its body.

        Raises:
            ConnectionEnded: the peer has closed the connection, or does not send HTTP.
        """
        parser = h11.Connection(h11.SERVER)
        if self._unparsed:
            parser.receive_data(self._unparsed)
        try:
            head, body = self._read_events(parser)
            keep_alive = parser.their_state is not h11.MUST_CLOSE
            request = _request(head, body, keep_alive=keep_alive)
        except (h11.RemoteProtocolError, ValueError):  # ValueError: the target is not a URL
            self._connection.send(encode_head(400, [("Connection", "close")]))
            raise ConnectionEnded from None
        self._unparsed = parser.trailing_data[0]
        return request

    def _read_events(self, parser: h11.Connection) -> tuple[h11.Request, bytes]:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                self._receive(parser)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return head, bytes(body)
            else:
                raise ConnectionEnded

    def _receive(self, parser: h11.Connection) -> None:
        if parser.they_are_waiting_for_100_continue:
            self._connection.send(encode_head(100, []))
        while not self._connection.wait(None):
            pass
        parser.receive_data(self._connection.receive())


def _request(head: h11.Request, body: bytes, *, keep_alive: bool) -> ServerRequest:
    target = head.target.decode("latin-1")
    parts = urlsplit(target)
    return ServerRequest(
        method=head.method.decode("ascii"),
        target=target,
        path=parts.path,
        query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
        keep_alive=keep_alive,
    )
