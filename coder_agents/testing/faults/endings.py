"""
Faults that end a connection, or let it fall silent.
"""

from __future__ import annotations

import json
from typing import Any

from coder_agents.testing.connection import ConnectionEnded, ServerStopping
from coder_agents.testing.exchange import Exchange, WebSocketStream
from coder_agents.testing.faults.fault import AnywhereFault, Fault

LOCAL_CLOSE_CODES = frozenset({1005, 1006, 1015})
FOR_EVER = float("inf")


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
