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
from coder_agents.streams import LogStream, MetadataStream, StreamEnd, StreamOptions

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
    "DecodeError",
    "LogStream",
    "MessageTooLargeError",
    "MetadataStream",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestTimeoutError",
    "ServerError",
    "ServerEventError",
    "StreamEnd",
    "StreamError",
    "StreamOptions",
    "TLSError",
    "TransportError",
    "UnsupportedError",
    "__version__",
]
