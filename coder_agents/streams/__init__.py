"""
Streams: generators of what an agent reports, such as log lines and metadata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.streams.build_logs import BuildLogStream
    from coder_agents.streams.by_agent import ByAgent
    from coder_agents.streams.changes import (
        ContainerChange,
        ContainerStarted,
        ContainerStopped,
        DevcontainerAdded,
        DevcontainerChanged,
        DevcontainerRemoved,
        PortChange,
        PortClosed,
        PortOpened,
        container_changes,
        port_changes,
    )
    from coder_agents.streams.containers import ContainersStream
    from coder_agents.streams.logs import LogStream
    from coder_agents.streams.merged import MergedLogStream
    from coder_agents.streams.merged_position import AgentLog
    from coder_agents.streams.metadata import MetadataStream
    from coder_agents.streams.options import StreamEnd, StreamOptions, StreamStats
    from coder_agents.streams.ports import PortsStream
    from coder_agents.streams.reconnect import Reconnect
    from coder_agents.streams.stores import BookmarkStore, FileBookmarks
    from coder_agents.streams.stream import Stream

__all__ = [
    "AgentLog",
    "BookmarkStore",
    "BuildLogStream",
    "ByAgent",
    "ContainerChange",
    "ContainerStarted",
    "ContainerStopped",
    "ContainersStream",
    "DevcontainerAdded",
    "DevcontainerChanged",
    "DevcontainerRemoved",
    "FileBookmarks",
    "LogStream",
    "MergedLogStream",
    "MetadataStream",
    "PortChange",
    "PortClosed",
    "PortOpened",
    "PortsStream",
    "Reconnect",
    "Stream",
    "StreamEnd",
    "StreamOptions",
    "StreamStats",
    "container_changes",
    "port_changes",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "build_logs": "BuildLogStream",
        "by_agent": "ByAgent",
        "changes": "ContainerChange ContainerStarted ContainerStopped DevcontainerAdded"
        " DevcontainerChanged DevcontainerRemoved PortChange PortClosed PortOpened"
        " container_changes port_changes",
        "containers": "ContainersStream",
        "logs": "LogStream",
        "merged": "MergedLogStream",
        "merged_position": "AgentLog",
        "metadata": "MetadataStream",
        "options": "StreamEnd StreamOptions StreamStats",
        "ports": "PortsStream",
        "reconnect": "Reconnect",
        "stores": "BookmarkStore FileBookmarks",
        "stream": "Stream",
    },
)
