"""
Streams: generators of what an agent reports.
"""

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
