"""
An agent, and what belongs to it and has no page of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import attrs

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


@attrs.frozen(kw_only=True)
class WorkspaceAgentHealth:
    """
    Whether an agent is well.

    Attributes:
        healthy: whether it is connected and its scripts went well.
        reason: what is wrong; empty while it is healthy.
    """

    healthy: bool = False
    reason: str = maybe_absent("")


@attrs.frozen(kw_only=True)
class DERPRegion:
    """
    A relay between an agent and those who connect to it (DERP is Tailscale's protocol for this).

    Attributes:
        preferred: whether the agent is best reached through it.
        latency_ms: from the agent to the relay, in milliseconds.
    """

    preferred: bool = False
    latency_ms: float = 0.0


@attrs.frozen(kw_only=True)
class WorkspaceAgentScript:
    """
    A script that the template has an agent run.

    Attributes:
        id: of the script.
        log_source_id: the `WorkspaceAgentLogSource` of its lines.
        log_path: the file in the workspace that gets its output as well.
        script: its text.
        cron: when it runs, as cron writes it with seconds in front; empty if not by the clock.
        run_on_start: whether it runs when the agent starts.
        run_on_stop: whether it runs when the agent shuts down.
        start_blocks_login: whether the agent is not ready, and log-ins wait, until it is done.
        timeout: how long it may run; zero for as long as it likes. On the wire nanoseconds;
            what is below a microsecond is cut off.
        display_name: its name for people.
        exit_code: of its last run; None where there was none. From 2.35.
        status: how its last run ended; None where there was none. From 2.35.
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


@attrs.frozen(kw_only=True)
class WorkspaceAgent:
    """
    The program that makes a machine or a container a workspace, as the deployment knows it.

    Times are None for what has not happened.

    Attributes:
        id: of the agent; the agent of the workspace's next build has another.
        parent_id: the agent that runs this one in a dev container; None for a template's own.
        created_at: when the build made it.
        updated_at: when something of this last changed.
        first_connected_at: when it first called.
        last_connected_at: when it was last heard of.
        disconnected_at: when it was last lost.
        started_at: when it began with its startup scripts.
        ready_at: when it was done with them, well or badly.
        status: whether the deployment is in touch with it.
        lifecycle_state: how far it has come with its scripts.
        name: what it is called in its workspace.
        resource_id: the resource of the build that it belongs to.
        instance_id: of the cloud's machine it runs on, where it proves itself by that.
        architecture: as Go says it, such as ``amd64``.
        environment_variables: what the template sets for its processes.
        operating_system: as Go says it, such as ``linux``.
        logs_length: bytes of log the deployment holds of it.
        logs_overflowed: whether the log is full, so that later lines were refused.
        directory: where its shells start, as the template wrote it.
        expanded_directory: the same with variables replaced, once the agent has said so.
        version: of the agent's program.
        api_version: of the protocol it speaks with the deployment.
        apps: its apps.
        latency: from the agent to each relay, by the region's name.
        connection_timeout_seconds: how long it may take to call before its status is timeout.
        troubleshooting_url: where the template's author wants people to look.
        subsystems: what the agent runs inside of.
        health: whether it is well.
        display_apps: Coder's own buttons beside it.
        log_sources: what its log lines come from.
        scripts: what it runs.
        startup_script_behavior: of old clients; see `WorkspaceAgentScript.start_blocks_login`.
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
    environment_variables: Mapping[str, str] = empty_map()
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
