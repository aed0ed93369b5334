"""
Live views, recordings and time lines of a client's agents.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO, cast

from coder_agents.base_client import BaseClient

if TYPE_CHECKING:
    from coder_agents.agent import Agent
    from coder_agents.client import Client
    from coder_agents.display import MetadataRecorder, Timeline, TopView
    from coder_agents.schema import Workspace
    from coder_agents.streams import StreamOptions


class ClientDisplays(BaseClient):
    """
    The methods of a client that show agents, record their metadata, and show how a workspace started.
    """

    def top(
        self,
        agents: Iterable[Agent] | None = None,
        *,
        seconds: float | None = None,
        file: TextIO | None = None,
    ) -> TopView:
        """
        Show *agents* with their states and their metadata, as a table that is updated in place.

        None means the agents of your own workspaces; agents of later builds appear by themselves. The
        table has a column for each of the six most frequent items of metadata, and the error of an
        agent that cannot be read. The states are read every ten seconds, which also sets the
        `Agent.data` of the given *agents*.

        The call returns after *seconds*, or when it is interrupted. For this, and for *file*, see
        `Agent.metadata_view`; a file or a pipe gets a line for each agent that has changed. The table
        is drawn at most once a second. At most eight threads read the metadata, and one the states;
        they end with the view.

        Raises what `agents` raises; *ValueError* or *TypeError* for impossible arguments, before any
        request.
        """
        from coder_agents.display.top import top

        return top(cast("Client", self), agents, seconds=seconds, file=file)

    def record_metadata(
        self,
        agents: Iterable[Agent] | None = None,
        *,
        seconds: float | None = None,
        options: StreamOptions | None = None,
    ) -> MetadataRecorder:
        """
        Record the metadata of *agents*, and return the recorder; see `Agent.record_metadata`.

        None means the agents of your own workspaces, as they are now. The error of an agent is among
        `MetadataRecorder.failures`, and does not affect the other agents. At most eight threads read
        the metadata; they end with the recording.

        Raises what `agents` raises; *ValueError* or *TypeError* for impossible arguments, and where
        there are no agents.
        """
        from coder_agents.batch import distinct, several
        from coder_agents.display.recorder import record

        client = cast("Client", self)
        recorded = distinct(several(client.agents() if agents is None else agents))
        if not recorded:
            raise ValueError("there are no agents to record")
        return record(recorded, seconds=seconds, options=options)

    def timeline(self, ref: uuid.UUID | str | Workspace) -> Timeline:
        """
        Return the time line of the last start of the workspace that *ref* names.

        The time line shows how long each step of the build, the connection of each agent and each
        startup script took, so that one sees what made the start slow. *ref* is
        ``[owner/]workspace``, or the workspace's UUID. The method sends a few requests; steps that the
        deployment does not report are missing.

        A workspace that is stopped shows its last start, too, and `Timeline.state_now` is its state.
        Where no start is found, the time line is that of the latest build.

        Raises what `workspace` raises.
        """
        from coder_agents.display.timeline_reading import read_timeline

        return read_timeline(cast("Client", self), ref)
