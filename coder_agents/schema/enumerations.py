"""
The enumerations of the API, all of them open.
"""

from __future__ import annotations

from typing import Literal

from coder_agents.schema.open_enumeration import OpenEnumeration
from coder_agents.schema.ordering import Ordered


class WorkspaceAgentStatus(OpenEnumeration):
    """
    The state of an agent's connection to the deployment.

    A new agent is connecting. An agent that has not connected within its connection time-out is in
    timeout. An agent that was connected and is silent now is disconnected. Both may connect later.
    """

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    TIMEOUT = "timeout"


class WorkspaceAgentLifecycle(Ordered, OpenEnumeration):
    """
    An agent's progress with its startup scripts or its shutdown scripts.

    An agent in start_timeout or start_error can be used; a script of it took too long or failed.
    States compare in the order in which an agent passes through them. Comparing with an unknown
    state raises *ValueError*.
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
        Whether the agent is starting: its state is created or starting.
        """
        return self in _STARTING

    @property
    def shutting_down(self) -> bool:
        """
        Whether the agent is shutting down, or has shut down, with or without an error.
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

    Only old clients use it: `WorkspaceAgentScript.start_blocks_login` has it for each script.
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
    A button for an agent that comes from Coder, not from the template.
    """

    VSCODE = "vscode"
    VSCODE_INSIDERS = "vscode_insiders"
    WEB_TERMINAL = "web_terminal"
    PORT_FORWARDING_HELPER = "port_forwarding_helper"
    SSH_HELPER = "ssh_helper"


class AgentSubsystem(OpenEnumeration):
    """
    A subsystem in which, or together with which, an agent runs.
    """

    ENVBOX = "envbox"
    ENVBUILDER = "envbuilder"
    EXECTRACE = "exectrace"

    @property
    def valid(self) -> bool:
        """
        The same as `known`, under its name in the Go client.
        """
        return self.known


class WorkspaceAgentDevcontainerStatus(OpenEnumeration):
    """
    The state of a dev container. Stopping and deleting came by 2.31.
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
        Whether another state follows: the dev container is starting, stopping or deleting.
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

    Each line that a script writes to standard error has the level error, so many lines at this
    level report no failure. Levels compare by `severity`, also with plain text:
    ``log.level >= "warn"``. Comparing with an unknown level raises *ValueError*; to sort levels,
    use ``key=lambda level: level.severity``.
    """

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"

    @property
    def severity(self) -> int:
        """
        The rank of the level: 0 for trace up to 4 for error, and 5 for an unknown level.

        So a filter for warnings and errors does not hide lines of an unknown level.
        """
        return _SEVERITY.get(self, len(_SEVERITY))

    def _rank(self) -> int:
        return self.severity


LogLevelName = Literal["trace", "debug", "info", "warn", "error"]
"""
The text of a `LogLevel`, for annotations: arguments for a level accept both.
"""

_SEVERITY = {level: rank for rank, level in enumerate(LogLevel)}


class WorkspaceAppHealth(OpenEnumeration):
    """
    The result of an app's health check; disabled where the app has none.
    """

    DISABLED = "disabled"
    INITIALIZING = "initializing"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class WorkspaceAppSharingLevel(OpenEnumeration):
    """
    The users who may open an app.
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
    The state of work that an app reports. Idle came by 2.31.
    """

    WORKING = "working"
    COMPLETE = "complete"
    FAILURE = "failure"
    IDLE = "idle"


class WorkspaceStatus(OpenEnumeration):
    """
    The state of a workspace: the transition of its build and the state of the build's job.
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
    The change that a build makes to its workspace.
    """

    START = "start"
    STOP = "stop"
    DELETE = "delete"


class ProvisionerJobStatus(OpenEnumeration):
    """
    The state of a build's job.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CANCELING = "canceling"
    CANCELED = "canceled"
    FAILED = "failed"
    UNKNOWN = "unknown"


class LogSource(OpenEnumeration):
    """
    Where a line of a build's log comes from: the provisioner's daemon, or the provisioner itself.
    """

    PROVISIONER_DAEMON = "provisioner_daemon"
    PROVISIONER = "provisioner"


class JobErrorCode(OpenEnumeration):
    """
    Why a job failed, where the deployment has a code for it.
    """

    REQUIRED_TEMPLATE_VARIABLES = "REQUIRED_TEMPLATE_VARIABLES"
    INSUFFICIENT_QUOTA = "INSUFFICIENT_QUOTA"


class BuildReason(OpenEnumeration):
    """
    The reason for a build.

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
    Whether a user may log in: active, dormant after a long time without a log-in, or suspended.
    """

    ACTIVE = "active"
    DORMANT = "dormant"
    SUSPENDED = "suspended"


class ServerSentEventType(OpenEnumeration):
    """
    The kind of an event: a ping without data, an item, or the error that ends the stream.
    """

    PING = "ping"
    DATA = "data"
    ERROR = "error"
