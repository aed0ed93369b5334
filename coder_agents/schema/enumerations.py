"""
The enumerations of the API, all of them open.
"""

from __future__ import annotations

from typing import Literal

from coder_agents.schema.open_enumeration import OpenEnumeration
from coder_agents.schema.ordering import Ordered


class WorkspaceAgentStatus(OpenEnumeration):
    """
    Whether the deployment is in touch with an agent.

    An agent starts as connecting. One that has not called by its connection time-out is in
    timeout; one that called and fell silent is disconnected. Both may still come back.
    """

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"


class WorkspaceAgentLifecycle(Ordered, OpenEnumeration):
    """
    How far an agent has come with its startup scripts, or with its shutdown scripts.

    An agent in start_timeout or start_error is usable, only its scripts were too slow or failed.
    States compare in the order in which an agent passes through them; an unknown one raises
    *ValueError* then.
    """

    CREATED = "created"
    STARTING = "starting"
    START_TIMEOUT = "start_timeout"
    START_ERROR = "start_error"
    READY = "ready"
    SHUTTING_DOWN = "shutting_down"
    SHUTDOWN_TIMEOUT = "shutdown_timeout"
    SHUTDOWN_ERROR = "shutdown_error"
    OFF = "off"

    @property
    def starting(self) -> bool:
        """
        Whether the agent is on its way up: created or starting.
        """
        return self in _STARTING

    @property
    def shutting_down(self) -> bool:
        """
        Whether the agent is on its way down, or is down, well or badly.
        """
        return self in _SHUTTING_DOWN


WorkspaceAgentLifecycleOrder: tuple[WorkspaceAgentLifecycle, ...] = tuple(WorkspaceAgentLifecycle)
"""
The states in the order in which an agent passes through them.

An agent may skip some, but does not go back to an earlier one. Deployments do not enforce it.
"""

_STARTING = frozenset(WorkspaceAgentLifecycleOrder[:2])
_SHUTTING_DOWN = frozenset(WorkspaceAgentLifecycleOrder[5:])


class WorkspaceAgentStartupScriptBehavior(OpenEnumeration):
    """
    Whether a log-in waits for the startup scripts.

    Of old clients only: `WorkspaceAgentScript.start_blocks_login` says it for each script.
    """

    BLOCKING = "blocking"
    NON_BLOCKING = "non-blocking"


class WorkspaceAgentScriptStatus(OpenEnumeration):
    """
    How the last run of a script ended. From 2.35.
    """

    OK = "ok"
    EXIT_FAILURE = "exit_failure"
    TIMED_OUT = "timed_out"
    PIPES_LEFT_OPEN = "pipes_left_open"


class DisplayApp(OpenEnumeration):
    """
    A button that Coder itself, not the template, puts beside an agent.
    """

    VSCODE = "vscode"
    VSCODE_INSIDERS = "vscode_insiders"
    WEB_TERMINAL = "web_terminal"
    PORT_FORWARDING_HELPER = "port_forwarding_helper"
    SSH_HELPER = "ssh_helper"


class AgentSubsystem(OpenEnumeration):
    """
    What an agent runs inside of, or together with.
    """

    ENVBOX = "envbox"
    ENVBUILDER = "envbuilder"
    EXECTRACE = "exectrace"

    @property
    def valid(self) -> bool:
        """
        The same as `known`, under the name the Go client has for it.
        """
        return self.known


class WorkspaceAgentDevcontainerStatus(OpenEnumeration):
    """
    What a dev container is doing. Stopping and deleting came by 2.31.
    """

    RUNNING = "running"
    STOPPED = "stopped"
    STARTING = "starting"
    ERROR = "error"
    STOPPING = "stopping"
    DELETING = "deleting"

    @property
    def transitioning(self) -> bool:
        """
        Whether it is about to be something else: starting, stopping or deleting.
        """
        return self in _TRANSITIONING


_TRANSITIONING = frozenset(
    {
        WorkspaceAgentDevcontainerStatus.STARTING,
        WorkspaceAgentDevcontainerStatus.STOPPING,
        WorkspaceAgentDevcontainerStatus.DELETING,
    }
)


