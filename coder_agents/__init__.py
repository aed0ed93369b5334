"""
The synchronous client for the workspace agents of a Coder deployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents._version import __version__
from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.agent import Agent
    from coder_agents.batch import AgentResult, Results
    from coder_agents.capabilities import Capabilities
    from coder_agents.client import AgentSequence, Client, WorkspaceSequence
    from coder_agents.errors import (
        AgentNotConnectedError,
        AgentNotFoundError,
        AgentShutDownError,
        AmbiguousAgentError,
        AmbiguousDevcontainerError,
        APIError,
        AuthenticationError,
        BadRequestError,
        BatchCanceledError,
        BatchTimeoutError,
        BuildEndedError,
        BuildTimeoutError,
        CoderError,
        CommandError,
        CommandLostError,
        CommandTimeoutError,
        ConfigError,
        ConflictError,
        ContainerNotFoundError,
        ControlShellError,
        DecodeError,
        DevcontainerError,
        DevcontainerNotFoundError,
        DevcontainersDisabledError,
        DevcontainerTimeoutError,
        FindingError,
        FunctionExitError,
        JobNotFoundError,
        MessageTooLargeError,
        NoAgentsError,
        NotFoundError,
        OwnerNotFoundError,
        PermissionDeniedError,
        ProxyError,
        RateLimitError,
        ReadinessError,
        ReadyTimeoutError,
        RequestTimeoutError,
        ServerError,
        ServerEventError,
        ShellError,
        StartupError,
        StreamError,
        TerminalError,
        TerminalNotFoundError,
        TLSError,
        TransportError,
        TravelError,
        UnsupportedCallError,
        UnsupportedError,
        WorkspaceFailedError,
        WorkspaceNotFoundError,
        WorkspacePendingError,
        WorkspaceStoppedError,
    )
    from coder_agents.jobs import CompletedCommand, Job, JobInfo, Output, OutputStream
    from coder_agents.readiness import ScriptConclusion, ScriptReport, StartupReport
    from coder_agents.representation import ResultList
    from coder_agents.streams import (
        AgentLog,
        BuildLogStream,
        ByAgent,
        ContainersStream,
        ContainerStarted,
        ContainerStopped,
        DevcontainerAdded,
        DevcontainerChanged,
        DevcontainerRemoved,
        LogStream,
        MergedLogStream,
        MetadataStream,
        PortClosed,
        PortOpened,
        PortsStream,
        Reconnect,
        StreamEnd,
        StreamOptions,
        StreamStats,
    )
    from coder_agents.terminal import Terminal

__all__ = [
    "APIError",
    "Agent",
    "AgentLog",
    "AgentNotConnectedError",
    "AgentNotFoundError",
    "AgentResult",
    "AgentSequence",
    "AgentShutDownError",
    "AmbiguousAgentError",
    "AmbiguousDevcontainerError",
    "AuthenticationError",
    "BadRequestError",
    "BatchCanceledError",
    "BatchTimeoutError",
    "BuildEndedError",
    "BuildLogStream",
    "BuildTimeoutError",
    "ByAgent",
    "Capabilities",
    "Client",
    "CoderError",
    "CommandError",
    "CommandLostError",
    "CommandTimeoutError",
    "CompletedCommand",
    "ConfigError",
    "ConflictError",
    "ContainerNotFoundError",
    "ContainerStarted",
    "ContainerStopped",
    "ContainersStream",
    "ControlShellError",
    "DecodeError",
    "DevcontainerAdded",
    "DevcontainerChanged",
    "DevcontainerError",
    "DevcontainerNotFoundError",
    "DevcontainerRemoved",
    "DevcontainerTimeoutError",
    "DevcontainersDisabledError",
    "FindingError",
    "FunctionExitError",
    "Job",
    "JobInfo",
    "JobNotFoundError",
    "LogStream",
    "MergedLogStream",
    "MessageTooLargeError",
    "MetadataStream",
    "NoAgentsError",
    "NotFoundError",
    "Output",
    "OutputStream",
    "OwnerNotFoundError",
    "PermissionDeniedError",
    "PortClosed",
    "PortOpened",
    "PortsStream",
    "ProxyError",
    "RateLimitError",
    "ReadinessError",
    "ReadyTimeoutError",
    "Reconnect",
    "RequestTimeoutError",
    "ResultList",
    "Results",
    "ScriptConclusion",
    "ScriptReport",
    "ServerError",
    "ServerEventError",
    "ShellError",
    "StartupError",
    "StartupReport",
    "StreamEnd",
    "StreamError",
    "StreamOptions",
    "StreamStats",
    "TLSError",
    "Terminal",
    "TerminalError",
    "TerminalNotFoundError",
    "TransportError",
    "TravelError",
    "UnsupportedCallError",
    "UnsupportedError",
    "WorkspaceFailedError",
    "WorkspaceNotFoundError",
    "WorkspacePendingError",
    "WorkspaceSequence",
    "WorkspaceStoppedError",
    "__version__",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "agent": "Agent",
        "client": "AgentSequence Client WorkspaceSequence",
        "errors": (
            "AgentNotConnectedError AgentNotFoundError AgentShutDownError "
            "AmbiguousAgentError AmbiguousDevcontainerError APIError "
            "AuthenticationError BadRequestError BatchCanceledError BatchTimeoutError "
            "BuildEndedError BuildTimeoutError CoderError "
            "CommandError CommandLostError "
            "CommandTimeoutError ConfigError ConflictError ContainerNotFoundError ControlShellError "
            "DecodeError DevcontainerError DevcontainerNotFoundError DevcontainersDisabledError "
            "DevcontainerTimeoutError FindingError FunctionExitError JobNotFoundError MessageTooLargeError NoAgentsError "
            "NotFoundError OwnerNotFoundError PermissionDeniedError ProxyError "
            "RateLimitError ReadinessError ReadyTimeoutError RequestTimeoutError "
            "ServerError ServerEventError ShellError StartupError StreamError TerminalError "
            "TerminalNotFoundError TLSError TransportError TravelError UnsupportedCallError UnsupportedError "
            "WorkspaceFailedError "
            "WorkspaceNotFoundError WorkspacePendingError WorkspaceStoppedError"
        ),
        "batch": "AgentResult Results",
        "jobs": "CompletedCommand Job JobInfo Output OutputStream",
        "representation": "ResultList",
        "readiness": "ScriptConclusion ScriptReport StartupReport",
        "capabilities": "Capabilities",
        "streams": (
            "AgentLog BuildLogStream ByAgent ContainersStream ContainerStarted ContainerStopped DevcontainerAdded "
            "DevcontainerChanged DevcontainerRemoved LogStream MergedLogStream MetadataStream "
            "PortClosed PortOpened PortsStream Reconnect StreamEnd StreamOptions StreamStats"
        ),
        "terminal": "Terminal",
    },
)
