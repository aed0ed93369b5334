"""
The kinds of faults: each says for itself what goes wrong, and when.
"""

from __future__ import annotations

import abc
import json
import random
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from coder_agents.testing.connection import Connection, ConnectionEnded, ServerStopping
from coder_agents.testing.exchange import Exchange, WebSocketStream
from coder_agents.testing.http import Headers, Response

LOCAL_CLOSE_CODES = frozenset({1005, 1006, 1015})
FOR_EVER = float("inf")


class Fault:
    """
    One kind of fault, waiting on one route.

    A kind is a subclass that overrides the moments at which it acts: `on_request`,
    before a byte is sent in answer; `strike`, as soon as *after* messages have been
    sent; `on_payload` and `on_message`, for the message that follows these. A
    moment that ends the connection raises `ConnectionEnded`.

    Attributes:
        kind: the name that `Faults.add` knows it by.
        combines: whether a connection can meet it together with others.
        protocols: on which routes it makes sense: ``rest``, ``events`` and ``websocket``.
        route: the name of the route it waits on.
        after: how many messages are sent before it strikes. A response is one.
        times: how many connections it strikes; None for all.
        struck: how many connections have met it.
        random: its own source of chance.
    """

    kind: ClassVar[str]
    combines: ClassVar[bool] = False
    protocols: ClassVar[frozenset[str]] = frozenset({"rest", "events", "websocket"})

    def __init__(self, *, route: str, after: int, times: int | None, random: random.Random) -> None:
        self.route = route
        self.after = after
        self.times = times
        self.random = random
        self.struck = 0
        self._released = False
        self._held: list[Connection] = []
        self._changed = threading.Condition()

    def claim(self, route: str) -> bool:
        """
        Take a connection of *route*, unless it is another's or all are taken.
        """
        with self._changed:
            if route != self.route or (self.times is not None and self.struck >= self.times):
                return False
            self.struck += 1
            self._changed.notify_all()
            return True

    def wait_struck(self, times: int = 1, *, timeout: float = 10) -> bool:
        """
        Wait until *times* connections have met it, at most *timeout* seconds.

        Returns:
            Whether they have.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self.struck >= times, timeout)

    def release(self) -> None:
        """
        Let go of the connections that it keeps waiting, now and later.
        """
        with self._changed:
            self._released = True
            held = list(self._held)
        for connection in held:
            connection.wake()

    def hold(self, exchange: Exchange, seconds: float) -> None:
        """
        Keep the connection waiting for *seconds*, or until it is released.
        """
        with self._changed:
            self._held.append(exchange.connection)
        try:
            exchange.connection.sleep(seconds, until=lambda: self._released)
        finally:
            with self._changed:
                self._held.remove(exchange.connection)

    def on_request(self, exchange: Exchange) -> Response | None:
        """
        Act before anything is sent in answer.

        Returns:
            A response to give instead of the right one.
        """
        return None

    def strike(self, exchange: Exchange) -> None:
        """
        Act when `after` messages have been sent.
        """

    def on_payload(self, text: bytes) -> bytes:
        """
        The text to send instead of *text*.
        """
        return text

    def on_message(self, exchange: Exchange, data: bytes, start: int) -> bytes:
        """
        The bytes to send instead of *data*, in which the message begins at *start*.
        """
        return data


class RequestFault(Fault):
    """
    A fault that acts before a byte is sent: there can be no message before it.
    """

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        if self.after:
            raise ValueError(f"{self.kind} strikes before any message: after must be 0")


class AnywhereFault(Fault, abc.ABC):
    """
    A fault that acts at a message, or before a byte is sent in answer.

    Options:
        at: ``message`` (the default), or ``request`` for before the first byte,
            the status line and handshake included.
    """

    def __init__(self, *, at: str = "message", **common: Any) -> None:
        super().__init__(**common)
        if at not in ("message", "request"):
            raise ValueError(f'at must be "message" or "request", not {at!r}')
        self.at = at

    def on_request(self, exchange: Exchange) -> Response | None:
        """
        Act now if it is to act at the request.
        """
        if self.at == "request":
            self.act(exchange)
        return None

    def strike(self, exchange: Exchange) -> None:
        """
        Act now if it is to act at a message.
        """
        if self.at == "message":
            self.act(exchange)

    @abc.abstractmethod
    def act(self, exchange: Exchange) -> None:
        """
        What the fault does.
        """


class Drop(AnywhereFault):
    """
    The connection ends: no close frame, no last chunk, no TLS goodbye.
    """

    kind = "drop"

    def act(self, exchange: Exchange) -> None:
        """
        End the connection.
        """
        raise ConnectionEnded


class Reset(AnywhereFault):
    """
    The connection ends with a TCP reset.
    """

    kind = "reset"

    def act(self, exchange: Exchange) -> None:
        """
        Reset the connection.
        """
        exchange.connection.reset()
        raise ConnectionEnded


class Silence(AnywhereFault):
    """
    Nothing more is sent and nothing answered, until the peer leaves or `release`.

    Options:
        pings: whether the pings go on; only where a stream has begun.
    """

    kind = "silence"

    def __init__(self, *, pings: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.pings = pings

    def act(self, exchange: Exchange) -> None:
        """
        Keep the connection waiting.
        """
        try:
            while self.pings and exchange.stream is not None and not self._released:
                self.hold(exchange, exchange.ping_interval)
                exchange.stream.ping()
            self.hold(exchange, FOR_EVER)
        except ServerStopping:
            raise ConnectionEnded from None


class Drip(AnywhereFault):
    """
    From here on every byte is sent alone.

    Options:
        pause: seconds between two bytes.
    """

    kind = "drip"
    combines = True

    def __init__(self, *, pause: float = 0, **common: Any) -> None:
        super().__init__(**common)
        self.pause = pause

    def act(self, exchange: Exchange) -> None:
        """
        Slow down what the exchange sends.
        """

        def write(data: bytes) -> None:
            for byte in data:
                exchange.connection.send(bytes([byte]))
                exchange.connection.sleep(self.pause)

        exchange.write = write


class Refuse(RequestFault):
    """
    Another answer than the right one, as from something in between.

    Options:
        status: the HTTP status.
        headers: its headers, a mapping or pairs.
        body: its body.
    """

    kind = "refuse"

    def __init__(
        self,
        *,
        status: int = 503,
        headers: Mapping[str, str] | Headers = (),
        body: str | bytes = b"",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        fields = tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)
        data = body.encode() if isinstance(body, str) else body
        self.response = Response(status, data, fields)

    def on_request(self, exchange: Exchange) -> Response | None:
        """
        Answer without what the deployment itself would add.
        """
        exchange.headers = ()
        return self.response


class Redirect(Refuse):
    """
    An answer that leads elsewhere.

    Options:
        url: where to.
        status: the HTTP status.
    """

    kind = "redirect"

    def __init__(self, *, url: str, status: int = 307, **common: Any) -> None:
        super().__init__(status=status, headers={"Location": url}, **common)


class Html(Refuse):
    """
    The page of a proxy in between.

    Options:
        status: the HTTP status.
    """

    kind = "html"

    def __init__(self, *, status: int = 502, **common: Any) -> None:
        page = f"<!doctype html>\n<title>{status}</title>\n"
        kind = {"Content-Type": "text/html; charset=utf-8"}
        super().__init__(status=status, headers=kind, body=page, **common)


class NotConnected(Refuse):
    """
    The 400 of a call that needs a connected agent.
    """

    kind = "not_connected"

    def __init__(self, **common: Any) -> None:
        told = 'Agent state is "disconnected", it must be in the "connected" state.'
        kind = {"Content-Type": "application/json; charset=utf-8"}
        body = json.dumps({"message": told})
        super().__init__(status=400, headers=kind, body=body, **common)


class Delay(RequestFault):
    """
    The answer, its headers included, comes late.

    Options:
        seconds: how late.
    """

    kind = "delay"
    combines = True

    def __init__(self, *, seconds: float = 0.2, **common: Any) -> None:
        super().__init__(**common)
        self.seconds = seconds

    def on_request(self, exchange: Exchange) -> Response | None:
        """
        Wait.
        """
        self.hold(exchange, self.seconds)
        return None


class Unchunked(RequestFault):
    """
    The body is not chunked, and its length not told: the connection's end ends it.
    """

    kind = "unchunked"
    combines = True
    protocols = frozenset({"rest", "events"})

    def on_request(self, exchange: Exchange) -> Response | None:
        """
        Switch chunks off.
        """
        exchange.chunked = False
        return None


class Close(Fault):
    """
    The WebSocket is closed with a code.

    Options:
        code: the close code.
        reason: its reason.
    """

    kind = "close"
    protocols = frozenset({"websocket"})

    def __init__(self, *, code: int = 1000, reason: str = "", **common: Any) -> None:
        super().__init__(**common)
        if not 1000 <= code <= 4999 or code in LOCAL_CLOSE_CODES:
            raise ValueError(f"{code} cannot be sent as a close code")
        self.code = code
        self.reason = reason

    def strike(self, exchange: Exchange) -> None:
        """
        Close.
        """
        assert isinstance(exchange.stream, WebSocketStream)
        exchange.stream.close(self.code, self.reason)
        raise ConnectionEnded


class RollingRestart(Fault):
    """
    A replica that is being shut down: the first message, and then the proper end of the stream.

    A WebSocket is closed with 1000, the body of an event stream ends. With ``times=2`` it is met
    twice in a row, as behind a balancer.
    """

    kind = "rolling_restart"
    protocols = frozenset({"events", "websocket"})

    def __init__(self, **common: Any) -> None:
        super().__init__(**{**common, "after": max(1, common["after"])})

    def strike(self, exchange: Exchange) -> None:
        """
        End the stream.
        """
        assert exchange.stream is not None
        exchange.stream.finish()
        raise ConnectionEnded


class ErrorEvent(Fault):
    """
    The deployment tells of an error of its own, and ends the stream.

    Options:
        message: what it says.
        detail: more of it.
    """

    kind = "error"
    protocols = frozenset({"events", "websocket"})

    def __init__(
        self, *, message: str = "Internal error.", detail: str = "", **common: Any
    ) -> None:
        super().__init__(**common)
        self.problem = json.dumps({"message": message, "detail": detail})

    def strike(self, exchange: Exchange) -> None:
        """
        Send the error and end.
        """
        assert exchange.stream is not None
        exchange.stream.fail(self.problem)
        exchange.stream.finish()
        raise ConnectionEnded


class PlacedFault(Fault):
    """
    A fault inside one message.

    Options:
        at: how many bytes of the message come before it (what frames the message
            counts too); by default left to chance.
    """

    def __init__(self, *, at: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.at = at

    def halves(self, data: bytes, start: int) -> tuple[bytes, bytes]:
        """
        *data* in two parts; both hold a byte of the message where it has two.
        """
        length = len(data) - start
        at = self.random.randint(1, max(1, length - 1)) if self.at is None else self.at
        return data[: start + at], data[start + at :]


class Cut(PlacedFault):
    """
    The connection ends in the middle of a message.

    Options:
        at: as for every fault inside a message.
        reset: whether it ends with a TCP reset.
    """

    kind = "cut"

    def __init__(self, *, reset: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.reset = reset

    def on_message(self, exchange: Exchange, data: bytes, start: int) -> bytes:
        """
        Send the first part and end.
        """
        exchange.write(self.halves(data, start)[0])
        if self.reset:
            exchange.connection.reset()
        raise ConnectionEnded


class Split(PlacedFault):
    """
    A message comes in two parts.

    Options:
        at: as for every fault inside a message.
        seconds: how long the second part waits, unless it is released before.
    """

    kind = "split"

    def __init__(self, *, seconds: float = 0.2, **common: Any) -> None:
        super().__init__(**common)
        self.seconds = seconds

    def on_message(self, exchange: Exchange, data: bytes, start: int) -> bytes:
        """
        Send the first part, wait, and leave the second.
        """
        first, second = self.halves(data, start)
        exchange.write(first)
        self.hold(exchange, self.seconds)
        return second


class Oversize(Fault):
    """
    A message is made larger by white space, which means nothing in JSON.

    Options:
        size: how many bytes its text then has.
    """

    kind = "oversize"
    combines = True

    def __init__(self, *, size: int, **common: Any) -> None:
        super().__init__(**common)
        self.size = size

    def on_payload(self, text: bytes) -> bytes:
        """
        The text, filled up.
        """
        return text.ljust(self.size)


class Replace(Fault):
    """
    A message has another text than the right one.

    Options:
        text: the text.
    """

    kind = "replace"
    combines = True

    def __init__(self, *, text: str, **common: Any) -> None:
        super().__init__(**common)
        self.text = text.encode()

    def on_payload(self, text: bytes) -> bytes:
        """
        The other text.
        """
        return self.text


class InvalidJson(Fault):
    """
    A message whose text breaks off: it is no JSON.
    """

    kind = "invalid_json"
    combines = True

    def on_payload(self, text: bytes) -> bytes:
        """
        The text without its end.
        """
        return text.rstrip()[:-1]


class InvalidUtf8(Fault):
    """
    A message with bytes that are no UTF-8.
    """

    kind = "invalid_utf8"
    combines = True

    def on_payload(self, text: bytes) -> bytes:
        """
        The text with such bytes before its end.
        """
        return text.rstrip()[:-1] + b"\xff\xfe"


KINDS: Mapping[str, type[Fault]] = {
    fault.kind: fault
    for fault in (
        Close,
        Cut,
        Delay,
        Drip,
        Drop,
        ErrorEvent,
        Html,
        InvalidJson,
        InvalidUtf8,
        NotConnected,
        Oversize,
        Redirect,
        Refuse,
        Replace,
        Reset,
        RollingRestart,
        Silence,
        Split,
        Unchunked,
    )
}
