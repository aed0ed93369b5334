"""
Whose log is followed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from coder_agents.errors import CoderError, DecodeError
from coder_agents.schema import Workspace, WorkspaceAgentLogSource, from_json
from coder_agents.schema.source_names import SourceNames
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.reconnect import without_frames
from coder_agents.streams.sources import AgentSources
from coder_agents.transport import Source


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
        source_names: the names of these, and of those that are read later.
    """

    agent_id: uuid.UUID
    sources: AgentSources
    overflowed: Callable[[], bool] = bool
    agent: Any = None
    log_sources: Sequence[WorkspaceAgentLogSource] = ()
    source_names: SourceNames = attrs.field(factory=SourceNames)

    @property
    def what(self) -> str:
        """
        What the stream is of, for messages.
        """
        return f"the log of agent {self.agent_id}"

    def following(self, ledger: Ledger) -> Callable[[], Source[bytes]]:
        """
        Return what makes a connection that follows the lines after the ledger's floor.
        """
        sources = self.sources
        return lambda: sources.follow_log(ledger.floor)

    def reading(self, ledger: Ledger) -> Callable[[], Source[bytes]]:
        """
        Return what makes a request for the lines after the ledger's floor.
        """
        sources = self.sources
        return lambda: sources.read_log(ledger.floor)

    def workspace_of(self, answer: bytes | CoderError) -> Workspace | CoderError:
        """
        Return the agent's workspace as *answer* has it; an error where it has another one or none.
        """
        if isinstance(answer, CoderError):
            return answer
        try:
            workspace = from_json(answer, Workspace)
        except DecodeError as error:
            return without_frames(error)
        wanted, found = str(self.sources.workspace_id), str(workspace.id)
        if wanted == found:
            return workspace
        return DecodeError(
            f"$.id: wanted the workspace {wanted}, found {found}",
            path="$.id",
            wanted=wanted,
            found=found,
        )
