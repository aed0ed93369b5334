"""
The ports of an agent, watched.
"""

from __future__ import annotations

from collections.abc import Sequence

from coder_agents.schema import (
    WorkspaceAgentListeningPort,
    WorkspaceAgentListeningPortsResponse,
    from_json,
)
from coder_agents.streams.changes import PortChange, port_changes, same_ports
from coder_agents.streams.watched import WatchedStream

Ports = list[WorkspaceAgentListeningPort]


class PortsStream(WatchedStream[Ports, PortChange]):
    """
    All ports on which something in the workspace listens, again after each change.

    The first list comes at once. It never ends by itself: where the agent is out of
    touch, the stream waits for it to come back.
    """

    def _state(self, message: bytes) -> Ports:
        return list(from_json(message, WorkspaceAgentListeningPortsResponse).ports)

    def _are_same(self, before: Ports, after: Ports) -> bool:
        return same_ports(before, after)

    def _changes(self, before: Ports | None, after: Ports) -> Sequence[PortChange]:
        return port_changes(before or (), after)
