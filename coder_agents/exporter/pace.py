"""
How often the exporter reads what.
"""

from __future__ import annotations

import attrs

from coder_agents.streams import Reconnect


@attrs.frozen(kw_only=True)
class ExporterPace:
    """
    The pauses and limits of an exporter; times are in seconds.

    Attributes:
        interval: from one read of the list of agents to the next, and from one read of an agent's
            metadata to the next.
        max_metadata_rate: how many reads of metadata a second may begin, of all agents together.
        metadata_threads: how many threads read metadata.
        metadata_timeout: of one read of metadata.
        logs: the shortest time from one connection of new logs to the next.
        again: until a log that has ended, or failed, is followed again while its agent is listed.
        forget: for which the counts of an agent that is not listed any more are kept.
        leave: which closing the exporter may take.
        retry: the pauses after failures.
    """

    interval: float = 15.0
    max_metadata_rate: float = 64.0
    metadata_threads: int = 8
    metadata_timeout: float = 10.0
    logs: float = 1.0
    again: float = 60.0
    forget: float = 3600.0
    leave: float = 5.0
    retry: Reconnect = attrs.field(factory=lambda: Reconnect(initial=1.0, maximum=30.0))
