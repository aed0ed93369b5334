"""
The streams that answer a request: events, or a WebSocket.
"""

from __future__ import annotations

import abc
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from coder_agents.testing.connection import ConnectionEnded
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.http import LAST_CHUNK, encode_chunk, encode_head
from coder_agents.testing.websocket_library import frames, wsproto

NORMAL_CLOSURE = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
POLICY_VIOLATION = 1008

OPCODE_BITS, TEXT_OPCODE = 0x0F, 0x01

EVENT_STREAM_HEADERS = (
    ("Cache-Control", "no-cache"),
    ("Content-Type", "text/event-stream"),
    ("X-Accel-Buffering", "no"),
)


class ServedStream(abc.ABC):
    """
    The common part of events and WebSockets: messages, pings and waiting.
    """

    def __init__(self, exchange: ServerExchange) -> None:
        self.exchange = exchange
        self._next_ping = time.monotonic() + exchange.ping_interval

    @property
    def wake(self) -> Callable[[], None]:
        """
        A function that makes the next `wait` return; callable from any thread.
        """
        return self.exchange.connection.wake

    def send(self, text: str) -> None:
        """
        Send *text* as one message.
        """
        self.exchange.send_message(self.frame(self.exchange.payload(text.encode())))

    def wait(self, deadline: float | None = None) -> None:
        """
        Wait for a wake-up, at most until *deadline* by `time.monotonic`.

        The wait may return earlier. Meanwhile pings are sent, and the peer's input is read.

        Raises:
            ConnectionEnded: the peer has closed the connection, or was silent for too long.
            ServerStopping: the server is being stopped.
        """
        now = time.monotonic()
        if now >= self._next_ping:
            self._next_ping = now + self.exchange.ping_interval
            self.ping()
        until = min(self._next_ping, self.alive_until, math.inf if deadline is None else deadline)
        if self.await_input(max(0.0, until - now)):
            self.receive()
        # Only now: the input just read may be the answer to a ping.
        if time.monotonic() >= self.alive_until:
            self.give_up()

    def await_input(self, seconds: float) -> bool:
        """
        Wait for input or a wake-up, at most *seconds*: whether there is input.
        """
        return self.exchange.connection.wait(seconds)

    @property
    def alive_until(self) -> float:
        """
        The time until which the peer may be silent, by `time.monotonic`.
        """
        return math.inf

    def give_up(self) -> None:
        """
        End the stream because the peer was silent for too long.
        """
        raise ConnectionEnded

    @abc.abstractmethod
    def frame(self, text: bytes) -> bytes:
        """
        Return the bytes of a message.
        """

    @abc.abstractmethod
    def ping(self) -> None:
        """
        Send a ping.
        """

    @abc.abstractmethod
    def receive(self) -> None:
        """
        Read the peer's input and answer it according to the protocol.
        """

    @abc.abstractmethod
    def fail(self, problem: str) -> None:
        """
        Send the peer an error, given as a JSON document.
        """

    @abc.abstractmethod
    def finish(self) -> None:
        """
        End the stream regularly.
        """


class EventStream(ServedStream):
    """
    Server-sent events.
    """

    def __init__(self, exchange: ServerExchange) -> None:
        super().__init__(exchange)
        fields = [*EVENT_STREAM_HEADERS, *exchange.headers]
        if exchange.chunked:
            fields += [("Connection", "keep-alive"), ("Transfer-Encoding", "chunked")]
        exchange.open(self, encode_head(200, fields))

    def frame(self, text: bytes) -> bytes:
        """
        Return a data event.
        """
        return self._event("data", text)

    def ping(self) -> None:
        """
        Send a ping event, which has no data line.
        """
        self.exchange.write(self._body(b"event: ping\n\n"))

    def receive(self) -> None:
        """
        Read input and ignore it, except for its end.
        """
        if not self.exchange.connection.receive():
            raise ConnectionEnded

    def fail(self, problem: str) -> None:
        """
        Send an error event; the caller ends the stream.
        """
        self.exchange.write(self._event("error", problem.encode()))

    def finish(self) -> None:
        """
        End the body.
        """
        self.exchange.write(LAST_CHUNK if self.exchange.chunked else b"")

    def _event(self, name: str, text: bytes) -> bytes:
        return self._body(b"event: %b\ndata: %b\n\n" % (name.encode(), text))

    def _body(self, data: bytes) -> bytes:
        return encode_chunk(data) if self.exchange.chunked else data


