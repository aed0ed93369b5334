"""
Whose log is followed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from coder_agents.schema import WorkspaceAgentLogSource
from coder_agents.streams.sources import AgentSources


@attrs.frozen(kw_only=True, eq=False)
class AgentLogSource:
    """
    Whose log is followed, and how it is reached.

    Attributes:
        agent_id: the agent.
        sources: makes the connections.
        overflowed: whether the log was full when the agent was last read.
        agent: the agent as users know it, for callbacks.
        log_sources: what its lines come from, as it was last read.
    """

    agent_id: uuid.UUID
    sources: AgentSources
    overflowed: Callable[[], bool] = bool
    agent: Any = None
    log_sources: Sequence[WorkspaceAgentLogSource] = ()

    @property
    def what(self) -> str:
        """
        What the stream is of, for messages.
        """
        return f"the log of agent {self.agent_id}"
