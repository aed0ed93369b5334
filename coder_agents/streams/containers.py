"""
The containers and devcontainers of an agent, watched.
"""

from __future__ import annotations

from coder_agents.schema import WorkspaceAgentListContainersResponse, from_json
from coder_agents.streams.stream import StateStream


class ContainersStream(StateStream[bytes, WorkspaceAgentListContainersResponse]):
    """
    All containers and devcontainers that the agent sees, again after each change.

    The first state comes at once. It never ends by itself: a close by the server means
    that its connection to the agent ended, and the stream waits for the agent to come back.
    """

    def _state(self, message: bytes) -> WorkspaceAgentListContainersResponse:
        return from_json(message, WorkspaceAgentListContainersResponse)