class LogLevel(Ordered, OpenEnumeration):
    """
    The severity of a log line.

    As everything of a startup script's standard error is an error here, many errors are none.
    Levels compare by `severity`, also with plain text: ``log.level >= "warn"``. Comparing with an
    unknown level raises *ValueError*; to sort levels, use ``key=lambda level: level.severity``.
    """

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"

    @property
    def severity(self) -> int:
        """
        The rank of the level: 0 for trace up to 4 for error, and 5 for an unknown one.

        So a filter for "warn and worse" does not hide what it does not understand.
        """
        return _SEVERITY.get(self, len(_SEVERITY))

    def _rank(self) -> int:
        return self.severity


LogLevelName = Literal["trace", "debug", "info", "warn", "error"]
"""
The text of a `LogLevel`, for annotations: what takes a level takes either.
"""

_SEVERITY = {level: rank for rank, level in enumerate(LogLevel)}


class WorkspaceAppHealth(OpenEnumeration):
    """
    What the health checks of an app say; disabled where it has none.
    """

    DISABLED = "disabled"
    INITIALIZING = "initializing"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class WorkspaceAppSharingLevel(OpenEnumeration):
    """
    Who, besides the owner, may open an app.
    """

    OWNER = "owner"
    AUTHENTICATED = "authenticated"
    ORGANIZATION = "organization"
    PUBLIC = "public"


class WorkspaceAppOpenIn(OpenEnumeration):
    """
    Where the dashboard opens an app.
    """

    SLIM_WINDOW = "slim-window"
    TAB = "tab"


class WorkspaceAppStatusState(OpenEnumeration):
    """
    What an app says it is at. Idle came by 2.31.
    """

    WORKING = "working"
    COMPLETE = "complete"
    FAILURE = "failure"
    IDLE = "idle"


class WorkspaceStatus(OpenEnumeration):
    """
    What a build makes of its workspace: a transition and the state of its job in one word.
    """

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELING = "canceling"
    CANCELED = "canceled"
    DELETING = "deleting"
    DELETED = "deleted"


class WorkspaceTransition(OpenEnumeration):
    """
    What a build is asked to do with its workspace.
    """

    START = "start"
    STOP = "stop"
    DELETE = "delete"


class ProvisionerJobStatus(OpenEnumeration):
    """
    How far the job of a build has come.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CANCELING = "canceling"
    CANCELED = "canceled"
    FAILED = "failed"
    UNKNOWN = "unknown"


class JobErrorCode(OpenEnumeration):
    """
    Why a job failed, where the deployment has a code for it.
    """

    REQUIRED_TEMPLATE_VARIABLES = "REQUIRED_TEMPLATE_VARIABLES"
    INSUFFICIENT_QUOTA = "INSUFFICIENT_QUOTA"


class BuildReason(OpenEnumeration):
    """
    What had a workspace built.

    2.24 knows initiator, autostart and autostop; the others came by 2.31.
    """

    INITIATOR = "initiator"
    AUTOSTART = "autostart"
    AUTOSTOP = "autostop"
    DORMANCY = "dormancy"
    DASHBOARD = "dashboard"
    CLI = "cli"
    SSH_CONNECTION = "ssh_connection"
    VSCODE_CONNECTION = "vscode_connection"
    JETBRAINS_CONNECTION = "jetbrains_connection"
    TASK_AUTO_PAUSE = "task_auto_pause"
    TASK_MANUAL_PAUSE = "task_manual_pause"
    TASK_RESUME = "task_resume"


class UserStatus(OpenEnumeration):
    """
    Whether a user may log in, and whether they did of late.
    """

    ACTIVE = "active"
    DORMANT = "dormant"
    SUSPENDED = "suspended"


class ServerSentEventType(OpenEnumeration):
    """
    What an event carries: nothing, an item, or the reason why the stream ends.
    """

    PING = "ping"
    DATA = "data"
    ERROR = "error"
