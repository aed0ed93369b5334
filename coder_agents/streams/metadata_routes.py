"""
The two routes over which a deployment tells metadata, and which of them to take.

Server-sent events are there in every release so far, but newer ones call them deprecated in favour of
a WebSocket, which came with 2.22.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from coder_agents import transport

if TYPE_CHECKING:
    from coder_agents.releases import Capabilities, Route
    from coder_agents.streams.options import StreamOptions
    from coder_agents.transport import HTTP, Source


def _ignore(source: Source[Any]) -> None:
    """
    Tell nobody of *source*.
    """


@attrs.frozen(kw_only=True)
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
        route = self._next()
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
            opening=partial(self.capabilities.asking, route, call=self.call),
            open_by=self.open_by,
        )
        self.tell(source)
        return source

    def is_another_left(self) -> bool:
        """
        Whether, after one was found missing, another route may be there.
        """
        return getattr(self.capabilities, self._next()) is not False

    def _next(self) -> Route:
        learnt = self.capabilities
        is_there = (learnt.metadata_sse is not False, learnt.metadata_ws is not False)
        return "metadata_ws" if is_there == (False, True) else "metadata_sse"
