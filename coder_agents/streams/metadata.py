"""
The stream of an agent's metadata.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from coder_agents import schema
from coder_agents.errors import RequestTimeoutError, ServerEventError, UnsupportedCallError
from coder_agents.render import escape_controls
from coder_agents.render.line import counted
from coder_agents.representation import ResultList
from coder_agents.schema import Response, WorkspaceAgentMetadata, from_json
from coder_agents.schema.converter import from_document
from coder_agents.streams.engine import FeedEngine
from coder_agents.streams.metadata_routes import MetadataRoutes
from coder_agents.streams.reconnecting import Broken
from coder_agents.streams.state_feed import StateFeed
from coder_agents.streams.stream import Stream, opened
from coder_agents.transport import ReceivedEvent, Source

T = TypeVar("T")

Event = ReceivedEvent | schema.ServerSentEvent
Message = ReceivedEvent | bytes
"""
A server-sent event, or a WebSocket message that holds one.
"""

Items = ResultList[WorkspaceAgentMetadata]


class MetadataStream(Stream[Items]):
    """
    The full list of an agent's metadata, again whenever a value or an age changes.

    The first list comes at once, then at most one list a second. The stream ends only when it is
    closed.
    """

    __slots__ = ()


class MetadataReader:
    """
    Reads the messages of both routes.
    """

    def __init__(self, routes: MetadataRoutes) -> None:
        self._routes = routes

    def state(self, message: Message) -> Items | None:
        """
        Return the metadata in *message*; None for an unknown kind of event, such as a newer
        server's.

        Raises *ServerEventError* where *message* reports an error.
        """
        event = (
            from_json(message, schema.ServerSentEvent) if isinstance(message, bytes) else message
        )
        kind = event.name if isinstance(event, ReceivedEvent) else event.type
        if kind == "error":
            raise self._failure(_read(event, Response))
        if kind != "data":
            return None
        return ResultList(_read(event, list[WorkspaceAgentMetadata]), of=WorkspaceAgentMetadata)

    def are_same(self, before: Items, after: Items) -> bool:
        """
        Return False: equal values have been collected again.
        """
        return False

    def disconnected(self, broken: Broken) -> float | None:
        """
        Return 0, for a try over the other route at once, where this route is missing; else None.
        """
        # A replaced deployment may have only the other route.
        if isinstance(broken, UnsupportedCallError):
            return 0.0 if self._routes.turn() else None
        self._routes.start_again()
        return None

    def _failure(self, reported: Response) -> ServerEventError:
        detail = f": {reported.detail}" if reported.detail else ""
        text = escape_controls(reported.message + detail)
        return ServerEventError(
            f"{self._routes.what}: the server ended the stream: {text}",
            message=reported.message,
            detail=reported.detail,
        )


def _read(event: Event, cls: type[T]) -> T:
    if isinstance(event, ReceivedEvent):
        return from_json(event.data, cls)
    return from_document(event.data, cls, path="$.data")


def watch(routes: MetadataRoutes) -> MetadataStream:
    """
    Return the stream of metadata, over a route that the deployment has.
    """
    feed: StateFeed[Any, Items] = StateFeed(
        routes.new_source,
        MetadataReader(routes),
        what=routes.what,
        options=routes.options,
        connect_timeout=routes.http.settings.connect_timeout,
    )
    return opened(MetadataStream, FeedEngine(feed, pauses=routes.options._pauses))


def read_once(
    routes: MetadataRoutes, *, timeout: float | None, on_source: Callable[[Source[Any]], object]
) -> Items:
    """
    Return the first list of the stream of metadata, and close the stream; *on_source* is called
    with each connection before the connection is opened.

    Time in which the request waits for its turn does not count; see `Pace`.

    Raises *RequestTimeoutError* where no list comes within *timeout* seconds; None is no limit.
    """
    limit = math.inf if timeout is None else timeout
    once = attrs.evolve(routes.options, reconnect=None)
    limited = attrs.evolve(
        routes, options=once, open_by=time.monotonic() + limit, on_source=on_source
    )
    items = None
    try:
        with watch(limited) as stream:
            items = stream.poll(max(0.0, limited.deadline - time.monotonic()))
    except RequestTimeoutError:
        if time.monotonic() < limited.deadline:
            raise  # a time-out of the settings, which is shorter
    if items is None:
        raise RequestTimeoutError(
            f"{routes.what}: nothing came within the time-out of {counted(limit, 'second')}"
        )
    return items
