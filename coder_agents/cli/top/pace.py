"""
How often the dashboard reads what.
"""

from __future__ import annotations

import attrs

from coder_agents.streams import Reconnect


@attrs.frozen(kw_only=True)
class DashboardPace:
    """
    The pauses and limits of the dashboard; times are in seconds.

    At most ``4 + 2 + 1`` connections are open to read metadata, ports and the list of agents, one
    for each of their threads, and one for each log that is followed.

    Attributes:
        metadata: from one read of an agent's metadata to the next.
        max_metadata_rate: how many reads of metadata a second may begin, of all agents together.
        metadata_threads: how many threads read metadata.
        ports: from one read of an agent's ports to the next. Each read is a request to the agent.
        max_ports_rate: how many reads of ports a second may begin.
        ports_threads: how many threads read ports.
        agents: from one read of the list of agents to the next.
        max_logs: how many logs are followed at once. Of more agents, those in view are followed.
        logs: the shortest time from one connection of all logs to the next.
        gone: for which an agent that is not listed any more is shown.
        redraw: between two redraws.
        leave: which the end of the dashboard may take.
        retry: the pauses after failures.
    """

    metadata: float = 5.0
    max_metadata_rate: float = 10.0
    metadata_threads: int = 4
    ports: float = 30.0
    max_ports_rate: float = 2.0
    ports_threads: int = 2
    agents: float = 10.0
    max_logs: int = 256
    logs: float = 3.0
    gone: float = 30.0
    redraw: float = 0.5
    leave: float = 5.0
    retry: Reconnect = attrs.field(factory=lambda: Reconnect(initial=1.0, maximum=30.0))
