"""
Faults of terminals.
"""

from __future__ import annotations

from typing import Any

import attrs

from coder_agents.testing.exchange import ServerExchange
from coder_agents.testing.faults.endings import FOR_EVER, Silence
from coder_agents.testing.faults.fault import Fault, RequestFault
from coder_agents.testing.http import ServerRequest, ServerResponse
from coder_agents.testing.terminals.stream import TerminalStream

TERMINALS = frozenset({"pty"})
WEBSOCKET = frozenset({"websocket"})

# From this size on agents have been seen to lose commands.
LOST_COMMAND_BYTES = 900


class SlowReader(Fault):
    """
    The client does not read, as the deployment sees it: it is closed with 1001.

    Until then it gets nothing but one ping, and its input does not arrive. The output that is queued
    for it is lost. It delays the process and the other clients of the terminal.

    Options:
        seconds: how long until it is closed, unless it is released before; by default the time of
            a ping and of its answer.
    """

    kind = "slow_reader"
    protocols = WEBSOCKET
    routes = TERMINALS

    def __init__(self, *, seconds: float | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.seconds = seconds

    def strike(self, exchange: ServerExchange) -> None:
        """
        Wait, and close.
        """
        stream = _stream(exchange)
        first, second = exchange.ping_interval, exchange.liveness[0]
        if self.seconds is not None:
            first = min(first, self.seconds)
            second = self.seconds - first
        self.hold_to_the_end(exchange.connection, first)
        stream.ping()
        self.hold_to_the_end(exchange.connection, second)
        stream.give_up()


class NeverAttached(SlowReader, RequestFault):
    """
    The handshake succeeds, and then nothing comes until the terminal is closed with 1001.

    Nothing is started.

    Options:
        seconds: as for ``slow_reader``.
    """

    kind = "never_attach"


class Stall(Fault):
    """
    Output stops for ever, and the end of the process is not sent. Pings are answered, input arrives,
    and the process continues. A client that attaches again gets the last output at once.

    Options:
        seconds: after how long it is closed with 1001; by default never.
    """

    kind = "stall"
    protocols = WEBSOCKET
    routes = TERMINALS

    def __init__(self, *, seconds: float = FOR_EVER, **common: Any) -> None:
        super().__init__(**common)
        self.seconds = seconds

    def strike(self, exchange: ServerExchange) -> None:
        """
        Send no output from now on.
        """
        _stream(exchange).stall(self.seconds)


class LostTail(RequestFault):
    """
    The last bytes before the end of the process are lost.

    Options:
        size: how many bytes, or a range from which the number is drawn for each connection.
        within: output that is older than so many seconds at the end is not lost.
        drop: whether the connection just ends, also where the release closes it.
    """

    kind = "lost_tail"
    protocols = WEBSOCKET
    routes = TERMINALS

    def __init__(
        self,
        *,
        size: int | range = range(1, 64),
        within: float = 0.2,
        drop: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.size = size
        self.within = within
        self.drop = drop

    def strike(self, exchange: ServerExchange) -> None:
        """
        Hold back what may be lost.
        """
        size = self._draw(self.size)
        assert size is not None
        stream = _stream(exchange)
        stream.lose_tail(size, self.within)
        stream.closes = stream.closes and not self.drop


class LostCommand(RequestFault):
    """
    A long command is lost: no output, the connection ends, nothing ran.

    Options:
        size: the size in bytes of the longest command that is not lost.
    """

    kind = "lost_command"
    protocols = WEBSOCKET
    routes = TERMINALS

    def __init__(self, *, size: int = LOST_COMMAND_BYTES, **common: Any) -> None:
        super().__init__(**common)
        self.size = size

    def concerns(self, request: ServerRequest) -> bool:
        """
        Whether the command is too long.
        """
        command = request.parameter("command") or ""
        return len(command.encode()) > self.size and super().concerns(request)

    def strike(self, exchange: ServerExchange) -> None:
        """
        End.
        """
        _stream(exchange).end()


class IgnoredContainer(RequestFault):
    """
    The requested container is ignored: the command runs on the host.
    """

    kind = "ignore_container"
    protocols = WEBSOCKET
    routes = TERMINALS
    combines = True

    def concerns(self, request: ServerRequest) -> bool:
        """
        Whether a container is requested.
        """
        return bool(request.parameter("container")) and super().concerns(request)

    def on_request(self, exchange: ServerExchange) -> ServerResponse | None:
        """
        Forget the container.
        """
        query = tuple(pair for pair in exchange.request.query if pair[0] != "container")
        exchange.request = attrs.evolve(exchange.request, query=query)
        return None


class Vanish(Silence):
    """
    The agent disappears: the terminal falls silent, and the agent is disconnected.

    Pings are still sent, and `EmbeddedAgent.connect` brings the agent back.

    Options:
        kill: whether its machine is switched off; by default only the network fails, and its
            processes continue.
    """

    kind = "vanish"
    protocols = WEBSOCKET
    routes = TERMINALS

    def __init__(self, *, kill: bool = False, **common: Any) -> None:
        super().__init__(pings=True, **common)
        self.kill = kill

    def act(self, exchange: ServerExchange) -> None:
        """
        Let the agent disappear.
        """
        stream = _stream(exchange)
        stream.detach()
        if self.kill:
            stream.agent.kill()
        else:
            stream.agent.disconnect()
        super().act(exchange)


def _stream(exchange: ServerExchange) -> TerminalStream:
    assert isinstance(exchange.stream, TerminalStream)
    return exchange.stream
