"""
Streams: generators of what an agent reports.
"""

from coder_agents.streams.logs import LogStream
from coder_agents.streams.metadata import MetadataStream
from coder_agents.streams.options import StreamEnd, StreamOptions
from coder_agents.streams.stream import Stream

__all__ = ["LogStream", "MetadataStream", "Stream", "StreamEnd", "StreamOptions"]