class WebSocketStream(ServedStream):
    """
    A WebSocket on which only the server sends messages.

    A message of the peer is answered with the close code and reason *unexpected*.

    Raises:
        RemoteProtocolError: the request is no valid handshake; nothing was sent.
    """

    def __init__(self, exchange: ServerExchange, *, unexpected: tuple[int, str]) -> None:
        super().__init__(exchange)
        self._unexpected = unexpected
        self._pings = 0
        self._unanswered_since: float | None = None
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self._protocol.initiate_upgrade_connection(
            _handshake(exchange.request.headers), exchange.request.target
        )
        head = self._protocol.send(
            frames.AcceptConnection(
                extra_headers=[(name.encode(), value.encode()) for name, value in exchange.headers]
            )
        )
        exchange.open(self, head)

    def frame(self, text: bytes) -> bytes:
        """
        Return a text frame.
        """
        # Not as a text message: wsproto refuses to send invalid UTF-8.
        data = bytearray(self.binary_frame(text))
        data[0] = data[0] & ~OPCODE_BITS | TEXT_OPCODE
        return bytes(data)

    def binary_frame(self, data: bytes) -> bytes:
        """
        A binary frame.
        """
        return self._protocol.send(frames.BytesMessage(data))

    @property
    def alive_until(self) -> float:
        """
        The time by which the peer has to answer a ping, by `time.monotonic`.
        """
        timeout, reason = self.exchange.liveness
        if self._unanswered_since is None or not reason:
            return math.inf
        return self._unanswered_since + timeout

    def give_up(self) -> None:
        """
        Close with 1001.
        """
        self.close(GOING_AWAY, self.exchange.liveness[1])
        super().give_up()

    def ping(self) -> None:
        """
        Send a ping; pings are numbered.
        """
        self._pings += 1
        if self._unanswered_since is None:
            self._unanswered_since = time.monotonic()
        self.exchange.write(self._protocol.send(frames.Ping(str(self._pings).encode())))

    def receive(self) -> None:
        """
        Answer pings and a close frame; a message ends the stream.
        """
        data = self.exchange.connection.receive()
        if not data:
            raise ConnectionEnded
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            self._answer(event)

    def _answer(self, event: frames.Event) -> None:
        if isinstance(event, frames.Ping):
            self.exchange.write(self._protocol.send(event.response()))
        elif isinstance(event, frames.Pong):
            self._unanswered_since = None
        elif isinstance(event, frames.CloseConnection):
            # wsproto reports a protocol violation with this event, too.
            self.exchange.write(self._protocol.send(event.response()))
            raise ConnectionEnded
        elif isinstance(event, frames.Message):
            self.take_message(event)

    def take_message(self, message: frames.Message[Any]) -> None:
        """
        Close, as the peer must not send any.
        """
        self.close(*self._unexpected)
        raise ConnectionEnded

    def fail(self, problem: str) -> None:
        """
        Send an error message, as the metadata WebSocket does.
        """
        self.exchange.write(self.frame(f'{{"type":"error","data":{problem}}}\n'.encode()))

    def finish(self) -> None:
        """
        Close with 1000 and no reason.
        """
        self.close(NORMAL_CLOSURE)

    def close(self, code: int, reason: str = "") -> None:
        """
        Send a close frame.
        """
        self.exchange.write(self._protocol.send(frames.CloseConnection(code, reason or None)))


class FragmentedStream(WebSocketStream):
    """
    A WebSocket whose messages end with an empty fragment, and which closes with the reason
    ``done``, as that of a build's log.
    """

    def frame(self, text: bytes) -> bytes:
        """
        Return a text frame, and the empty frame that ends the message.
        """
        send = self._protocol.send
        data = bytearray(send(frames.BytesMessage(text, message_finished=False)))
        data[0] = data[0] & ~OPCODE_BITS | TEXT_OPCODE
        return bytes(data) + send(frames.BytesMessage(b"", message_finished=True))

    def finish(self) -> None:
        """
        Close with 1000, in the same way at the end of the build and at the server's shutdown.
        """
        self.close(NORMAL_CLOSURE, "done")


def _handshake(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """
    Return the headers of a handshake in a form that wsproto accepts.
    """
    # wsproto decodes the host as IDNA and fails for some hosts that a real server accepts.
    known = {**headers, "host": "localhost"} if "host" in headers else headers
    return [(name.encode(), value.encode("latin-1")) for name, value in known.items()]
