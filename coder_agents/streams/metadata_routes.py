"""
The two routes over which a deployment tells metadata, and which of them to take.

Server-sent events are there in every release so far, but newer ones call them deprecated in favour of
a WebSocket, which came with 2.22.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from coder_agents import transport

if TYPE_CHECKING:
    from coder_agents.capabilities import Capabilities, Route
    from coder_agents.streams.options import StreamOptions
    from coder_agents.transport import HTTP, Source


_ROUTES: tuple[Route, ...] = ("metadata_sse", "metadata_ws")


def _ignore(source: Source[Any]) -> None:
    """
    Tell nobody of *source*.
    """


@attrs.define(kw_only=True)
class MetadataRoutes:
    """
    Makes the connections of one stream of metadata, over the route that is there.

    Attributes:
        http: the deployment.
        agent_id: whose metadata it is.
        capabilities: what was learnt of the deployment, and is learnt by asking.
        options: of the stream.
        call: what asks, as users write it.
        open_by: when a connection is open at the latest, by `time.monotonic`.
        tell: called with each connection before it is opened.
    """

    http: HTTP
    agent_id: uuid.UUID
    capabilities: Capabilities
    options: StreamOptions
    call: str
    open_by: float = math.inf
    tell: Callable[[Source[Any]], object] = _ignore
    _asked: Route = attrs.field(default=_ROUTES[0], init=False)
    _missing: set[Route] = attrs.field(factory=set, init=False)

    @property
    def what(self) -> str:
        """
        What the stream is of, for messages.
        """
        return f"the metadata of agent {self.agent_id}"

    def new_source(self) -> Source[Any]:
        """
        Return the next connection, unopened.
        """
        route = self._asked = self._next()
        # Either is imported only where it is taken.
        kind: Callable[..., Source[Any]]
        if route == "metadata_sse":
            kind, segment = transport.SSESource, "watch-metadata"
        else:
            kind, segment = transport.WebSocketSource, "watch-metadata-ws"
        source = kind(
            self.http,
            transport.quoted("workspaceagents", self.agent_id, segment),
            idle_timeout=self.options.idle_timeout,
            max_message_size=self.options.max_message_size,
            on_open=self.capabilities.noting(route, call=self.call),
            open_by=self.open_by,
        )
        self.tell(source)
        return source

    def turn(self) -> bool:
        """
        Turn to the other route, as the one that was asked for last is missing; return whether
        there is one that was not asked for yet.
        """
        self._missing.add(self._asked)
        return len(self._missing) < len(_ROUTES)

    def start_again(self) -> None:
        """
        Have both routes asked for again, as what broke was not for want of one.
        """
        self._missing.clear()

    def _next(self) -> Route:
        # What was missing once is asked for last, but it is: the deployment may be another by now.
        left = [route for route in _ROUTES if route not in self._missing]
        return min(left, key=lambda route: getattr(self.capabilities, route) is False)
