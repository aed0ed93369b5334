"""
The base class of faults, and the moments at which a fault can act.
"""

from __future__ import annotations

import abc
import random
import threading
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from coder_agents.testing.connection import ConnectionEnded, ServerConnection, ServerStopping
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.faults.moment import FaultMoment
from coder_agents.testing.http import ServerRequest, ServerResponse

# The kinds of answers of routes, and the kind of a connection before its first request.
ANSWERS = frozenset({"rest", "events", "websocket"})
ANYWHERE = ANSWERS | {"connection"}

Position = int | range | None


class Fault:
    """
    One kind of fault, waiting on one route.

    A kind is a subclass that overrides the methods of the moments at which it acts: `on_accept`,
    for a new connection before TLS; `on_request`, before a byte of the answer is sent; `strike`, as
    soon as *after* messages have been sent; `on_head`, for the head of the answer; `on_payload` and
    `on_message`, for the next message. A method that ends the connection raises `ConnectionEnded`.

    Attributes:
        kind: its name for `Faults.add`.
        combines: whether a connection can meet it together with other faults.
        protocols: the kinds of routes that it supports: ``rest``, ``events``, ``websocket`` and
            ``connection``.
        needs_tls: whether it needs TLS.
        routes: the only routes that it supports; empty for all of its kinds.
        route: the name of the route on which it waits.
        after: how many messages are sent before it strikes. A response is one message.
        times: how many connections it strikes; None for all.
        after_bytes: on a terminal, after how many bytes of output it strikes instead, or a range to
            draw that from for each connection.
        after_input_bytes: the same of input.
        kept: whether it strikes only requests on a connection that has served another before.
        containing: what the path and query of a request contain that it strikes, decoded.
        struck: how many connections have met it.
        random: its own random generator.
    """

    kind: ClassVar[str]
    combines: ClassVar[bool] = False
    protocols: ClassVar[frozenset[str]] = ANSWERS
    needs_tls: ClassVar[bool] = False
    routes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        *,
        route: str,
        after: int,
        times: int | None,
        random: random.Random,
        after_bytes: Position = None,
        after_input_bytes: Position = None,
        kept: bool = False,
        containing: str = "",
    ) -> None:
        self.route = route
        self.after = after
        self.times = times
        self.after_bytes = after_bytes
        self.after_input_bytes = after_input_bytes
        self.kept = kept
        self.containing = containing
        self.random = random
        self.struck = 0
        self._released = False
        self._held: list[ServerConnection] = []
        self._changed = threading.Condition()

    def moment(self) -> FaultMoment:
        """
        When it strikes a connection that it has just met.
        """
        return FaultMoment(
            self.after, self._draw(self.after_bytes), self._draw(self.after_input_bytes)
        )

    def _draw(self, position: Position) -> int | None:
        return self.random.choice(position) if isinstance(position, range) else position

    def concerns(self, request: ServerRequest) -> bool:
        """
        Whether it can strike *request*.
        """
        return self.containing in unquote_plus(request.target)

    def claim(self, route: str, *, kept: bool, request: ServerRequest | None = None) -> bool:
        """
        Take a connection of *route*; return False where the fault has another route, or has struck
        often enough.
        """
        with self._changed:
            if route != self.route or (self.kept and not kept):
                return False
            if request is not None and not self.concerns(request):
                return False
            if self.times is not None and self.struck >= self.times:
                return False
            self.struck += 1
            self._changed.notify_all()
            return True

    def wait_struck(self, times: int = 1, *, timeout: float | None = 10) -> bool:
        """
        Wait until *times* connections have met the fault, at most *timeout* seconds, None for no
        limit.

        Returns:
            Whether so many connections have met it.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self.struck >= times, timeout)

    def release(self) -> None:
        """
        Release the connections that the fault keeps waiting, now and later.
        """
        with self._changed:
            self._released = True
            held = list(self._held)
        for connection in held:
            connection.wake()

    def hold(self, connection: ServerConnection, seconds: float) -> None:
        """
        Keep *connection* waiting for *seconds*, or until `release`.
        """
        with self._changed:
            self._held.append(connection)
        try:
            connection.sleep(seconds, until=lambda: self._released)
        finally:
            with self._changed:
                self._held.remove(connection)

    def hold_to_the_end(self, connection: ServerConnection, seconds: float) -> None:
        """
        Keep *connection* waiting like `hold`; a stopping server then ends it without a close frame.
        """
        try:
            self.hold(connection, seconds)
        except ServerStopping:
            raise ConnectionEnded from None

    def on_accept(self, connection: ServerConnection) -> None:
        """
        Act before anything is read; for a fault on the route ``connection``.
        """

    def on_request(self, exchange: ServerExchange) -> ServerResponse | None:
        """
        Act before any byte of the answer is sent.

        Returns:
            A response in place of the regular one; None for no change.
        """
        return None

    def strike(self, exchange: ServerExchange) -> None:
        """
        Act when `after` messages have been sent.
        """

    def on_payload(self, text: bytes) -> bytes:
        """
        Return the text to send in place of *text*.
        """
        return text

    def on_head(self, exchange: ServerExchange, head: bytes) -> bytes:
        """
        Return the bytes to send in place of *head*, the status line and headers of an answer.
        """
        return head

    def on_message(self, exchange: ServerExchange, data: bytes, start: int) -> bytes:
        """
        Return the bytes to send in place of *data*, in which the message begins at *start*.
        """
        return data


class RequestFault(Fault):
    """
    A fault that acts before any byte is sent, and so before any message.
    """

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        if self.after or self.after_bytes or self.after_input_bytes:
            raise ValueError(f"{self.kind} strikes before any message: after must be 0")


class AnywhereFault(Fault, abc.ABC):
    """
    A fault that acts at a message, or before any byte of the answer is sent.

    Options:
        at: ``message`` (the default), or ``request`` for before the first byte, the status line and
            the handshake included.
    """

    def __init__(self, *, at: str = "message", **common: Any) -> None:
        super().__init__(**common)
        if at not in ("message", "request"):
            raise ValueError(f'at must be "message" or "request", not {at!r}')
        self.at = at

    def on_request(self, exchange: ServerExchange) -> ServerResponse | None:
        """
        Act where *at* is ``request``.
        """
        if self.at == "request":
            self.act(exchange)
        return None

    def strike(self, exchange: ServerExchange) -> None:
        """
        Act where *at* is ``message``.
        """
        if self.at == "message":
            self.act(exchange)

    @abc.abstractmethod
    def act(self, exchange: ServerExchange) -> None:
        """
        Do the fault's action.
        """
