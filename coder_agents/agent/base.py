"""
An agent's data and its connection to the deployment.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from coder_agents import schema
from coder_agents.capabilities import Capabilities
from coder_agents.render import escape_controls
from coder_agents.schema.source_names import SourceNames
from coder_agents.transport import HTTP, quoted

if TYPE_CHECKING:
    from coder_agents.schema import (
        Workspace,
        WorkspaceAgent,
        WorkspaceAgentLifecycle,
        WorkspaceAgentStatus,
    )
    from coder_agents.streams import StreamOptions
    from coder_agents.streams.sources import AgentSources
    from coder_agents.transport import Pace

_MAX_WORD = 200  # characters of a name in a line


class BaseAgent:
    """
    An agent without the methods for its log, its states and its containers.
    """

    def __init__(
        self,
        id: uuid.UUID,
        http: HTTP,
        stream_options: StreamOptions,
        capabilities: Capabilities,
        *,
        data: WorkspaceAgent | None = None,
        workspace: Workspace | None = None,
    ) -> None:
        self.id = id
        self._http = http
        self._stream_options = stream_options
        self._capabilities = capabilities
        self._data = schema.WorkspaceAgent(id=id) if data is None else data
        self._source_names = SourceNames()
        self._workspace = workspace

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseAgent):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[uuid.UUID, str]:
        return self.id, self._http.settings.url

    def __repr__(self) -> str:
        data = self._data
        words = (self._full_name, str(self.id), data.status, data.lifecycle_state)
        shown = (escape_controls(word[:_MAX_WORD]) for word in words if word)
        return f"<Agent {' '.join(shown)}>"

    def _repr_html_(self) -> str:
        from coder_agents.render.html import render_html_card

        return render_html_card(self._full_name, self._data._facts(), below=self._data._below())

    _noun = "agent"

    @property
    def _columns(self) -> Sequence[str]:
        return self._data._columns

    def _cells(self) -> Sequence[object]:
        _, *cells = self._data._cells()
        return self.label, *cells

    @property
    def _full_name(self) -> str:
        from coder_agents.resolve import full_name

        within = "" if self._workspace is None else f"{full_name(self._workspace)}."
        return f"{within}{self._data.name}"

    @property
    def label(self) -> str:
        """
        The agent's name for people, safe to print: ``workspace.agent``.

        For an agent that was found by its own UUID, it is the agent's name alone.
        """
        within = "" if self._workspace is None else f"{self._workspace.name}."
        return escape_controls(f"{within}{self._data.name}")

    @property
    def name(self) -> str:
        """
        The agent's name in its workspace, as it was last read.
        """
        return self._data.name

    @property
    def status(self) -> WorkspaceAgentStatus:
        """
        The state of the agent's connection to the deployment, as it was last read.
        """
        return self._data.status

    @property
    def lifecycle_state(self) -> WorkspaceAgentLifecycle:
        """
        The agent's progress with its startup or shutdown scripts, as it was last read.
        """
        return self._data.lifecycle_state

    @property
    def data(self) -> WorkspaceAgent:
        """
        The agent as it was last read.
        """
        return self._data

    @property
    def workspace(self) -> Workspace | None:
        """
        The workspace, as it was when the agent was found through it.

        None for an agent that was found by its own UUID: the deployment does not report it.
        """
        return self._workspace

    def refresh(self) -> WorkspaceAgent:
        """
        Read the agent again, and return its data, which also becomes `data`.

        `workspace` does not change.

        Raises *DecodeError* where the answer is about another agent.
        """
        from coder_agents.lookup import read_agent

        self._data = read_agent(self._http, self.id)
        self._source_names.learn(self._data.log_sources)
        return self._data

    def _path(self, *segments: str) -> str:
        return quoted("workspaceagents", self.id, *segments)

    def _sources(self, chosen: StreamOptions, pace: Pace | None = None) -> AgentSources:
        from coder_agents.streams.sources import AgentSources

        return AgentSources(
            http=self._http,
            agent_id=self.id,
            workspace_id=None if self._workspace is None else self._workspace.id,
            capabilities=self._capabilities,
            options=chosen,
            pace=pace,
        )

    def _chosen(self, options: StreamOptions | None) -> StreamOptions:
        from coder_agents.streams.options import choose_options

        # A stream may outlive its client, but a closed client opens no stream.
        self._http.check_open()
        return choose_options(options, self._stream_options)

    def _successor(self, workspace: Workspace | None, data: WorkspaceAgent) -> Self:
        return type(self)(
            data.id,
            self._http,
            self._stream_options,
            self._capabilities,
            data=data,
            workspace=workspace,
        )
