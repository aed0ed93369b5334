"""
Streams: generators of what an agent reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.streams.containers import ContainersStream
    from coder_agents.streams.logs import LogStream
    from coder_agents.streams.merged import AgentLog, MergedLogStream
    from coder_agents.streams.metadata import MetadataStream
    from coder_agents.streams.options import StreamEnd, StreamOptions, StreamStats
    from coder_agents.streams.reconnect import Reconnect
    from coder_agents.streams.stream import Stream

__all__ = [
    "AgentLog",
    "ContainersStream",
    "LogStream",
    "MergedLogStream",
    "MetadataStream",
    "Reconnect",
    "Stream",
    "StreamEnd",
    "StreamOptions",
    "StreamStats",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "containers": "ContainersStream",
        "logs": "LogStream",
        "merged": "AgentLog MergedLogStream",
        "metadata": "MetadataStream",
        "options": "StreamEnd StreamOptions StreamStats",
        "reconnect": "Reconnect",
        "stream": "Stream",
    },
)
