"""
Faults that change how and when an answer is sent, but not its content.
"""

from __future__ import annotations

from typing import Any

from coder_agents.testing.connection import ServerConnection
from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.faults.fault import ANYWHERE, AnywhereFault, RequestFault
from coder_agents.testing.http import ServerResponse


class Drip(AnywhereFault):
    """
    From now on every byte is sent alone.

    Options:
        pause: seconds between two bytes.
    """

    kind = "drip"
    combines = True

    def __init__(self, *, pause: float = 0, **common: Any) -> None:
        super().__init__(**common)
        self.pause = pause

    def act(self, exchange: ServerExchange) -> None:
        """
        Slow down the output of the exchange.
        """

        def write(data: bytes) -> None:
            for byte in data:
                exchange.connection.send(bytes([byte]))
                exchange.connection.sleep(self.pause)

        exchange.write = write


class Delay(RequestFault):
    """
    The answer, its headers included, comes late.

    Options:
        seconds: how late.
    """

    kind = "delay"
    combines = True
    protocols = ANYWHERE

    def __init__(self, *, seconds: float = 0.2, **common: Any) -> None:
        super().__init__(**common)
        self.seconds = seconds

    def on_accept(self, connection: ServerConnection) -> None:
        """
        Wait before TLS and the request.
        """
        self.hold(connection, self.seconds)

    def on_request(self, exchange: ServerExchange) -> ServerResponse | None:
        """
        Wait.
        """
        self.hold(exchange.connection, self.seconds)
        return None


class Unchunked(RequestFault):
    """
    The body is not chunked and has no length: the end of the connection ends it.
    """

    kind = "unchunked"
    combines = True
    protocols = frozenset({"rest", "events"})

    def on_request(self, exchange: ServerExchange) -> ServerResponse | None:
        """
        Switch chunks off.
        """
        exchange.chunked = False
        return None
