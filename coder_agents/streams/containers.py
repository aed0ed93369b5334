"""
The containers and devcontainers of an agent, watched.
"""

from __future__ import annotations

from collections.abc import Callable

from coder_agents.schema import WorkspaceAgentListContainersResponse, from_json
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.stream import LatestState, Stream
from coder_agents.transport import Source


class ContainersStream(Stream[bytes, WorkspaceAgentListContainersResponse]):
    """
    All containers and devcontainers that the agent sees, again after each change.

    The first state comes at once. It never ends by itself: a close by the server means
    that its connection to the agent ended, and the stream waits for the agent to come back.
    """

    def __init__(
        self,
        connect: Callable[[], Source[bytes]],
        *,
        what: str,
        options: StreamOptions,
    ) -> None:
        self._connect = connect
        self._state = LatestState()
        super().__init__(what=what, options=options)

    def _new_source(self) -> Source[bytes]:
        return self._connect()

    def _items(self, message: bytes) -> list[WorkspaceAgentListContainersResponse]:
        self._link.progress()
        if not self._state.is_new(message, first=self._link.messages == 1):
            return []
        return [from_json(message, WorkspaceAgentListContainersResponse)]
