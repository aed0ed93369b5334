"""
The two routes over which a deployment reports metadata, and the choice between them.

Every release so far has server-sent events. Newer releases deprecate them in favour of a WebSocket,
which exists since 2.22.
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
    Ignore *source*.
    """


@attrs.define(kw_only=True)
class MetadataRoutes:
    """
    Opens the connections of one stream of metadata, over a route that exists.

    Attributes:
        http: the deployment.
        agent_id: the agent's id.
        capabilities: what the deployment can do; each connection adds to it.
        options: the options of the stream.
        call: the user's call, for messages.
        open_by: when a connection has to be open, by `time.monotonic`, unless a request waits for
            its turn; see `deadline`.
        on_source: called with each connection before it is opened.
    """

    http: HTTP
    agent_id: uuid.UUID
    capabilities: Capabilities
    options: StreamOptions
    call: str
    open_by: float = math.inf
    on_source: Callable[[Source[Any]], object] = _ignore
    _requested: Route = attrs.field(default=_ROUTES[0], init=False)
    _missing: set[Route] = attrs.field(factory=set, init=False)
    _source: Source[Any] | None = attrs.field(default=None, init=False)

    @property
    def what(self) -> str:
        """
        The name of the data, for messages.
        """
        return f"the metadata of agent {self.agent_id}"

    @property
    def deadline(self) -> float:
        """
        When a connection has to be open, by `time.monotonic`: later than the original *open_by* by
        the time that the requests have waited for their turns.
        """
        return self.open_by + (0.0 if self._source is None else self._source.waited)

    def new_source(self) -> Source[Any]:
        """
        Return the next connection, unopened.
        """
        self.open_by = self.deadline
        route = self._requested = self._next()
        # Each class is imported only where its route is taken.
        kind: Callable[..., Source[Any]]
        if route == "metadata_sse":
            kind, segment = transport.SSESource, "watch-metadata"
        else:
            kind, segment = transport.WebSocketSource, "watch-metadata-ws"
        source = self._source = kind(
            self.http,
            transport.quoted("workspaceagents", self.agent_id, segment),
            idle_timeout=self.options.idle_timeout,
            max_message_size=self.options.max_message_size,
            on_open=self.capabilities.noting(route, call=self.call),
            open_by=self.open_by,
        )
        self.on_source(source)
        return source

    def turn(self) -> bool:
        """
        Note that the route requested last is missing; return whether the other one is still
        untried.
        """
        self._missing.add(self._requested)
        return len(self._missing) < len(_ROUTES)

    def start_again(self) -> None:
        """
        Allow both routes again: the connection broke for another reason than a missing route.
        """
        self._missing.clear()

    def _next(self) -> Route:
        # A missing route is tried last, not never: the deployment may have been replaced.
        untried = [route for route in _ROUTES if route not in self._missing]
        return min(untried, key=lambda route: getattr(self.capabilities, route) is False)
