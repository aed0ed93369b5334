"""
Every exception that this package raises.

The module imports only `coder_agents.lazy` and the exceptions of requests, so that existing code
which catches `requests.HTTPError` continues to work.

Every exception can be pickled: its first argument is its text, and the others are plain attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.errors.api import (
    AgentNotConnectedError,
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DevcontainersDisabledError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnsupportedCallError,
)
from coder_agents.errors.batch import (
    BatchCanceledError,
    BatchTimeoutError,
    FunctionExitError,
    TravelError,
)
from coder_agents.errors.builds import BuildEndedError, BuildTimeoutError
from coder_agents.errors.control_shell import ControlShellError
from coder_agents.errors.readiness import (
    AgentShutDownError,
    DevcontainerError,
    DevcontainerTimeoutError,
    ReadinessError,
    ReadyTimeoutError,
    StartupError,
)
from coder_agents.errors.resolve import (
    AgentNotFoundError,
    AmbiguousAgentError,
    AmbiguousDevcontainerError,
    DevcontainerNotFoundError,
    FindingError,
    NoAgentsError,
    OwnerNotFoundError,
    WorkspaceFailedError,
    WorkspaceNotFoundError,
    WorkspacePendingError,
    WorkspaceStoppedError,
)
from coder_agents.errors.root import (
    CoderError,
    ConfigError,
    DecodeError,
    UnsupportedError,
)
from coder_agents.errors.streams import (
    MessageTooLargeError,
    ServerEventError,
    StreamError,
)
from coder_agents.errors.terminals import (
    CommandLostError,
    ContainerNotFoundError,
    JobNotFoundError,
    ShellError,
    TerminalError,
    TerminalNotFoundError,
)
from coder_agents.errors.transport import (
    ProxyError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.errors.commands import CommandError, CommandTimeoutError

__all__ = [
    "APIError",
    "AgentNotConnectedError",
    "AgentNotFoundError",
    "AgentShutDownError",
    "AmbiguousAgentError",
    "AmbiguousDevcontainerError",
    "AuthenticationError",
    "BadRequestError",
    "BatchCanceledError",
    "BatchTimeoutError",
    "BuildEndedError",
    "BuildTimeoutError",
    "CoderError",
    "CommandError",
    "CommandLostError",
    "CommandTimeoutError",
    "ConfigError",
    "ConflictError",
    "ContainerNotFoundError",
    "ControlShellError",
    "DecodeError",
    "DevcontainerError",
    "DevcontainerNotFoundError",
    "DevcontainerTimeoutError",
    "DevcontainersDisabledError",
    "FindingError",
    "FunctionExitError",
    "JobNotFoundError",
    "MessageTooLargeError",
    "NoAgentsError",
    "NotFoundError",
    "OwnerNotFoundError",
    "PermissionDeniedError",
    "ProxyError",
    "RateLimitError",
    "ReadinessError",
    "ReadyTimeoutError",
    "RequestTimeoutError",
    "ServerError",
    "ServerEventError",
    "ShellError",
    "StartupError",
    "StreamError",
    "TLSError",
    "TerminalError",
    "TerminalNotFoundError",
    "TransportError",
    "TravelError",
    "UnsupportedCallError",
    "UnsupportedError",
    "WorkspaceFailedError",
    "WorkspaceNotFoundError",
    "WorkspacePendingError",
    "WorkspaceStoppedError",
]

# What these are built on, `subprocess`, is imported with them alone.
__getattr__, __dir__ = exports(__name__, {"commands": "CommandError CommandTimeoutError"})

# Tracebacks and pickles name each class by the module from which users import it.
for _name in __all__:
    if _name in globals():
        globals()[_name].__module__ = __name__
