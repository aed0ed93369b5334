"""
The synchronous client for the workspace agents of a Coder deployment.
"""

from coder_agents._version import __version__
from coder_agents.agent import Agent
from coder_agents.client import Client
from coder_agents.errors import (
    AgentNotConnectedError,
    APIError,
    AuthenticationError,
    BadRequestError,
    CoderError,
    ConfigError,
    ConflictError,
    DecodeError,
    MessageTooLargeError,
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
)
from coder_agents.streams import (
    ContainersStream,
    LogStream,
    MetadataStream,
    Reconnect,
    StreamEnd,
    StreamOptions,
    StreamStats,
)

__all__ = [
    "APIError",
    "Agent",
    "AgentNotConnectedError",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "CoderError",
    "ConfigError",
    "ConflictError",
    "ContainersStream",
    "DecodeError",
    "LogStream",
    "MessageTooLargeError",
    "MetadataStream",
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
    "__version__",
]
