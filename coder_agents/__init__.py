"""
The synchronous client for the workspace agents of a Coder deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents._version import __version__
from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.agent import Agent
    from coder_agents.client import Client
    from coder_agents.errors import (
        AgentNotConnectedError,
        AgentNotFoundError,
        AmbiguousAgentError,
        APIError,
        AuthenticationError,
        BadRequestError,
        CoderError,
        ConfigError,
        ConflictError,
        DecodeError,
        FindingError,
        MessageTooLargeError,
        NoAgentsError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        RequestTimeoutError,
        ServerError,
        ServerEventError,
        StreamError,
        TLSError,
        TransportError,
        UnsupportedError,
        WorkspaceFailedError,
        WorkspaceNotFoundError,
        WorkspacePendingError,
        WorkspaceStoppedError,
    )
    from coder_agents.streams import (
        AgentLog,
        ContainersStream,
        LogStream,
        MergedLogStream,
        MetadataStream,
        Reconnect,
        StreamEnd,
        StreamOptions,
        StreamStats,
    )

__all__ = [
    "APIError",
    "Agent",
    "AgentLog",
    "AgentNotConnectedError",
    "AgentNotFoundError",
    "AmbiguousAgentError",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "CoderError",
    "ConfigError",
    "ConflictError",
    "ContainersStream",
    "DecodeError",
    "FindingError",
    "LogStream",
    "MergedLogStream",
    "MessageTooLargeError",
    "MetadataStream",
    "NoAgentsError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "Reconnect",
    "RequestTimeoutError",
    "ServerError",
    "ServerEventError",
    "StreamEnd",
    "StreamError",
    "StreamOptions",
    "StreamStats",
    "TLSError",
    "TransportError",
    "UnsupportedError",
    "WorkspaceFailedError",
    "WorkspaceNotFoundError",
    "WorkspacePendingError",
    "WorkspaceStoppedError",
    "__version__",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "agent": "Agent",
        "client": "Client",
        "errors": (
            "AgentNotConnectedError AgentNotFoundError AmbiguousAgentError APIError "
            "AuthenticationError BadRequestError CoderError ConfigError ConflictError "
            "DecodeError FindingError MessageTooLargeError NoAgentsError NotFoundError "
            "PermissionDeniedError RateLimitError RequestTimeoutError ServerError "
            "ServerEventError StreamError TLSError TransportError UnsupportedError "
            "WorkspaceFailedError WorkspaceNotFoundError WorkspacePendingError "
            "WorkspaceStoppedError"
        ),
        "streams": (
            "AgentLog ContainersStream LogStream MergedLogStream MetadataStream Reconnect "
            "StreamEnd StreamOptions StreamStats"
        ),
    },
)
