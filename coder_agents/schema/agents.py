"""
The types of an agent and its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import attrs

from coder_agents.render.html import Markup
from coder_agents.representation.cells import problem, size, status, tables
from coder_agents.representation.objects import Represented
from coder_agents.schema.apps import WorkspaceApp
from coder_agents.schema.enumerations import (
    AgentSubsystem,
    DisplayApp,
    WorkspaceAgentLifecycle,
    WorkspaceAgentScriptStatus,
    WorkspaceAgentStartupScriptBehavior,
    WorkspaceAgentStatus,
)
from coder_agents.schema.fields import NIL_UUID, empty_map, identifying, maybe_absent
from coder_agents.schema.logs import WorkspaceAgentLogSource


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentHealth(Represented):
    """
    Whether an agent is healthy.

    Attributes:
        healthy: whether the agent is connected and its scripts succeeded.
        reason: why the agent is not healthy; empty while it is.
    """

    healthy: bool = False
    reason: str = maybe_absent("")


@attrs.frozen(kw_only=True, repr=False)
class DERPRegion(Represented):
    """
    A relay between an agent and its clients (DERP is Tailscale's protocol for relays).

    Attributes:
        preferred: whether the agent is best reached through this relay.
        latency_ms: the latency from the agent to the relay, in milliseconds.
    """

    preferred: bool = False
    latency_ms: float = 0.0


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentScript(Represented):
    """
    A script of the template, which an agent runs.

    Attributes:
        id: the script's id.
        log_source_id: the id of the `WorkspaceAgentLogSource` of its lines.
        log_path: the file in the workspace that also gets its output.
        script: its text.
        cron: its schedule in cron's form, with a field for seconds in front; empty for no schedule.
        run_on_start: whether it runs when the agent starts.
        run_on_stop: whether it runs when the agent shuts down.
        start_blocks_login: whether the agent is not ready, and log-ins wait, until it has ended.
        timeout: its time limit; zero for no limit. On the wire it is in nanoseconds, here it is cut
            to microseconds.
        display_name: its name for people.
        exit_code: the exit code of its last run; None before the first run has ended. From 2.35.
        status: how its last run ended; None before the first run has ended. From 2.35.
    """

    id: UUID = NIL_UUID
    log_source_id: UUID = NIL_UUID
    log_path: str = ""
    script: str = ""
    cron: str = ""
    run_on_start: bool = False
    run_on_stop: bool = False
    start_blocks_login: bool = False
    timeout: timedelta = timedelta()
    display_name: str = ""
    exit_code: int | None = maybe_absent(None)
    status: WorkspaceAgentScriptStatus | None = maybe_absent(None)

    _first_fields = ("display_name", "status", "exit_code")
    _columns = ("Script", "Runs", "Blocks login", "Time limit", "Status", "Exit code")
    _noun = "script"

    def _cells(self) -> Sequence[object]:
        runs = ["on start"] * self.run_on_start + ["on stop"] * self.run_on_stop
        return (
            self.display_name,
            ", ".join(runs + [self.cron] * bool(self.cron)),
            "yes" if self.start_blocks_login else "",
            self.timeout or None,
            status(self.status or ""),
            self.exit_code,
        )

    def _title(self) -> str:
        return self.display_name


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgent(Represented):
    """
    An agent: the program that makes a machine or a container a workspace.

    A time is None for an event that has not happened.

    Attributes:
        id: the agent's id; the agent of the workspace's next build has another one.
        parent_id: the agent that runs this agent in a dev container; None for an agent of the
            template.
        created_at: when the build created the agent.
        updated_at: when the agent's data last changed.
        first_connected_at: when the agent first connected.
        last_connected_at: when the deployment last heard from the agent.
        disconnected_at: when the agent last disconnected.
        started_at: when the agent began to run its startup scripts.
        ready_at: when all startup scripts had ended, whether they succeeded or failed.
        status: the state of the agent's connection to the deployment.
        lifecycle_state: the agent's progress with its startup or shutdown scripts.
        name: its name in the workspace.
        resource_id: the id of its resource in the build.
        instance_id: the id of its cloud instance, for an agent that authenticates by that id.
        architecture: Go's name of the architecture, such as ``amd64``.
        environment_variables: the variables that the template sets for its processes.
        operating_system: Go's name of the operating system, such as ``linux``.
        logs_length: the size of its log in the deployment, in bytes.
        logs_overflowed: whether the log is full, so that the deployment refused later lines.
        directory: the first directory of its shells, as the template wrote it.
        expanded_directory: the same with variables replaced, once the agent has reported it.
        version: the version of the agent's program.
        api_version: the version of the protocol between the agent and the deployment.
        apps: its apps.
        latency: the latency from the agent to each relay, by the name of the region.
        connection_timeout_seconds: the time to connect, after which its status is timeout.
        troubleshooting_url: the page of the template's author for problems.
        subsystems: the subsystems in which the agent runs.
        health: whether the agent is healthy.
        display_apps: Coder's own buttons for the agent.
        log_sources: the sources of its log lines.
        scripts: its scripts.
        startup_script_behavior: for old clients; see `WorkspaceAgentScript.start_blocks_login`.
    """

    id: UUID = identifying(NIL_UUID)
    parent_id: UUID | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    first_connected_at: datetime | None = maybe_absent(None)
    last_connected_at: datetime | None = maybe_absent(None)
    disconnected_at: datetime | None = maybe_absent(None)
    started_at: datetime | None = maybe_absent(None)
    ready_at: datetime | None = maybe_absent(None)
    status: WorkspaceAgentStatus = WorkspaceAgentStatus("")
    lifecycle_state: WorkspaceAgentLifecycle = WorkspaceAgentLifecycle("")
    name: str = ""
    resource_id: UUID = NIL_UUID
    instance_id: str = maybe_absent("")
    architecture: str = ""
    # The values may be secrets of the template.
    environment_variables: Mapping[str, str] = empty_map(repr=False)
    operating_system: str = ""
    logs_length: int = 0
    logs_overflowed: bool = False
    directory: str = maybe_absent("")
    expanded_directory: str = maybe_absent("")
    version: str = ""
    api_version: str = ""
    apps: tuple[WorkspaceApp, ...] = ()
    latency: Mapping[str, DERPRegion] = empty_map(absent=True)
    connection_timeout_seconds: int = 0
    troubleshooting_url: str = ""
    subsystems: tuple[AgentSubsystem, ...] = ()
    health: WorkspaceAgentHealth = WorkspaceAgentHealth()
    display_apps: tuple[DisplayApp, ...] = ()
    log_sources: tuple[WorkspaceAgentLogSource, ...] = ()
    scripts: tuple[WorkspaceAgentScript, ...] = ()
    startup_script_behavior: WorkspaceAgentStartupScriptBehavior = (
        WorkspaceAgentStartupScriptBehavior("")
    )

    _first_fields = ("name", "status", "lifecycle_state", "id")
    _columns = ("Agent", "Status", "Lifecycle", "Health", "System", "Version")
    _noun = "agent"

    def _cells(self) -> Sequence[object]:
        return (
            self.name,
            status(self.status),
            status(self.lifecycle_state),
            problem(self.health.reason),
            "/".join(filter(None, (self.operating_system, self.architecture))),
            self.version,
        )

    def _title(self) -> str:
        return self.name

    def _facts(self) -> Iterable[tuple[str, object]]:
        _, *cells = zip(self._columns, self._cells(), strict=True)
        yield from cells
        yield "Directory", self.expanded_directory or self.directory
        yield "Started", self.started_at
        yield "Ready", self.ready_at
        yield "Last connected", self.last_connected_at
        yield "Id", self.id
        if self.logs_length:
            yield "Log", size(self.logs_length) + ", full" * self.logs_overflowed

    def _below(self) -> Iterable[Markup]:
        apps = [app for app in self.apps if not app.hidden]
        return tables(self.scripts, apps)
