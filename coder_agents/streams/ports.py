"""
The ports of an agent, watched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from coder_agents.streams.watched import Changes

Ports = list[WorkspaceAgentListeningPort]


class PortsStream(Stream[Ports]):
    """
    All ports on which something in the workspace listens, again after each change.

    The first list comes at once. What the deployment repeats, or lists in another order, is skipped.
    The stream never ends without being closed: where the agent is not connected, the stream waits for it.
    """

    __slots__ = ()

    def changes(self) -> Iterator[PortChange]:
        """
        Return an iterator over what happens, in place of the states.

        It begins with all ports of the first list; after a list that was read already, with what
        is different from that. It reads this stream, so it ends and raises as the stream
        does: close the stream to end it.
        """
        return Changes(self, _changes)


class PortsReader:
    """
    Reads the answers of the call for ports.
    """

    def state(self, message: bytes) -> Ports:
        """
        Return the ports that *message* lists.
        """
        return list(from_json(message, WorkspaceAgentListeningPortsResponse).ports)

    def are_same(self, before: Ports, after: Ports) -> bool:
        """
        Whether both lists have the same ports.
        """
        return same_ports(before, after)

    def broke(self, broken: Broken) -> float | None:
        """
        Leave it to the back-off of the options.
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
