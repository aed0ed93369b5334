"""
The metadata of an agent, watched.
"""

from __future__ import annotations

from collections.abc import Callable

from coder_agents.errors import ServerEventError
from coder_agents.render import escape_controls
from coder_agents.schema import Response, WorkspaceAgentMetadata, from_json
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.stream import LatestState, Stream
from coder_agents.transport import ServerSentEvent, Source


class MetadataStream(Stream[ServerSentEvent, list[WorkspaceAgentMetadata]]):
    """
    The full list of an agent's metadata, again whenever a value or an age changes.

    The first list comes at once, then at most one a second. It never ends by itself.
    """

    def __init__(
        self,
        connect: Callable[[], Source[ServerSentEvent]],
        *,
        what: str,
        options: StreamOptions,
    ) -> None:
        self._connect = connect
        self._state = LatestState()
        super().__init__(what=what, options=options)

    def _new_source(self) -> Source[ServerSentEvent]:
        return self._connect()

    def _items(self, message: ServerSentEvent) -> list[list[WorkspaceAgentMetadata]]:
        if message.name == "error":
            self._raise(from_json(message.data, Response))
        # Of other names are the events of a newer server.
        if message.name != "data":
            return []
        self._link.progress()
        if not self._state.is_new(message, first=self._link.messages == 1):
            return []
        return [from_json(message.data, list[WorkspaceAgentMetadata])]

    def _raise(self, told: Response) -> None:
        detail = f": {told.detail}" if told.detail else ""
        raise ServerEventError(
            f"{self._what}: the server ended the stream: {escape_controls(told.message + detail)}",
            message=told.message,
            detail=told.detail,
        )
