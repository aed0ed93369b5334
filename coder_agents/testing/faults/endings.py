"""
Faults that end a connection, or make it silent.
"""

from __future__ import annotations

import json
from typing import Any

from coder_agents.testing.connection import ConnectionEnded, ServerConnection
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.faults.fault import ANYWHERE, AnywhereFault, Fault
from coder_agents.testing.message_streams import WebSocketStream

LOCAL_CLOSE_CODES = frozenset({1005, 1006, 1015})
FOR_EVER = float("inf")

# TLS records: the fatal alert handshake_failure, and data that no key decrypts.
HANDSHAKE_FAILURE = bytes.fromhex("15 0303 0002 02 28")
UNREADABLE_RECORD = bytes.fromhex("17 0303 0020") + bytes(32)


class Drop(AnywhereFault):
    """
    The connection ends without a close frame, a last chunk or a TLS close alert.
    """

    kind = "drop"
    protocols = ANYWHERE

    def on_accept(self, connection: ServerConnection) -> None:
        """
        End the connection.
        """
        raise ConnectionEnded

    def act(self, exchange: ServerExchange) -> None:
        """
        End the connection.
        """
        raise ConnectionEnded


class Reset(AnywhereFault):
    """
    The connection ends with a TCP reset.
    """

    kind = "reset"
    protocols = ANYWHERE

    def on_accept(self, connection: ServerConnection) -> None:
        """
        Reset the connection.
        """
        connection.reset()
        raise ConnectionEnded

    def act(self, exchange: ServerExchange) -> None:
        """
        Reset the connection.
        """
        self.on_accept(exchange.connection)


class Silence(AnywhereFault):
    """
    Nothing more is sent or answered until the peer closes the connection or `release` is called.

    Options:
        pings: whether the pings of a stream continue.
    """

    kind = "silence"
    protocols = ANYWHERE

    def __init__(self, *, pings: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.pings = pings

    def on_accept(self, connection: ServerConnection) -> None:
        """
        Keep the connection waiting.
        """
        self.hold_to_the_end(connection, FOR_EVER)

    def act(self, exchange: ServerExchange) -> None:
        """
        Keep the connection waiting.
        """
        while self.pings and exchange.stream is not None and not self._released:
            self.hold_to_the_end(exchange.connection, exchange.ping_interval)
            exchange.stream.ping()
        self.hold_to_the_end(exchange.connection, FOR_EVER)


class BrokenTLS(AnywhereFault):
    """
    TLS fails: the handshake is refused, or the data cannot be decrypted.

    On the route ``connection`` the handshake fails.
    """

    kind = "tls_error"
    protocols = ANYWHERE
    needs_tls = True

    def on_accept(self, connection: ServerConnection) -> None:
        """
        Refuse the handshake.
        """
        connection.send_below(HANDSHAKE_FAILURE)
        raise ConnectionEnded

    def act(self, exchange: ServerExchange) -> None:
        """
        Send a record that no key decrypts.
        """
        exchange.connection.send_below(UNREADABLE_RECORD)
        raise ConnectionEnded


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

    def strike(self, exchange: ServerExchange) -> None:
        """
        Close the WebSocket.
        """
        assert isinstance(exchange.stream, WebSocketStream)
        exchange.stream.close(self.code, self.reason)
        raise ConnectionEnded


class RollingRestart(Fault):
    """
    A replica that shuts down: the first message, and then the regular end of the stream.

    A WebSocket closes with 1000, the body of an event stream ends. With ``times=2`` a client meets
    the fault twice in a row, as behind a load balancer.
    """

    kind = "rolling_restart"
    protocols = frozenset({"events", "websocket"})

    def __init__(self, **common: Any) -> None:
        super().__init__(**{**common, "after": max(1, common["after"])})

    def strike(self, exchange: ServerExchange) -> None:
        """
        End the stream.
        """
        assert exchange.stream is not None
        exchange.stream.finish()
        raise ConnectionEnded


class ErrorEvent(Fault):
    """
    The deployment reports an error of its own, and ends the stream.

    Options:
        message: the message of the error.
        detail: its detail.
    """

    kind = "error"
    protocols = frozenset({"events", "websocket"})

    def __init__(
        self, *, message: str = "Internal error.", detail: str = "", **common: Any
    ) -> None:
        super().__init__(**common)
        self.problem = json.dumps({"message": message, "detail": detail})

    def strike(self, exchange: ServerExchange) -> None:
        """
        Send the error and end the stream.
        """
        assert exchange.stream is not None
        exchange.stream.fail(self.problem)
        exchange.stream.finish()
        raise ConnectionEnded
