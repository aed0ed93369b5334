"""
The metadata of an agent, watched.
"""

from __future__ import annotations

from coder_agents.errors import ServerEventError
from coder_agents.render import escape_controls
from coder_agents.schema import Response, WorkspaceAgentMetadata, from_json
from coder_agents.streams.stream import StateStream
from coder_agents.transport import ServerSentEvent


class MetadataStream(StateStream[ServerSentEvent, list[WorkspaceAgentMetadata]]):
    """
    The full list of an agent's metadata, again whenever a value or an age changes.

    The first list comes at once, then at most one a second. It never ends by itself.
    """

    def _items(self, message: ServerSentEvent) -> list[list[WorkspaceAgentMetadata]]:
        if message.name == "error":
            self._raise(from_json(message.data, Response))
        # Of other names are the events of a newer server.
        return super()._items(message) if message.name == "data" else []

    def _state(self, message: ServerSentEvent) -> list[WorkspaceAgentMetadata]:
        return from_json(message.data, list[WorkspaceAgentMetadata])

    def _raise(self, told: Response) -> None:
        detail = f": {told.detail}" if told.detail else ""
        raise ServerEventError(
            f"{self._what}: the server ended the stream: {escape_controls(told.message + detail)}",
            message=told.message,
            detail=told.detail,
        )
