"""
The metadata of an agent, watched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import attrs

from coder_agents import schema
from coder_agents.errors import RequestTimeoutError, ServerEventError, UnsupportedError
from coder_agents.render import escape_controls
from coder_agents.schema import Response, WorkspaceAgentMetadata, from_json
from coder_agents.schema.converter import from_document
from coder_agents.streams.link import Broken
from coder_agents.streams.metadata_routes import MetadataRoutes
from coder_agents.streams.stream import StateStream
from coder_agents.transport import ServerSentEvent, Source

T = TypeVar("T")

Event = ServerSentEvent | schema.ServerSentEvent
Message = Event | bytes
"""
An event, or a WebSocket's message, which is one too once it is read.
"""

_STATE = list[WorkspaceAgentMetadata]


class MetadataStream(StateStream[Message, list[WorkspaceAgentMetadata]]):
    """
    The full list of an agent's metadata, again whenever a value or an age changes.

    The first list comes at once, then at most one a second. It never ends by itself.
    """

    def __init__(self, routes: MetadataRoutes) -> None:
        self._routes = routes
        super().__init__(routes.new_source, what=routes.what, options=routes.options)

    def _judge(self, broken: Broken) -> float | None:
        # A deployment that was replaced may have lost the one route, and have the other.
        if isinstance(broken, UnsupportedError):
            return 0.0 if self._routes.turn() else None
        self._routes.start_again()
        return None

    def _items(self, message: Message) -> list[list[WorkspaceAgentMetadata]]:
        if isinstance(message, bytes):
            message = from_json(message, schema.ServerSentEvent)
        kind = message.name if isinstance(message, ServerSentEvent) else message.type
        if kind == "error":
            self._raise(_read(message, Response))
        # Of other kinds are the events of a newer server.
        return super()._items(message) if kind == "data" else []

    def _state(self, message: Message) -> list[WorkspaceAgentMetadata]:
        return _read(cast("Event", message), _STATE)

    def _raise(self, told: Response) -> None:
        detail = f": {told.detail}" if told.detail else ""
        raise ServerEventError(
            f"{self._what}: the server ended the stream: {escape_controls(told.message + detail)}",
            message=told.message,
            detail=told.detail,
        )


def _read(event: Event, cls: type[T]) -> T:
    if isinstance(event, ServerSentEvent):
        return from_json(event.data, cls)
    return from_document(event.data, cls, path="$.data")


def watch(routes: MetadataRoutes) -> MetadataStream:
    """
    Return the stream of metadata, over the route that the deployment has.
    """
    try:
        return MetadataStream(routes).open()
    except UnsupportedError:
        routes.turn()
    return MetadataStream(routes).open()


def read_once(
    routes: MetadataRoutes, *, timeout: float, tell: Callable[[Source[Any]], object]
) -> list[WorkspaceAgentMetadata]:
    """
    Return the first state of the stream of metadata, and end it; *tell* is called with each
    connection before it is opened.

    Raises *RequestTimeoutError* where nothing is there within *timeout* seconds.
    """
    deadline = time.monotonic() + timeout
    once = attrs.evolve(routes.options, reconnect=None)
    limited = attrs.evolve(routes, options=once, open_by=deadline, tell=tell)
    items = None
    try:
        with watch(limited) as stream:
            items = stream.poll(max(0.0, deadline - time.monotonic()))
    except RequestTimeoutError:
        if time.monotonic() < deadline:
            raise  # by a time-out of the settings, which is shorter
    if items is None:
        raise RequestTimeoutError(
            f"{routes.what}: nothing came within the time-out of {timeout:g} seconds"
        )
    return items
