"""
The log of one agent, and how to reach it.
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
    The log of one agent, and how to reach it.

    Attributes:
        agent_id: the agent's id.
        sources: makes the connections.
        overflowed: returns whether the log was full when the agent was last read.
        agent: the agent as users know it, for callbacks.
        log_sources: the sources of the log's lines when the agent was last read.
        source_names: the names of these sources, and of sources that are read later.
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
        The name of the log, for messages.
        """
        return f"the log of agent {self.agent_id}"

    def following(self, ledger: Ledger) -> Callable[[], Source[bytes]]:
        """
        Return a function that makes a connection to follow the lines after the ledger's floor.
        """
        sources = self.sources
        return lambda: sources.follow_log(ledger.floor)

    def reading(self, ledger: Ledger) -> Callable[[], Source[bytes]]:
        """
        Return a function that makes a request for the lines after the ledger's floor.
        """
        sources = self.sources
        return lambda: sources.read_log(ledger.floor)

    def workspace_of(self, answer: bytes | CoderError) -> Workspace | CoderError:
        """
        Return the agent's workspace in *answer*; an error where *answer* has another workspace or
        none.
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
