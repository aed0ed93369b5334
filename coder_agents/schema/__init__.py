"""
The types of the API under its own names, and their conversion from and to JSON.

Objects of these classes are frozen. Lists are tuples, so that objects can be hashed and shared.
Maps are plain dicts, which must not be changed and are not part of the hash. Fields are given by
name, and each has the zero value of its type as default. Times have a zone; None means never.
Enumerations keep unknown values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.schema.agents import (
        DERPRegion,
        WorkspaceAgent,
        WorkspaceAgentHealth,
        WorkspaceAgentScript,
    )
    from coder_agents.schema.apps import (
        Healthcheck,
        WorkspaceApp,
        WorkspaceAppStatus,
    )
    from coder_agents.schema.builds import ProvisionerJobLog
    from coder_agents.schema.containers import (
        WorkspaceAgentContainer,
        WorkspaceAgentContainerPort,
        WorkspaceAgentDevcontainer,
        WorkspaceAgentDevcontainerAgent,
        WorkspaceAgentListContainersResponse,
    )
    from coder_agents.schema.converter import to_dict, to_json
    from coder_agents.schema.deployment import (
        BuildInfoResponse,
        Response,
        ServerSentEvent,
        ValidationError,
    )
    from coder_agents.schema.enumerations import (
        AgentSubsystem,
        BuildReason,
        DisplayApp,
        JobErrorCode,
        LogLevel,
        LogLevelName,
        LogSource,
        ProvisionerJobStatus,
        ServerSentEventType,
        UserStatus,
        WorkspaceAgentDevcontainerStatus,
        WorkspaceAgentLifecycle,
        WorkspaceAgentLifecycleOrder,
        WorkspaceAgentScriptStatus,
        WorkspaceAgentStartupScriptBehavior,
        WorkspaceAgentStatus,
        WorkspaceAppHealth,
        WorkspaceAppOpenIn,
        WorkspaceAppSharingLevel,
        WorkspaceAppStatusState,
        WorkspaceStatus,
        WorkspaceTransition,
    )
    from coder_agents.schema.fields import NIL_UUID
    from coder_agents.schema.logs import (
        WorkspaceAgentLog,
        WorkspaceAgentLogSource,
    )
    from coder_agents.schema.metadata import (
        WorkspaceAgentMetadata,
        WorkspaceAgentMetadataDescription,
        WorkspaceAgentMetadataResult,
    )
    from coder_agents.schema.numbers import Number
    from coder_agents.schema.open_enumeration import OpenEnumeration
    from coder_agents.schema.ports import (
        WorkspaceAgentListeningPort,
        WorkspaceAgentListeningPortsResponse,
    )
    from coder_agents.schema.reading import from_json
    from coder_agents.schema.terminals import (
        IssueReconnectingPTYSignedTokenRequest,
        IssueReconnectingPTYSignedTokenResponse,
    )
    from coder_agents.schema.timings import (
        AgentConnectionTiming,
        AgentScriptTiming,
        ProvisionerTiming,
        TimingStage,
        WorkspaceBuildTimings,
    )
    from coder_agents.schema.users import User
    from coder_agents.schema.workspaces import (
        ProvisionerJob,
        Workspace,
        WorkspaceBuild,
        WorkspaceHealth,
        WorkspaceResource,
        WorkspacesResponse,
    )

__all__ = [
    "NIL_UUID",
    "AgentConnectionTiming",
    "AgentScriptTiming",
    "AgentSubsystem",
    "BuildInfoResponse",
    "BuildReason",
    "DERPRegion",
    "DisplayApp",
    "Healthcheck",
    "IssueReconnectingPTYSignedTokenRequest",
    "IssueReconnectingPTYSignedTokenResponse",
    "JobErrorCode",
    "LogLevel",
    "LogLevelName",
    "LogSource",
    "Number",
    "OpenEnumeration",
    "ProvisionerJob",
    "ProvisionerJobLog",
    "ProvisionerJobStatus",
    "ProvisionerTiming",
    "Response",
    "ServerSentEvent",
    "ServerSentEventType",
    "TimingStage",
    "User",
    "UserStatus",
    "ValidationError",
    "Workspace",
    "WorkspaceAgent",
    "WorkspaceAgentContainer",
    "WorkspaceAgentContainerPort",
    "WorkspaceAgentDevcontainer",
    "WorkspaceAgentDevcontainerAgent",
    "WorkspaceAgentDevcontainerStatus",
    "WorkspaceAgentHealth",
    "WorkspaceAgentLifecycle",
    "WorkspaceAgentLifecycleOrder",
    "WorkspaceAgentListContainersResponse",
    "WorkspaceAgentListeningPort",
    "WorkspaceAgentListeningPortsResponse",
    "WorkspaceAgentLog",
    "WorkspaceAgentLogSource",
    "WorkspaceAgentMetadata",
    "WorkspaceAgentMetadataDescription",
    "WorkspaceAgentMetadataResult",
    "WorkspaceAgentScript",
    "WorkspaceAgentScriptStatus",
    "WorkspaceAgentStartupScriptBehavior",
    "WorkspaceAgentStatus",
    "WorkspaceApp",
    "WorkspaceAppHealth",
    "WorkspaceAppOpenIn",
    "WorkspaceAppSharingLevel",
    "WorkspaceAppStatus",
    "WorkspaceAppStatusState",
    "WorkspaceBuild",
    "WorkspaceBuildTimings",
    "WorkspaceHealth",
    "WorkspaceResource",
    "WorkspaceStatus",
    "WorkspaceTransition",
    "WorkspacesResponse",
    "from_json",
    "to_dict",
    "to_json",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "agents": "DERPRegion WorkspaceAgent WorkspaceAgentHealth WorkspaceAgentScript",
        "apps": "Healthcheck WorkspaceApp WorkspaceAppStatus",
        "builds": "ProvisionerJobLog",
        "containers": (
            "WorkspaceAgentContainer WorkspaceAgentContainerPort WorkspaceAgentDevcontainer "
            "WorkspaceAgentDevcontainerAgent WorkspaceAgentListContainersResponse"
        ),
        "converter": "to_dict to_json",
        "deployment": "BuildInfoResponse Response ServerSentEvent ValidationError",
        "enumerations": (
            "AgentSubsystem BuildReason DisplayApp JobErrorCode LogLevel LogLevelName LogSource "
            "ProvisionerJobStatus ServerSentEventType UserStatus "
            "WorkspaceAgentDevcontainerStatus WorkspaceAgentLifecycle "
            "WorkspaceAgentLifecycleOrder WorkspaceAgentScriptStatus "
            "WorkspaceAgentStartupScriptBehavior WorkspaceAgentStatus WorkspaceAppHealth "
            "WorkspaceAppOpenIn WorkspaceAppSharingLevel WorkspaceAppStatusState "
            "WorkspaceStatus WorkspaceTransition"
        ),
        "fields": "NIL_UUID",
        "logs": "WorkspaceAgentLog WorkspaceAgentLogSource",
        "metadata": (
            "WorkspaceAgentMetadata WorkspaceAgentMetadataDescription WorkspaceAgentMetadataResult"
        ),
        "numbers": "Number",
        "open_enumeration": "OpenEnumeration",
        "ports": "WorkspaceAgentListeningPort WorkspaceAgentListeningPortsResponse",
        "reading": "from_json",
        "terminals": (
            "IssueReconnectingPTYSignedTokenRequest IssueReconnectingPTYSignedTokenResponse"
        ),
        "timings": (
            "AgentConnectionTiming AgentScriptTiming ProvisionerTiming TimingStage "
            "WorkspaceBuildTimings"
        ),
        "users": "User",
        "workspaces": (
            "ProvisionerJob Workspace WorkspaceBuild WorkspaceHealth WorkspaceResource "
            "WorkspacesResponse"
        ),
    },
)
