"""
The stream of an agent's ports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coder_agents.representation import ResultList
from coder_agents.schema import (
    WorkspaceAgentListeningPort,
    WorkspaceAgentListeningPortsResponse,
    from_json,
)
from coder_agents.streams.changes import PortChange, port_changes, same_ports
from coder_agents.streams.engine import FeedEngine
from coder_agents.streams.reconnecting import Broken
from coder_agents.streams.sources import AgentSources
from coder_agents.streams.state_feed import StateFeed
from coder_agents.streams.stream import Stream, opened
from coder_agents.streams.watched import StateChanges

Ports = ResultList[WorkspaceAgentListeningPort]


class PortsStream(Stream[Ports]):
    """
    All ports on which something in the workspace listens, again after each change.

    The first list comes at once. Lists that only repeat the last one, in any order, are skipped.
    The stream ends only when it is closed: where the agent is not connected, the stream waits for
    the agent.
    """

    __slots__ = ()

    def changes(self) -> Iterator[PortChange]:
        """
        Return an iterator over the changes between the lists.

        The first changes are the whole first list or, where a list was read before, the difference
        from that list. The iterator reads this stream: it ends and raises as the stream does. Close
        the stream to end it.
        """
        return StateChanges(self, _changes)


class PortsReader:
    """
    Reads the answers of the call for ports.
    """

    def state(self, message: bytes) -> Ports:
        """
        Return the ports that *message* lists.
        """
        ports = from_json(message, WorkspaceAgentListeningPortsResponse).ports
        return ResultList(ports, of=WorkspaceAgentListeningPort)

    def are_same(self, before: Ports, after: Ports) -> bool:
        """
        Whether both lists have the same ports.
        """
        return same_ports(before, after)

    def disconnected(self, broken: Broken) -> float | None:
        """
        Return None: the back-off of the options applies.
        """
        return None


def watch_ports(sources: AgentSources, *, interval: float) -> PortsStream:
    """
    Return the stream of an agent's ports, which are read every *interval* seconds.
    """
    what = f"the ports of agent {sources.agent_id}"
    feed = StateFeed(
        lambda: sources.poll("listening-ports", interval=interval),
        PortsReader(),
        what=what,
        options=sources.options,
        connect_timeout=sources.connect_timeout,
    )
    return opened(PortsStream, FeedEngine(feed, pauses=sources.options._pauses))


def _changes(before: Ports | None, after: Ports) -> Sequence[PortChange]:
    return port_changes(before or (), after)
