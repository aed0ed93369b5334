"""
The description of an agent by its deployment.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import attrs

from coder_agents.schema import (
    DERPRegion,
    DisplayApp,
    WorkspaceAgent,
    WorkspaceAgentHealth,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLogSource,
    WorkspaceAgentScript,
    WorkspaceAgentStartupScriptBehavior,
    WorkspaceAgentStatus,
)
from coder_agents.testing.logs import LogStore
from coder_agents.testing.machine import Machine
from coder_agents.testing.releases import Release
from coder_agents.testing.scripts import Script, ScriptOutcome

# The source of lines that no script wrote; the id is the same in every deployment.
EXTERNAL_SOURCE_ID = UUID("3b579bf4-1ed8-4b99-87a8-e9a1e3410410")
EXTERNAL_ICON = "/emojis/1f310.png"

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
RELAY = "Coder Embedded Relay"
HELP = "https://coder.com/docs/admin/templates/troubleshooting"


@attrs.define
class InstalledScript:
    """
    A script of an agent, and its outcome.
    """

    id: UUID
    source_id: UUID
    script: Script
    outcome: ScriptOutcome | None = None


@attrs.define
class DescriptionFacts:
    """
    The facts of an agent's description, without metadata, ports and containers.

    Attributes:
        release: the release of the agent's program.
        machine: the machine that the agent runs on.
        times: the times of events, under the API's field names.
        external_since: when the first line came that no script wrote.
    """

    id: UUID
    name: str
    resource_id: UUID
    created_at: datetime
    scripts: Sequence[InstalledScript]
    release: Release
    machine: Machine
    parent_id: UUID | None = None
    status: WorkspaceAgentStatus = WorkspaceAgentStatus.CONNECTING
    lifecycle: WorkspaceAgentLifecycle = WorkspaceAgentLifecycle.CREATED
    times: dict[str, datetime] = attrs.Factory(dict)
    external_since: datetime | None = None


def describe(facts: DescriptionFacts, logs: LogStore, release: Release) -> WorkspaceAgent:
    """
    Return the agent as a deployment of *release* describes it.
    """
    connected = "first_connected_at" in facts.times
    home = str(facts.machine.directory or Path.cwd())
    return WorkspaceAgent(
        id=facts.id,
        parent_id=facts.parent_id,
        created_at=facts.created_at,
        updated_at=facts.times.get("updated_at", facts.created_at),
        first_connected_at=facts.times.get("first_connected_at"),
        last_connected_at=facts.times.get("last_connected_at"),
        disconnected_at=facts.times.get("disconnected_at"),
        started_at=facts.times.get("started_at"),
        ready_at=facts.times.get("ready_at"),
        status=facts.status,
        lifecycle_state=facts.lifecycle,
        name=facts.name,
        resource_id=facts.resource_id,
        architecture=GO_ARCHITECTURES.get(platform.machine(), platform.machine()),
        operating_system=facts.machine.operating_system,
        logs_length=logs.size(facts.id),
        logs_overflowed=logs.overflowed(facts.id),
        directory=home,
        expanded_directory=home if connected else "",
        version=facts.release.version if connected else "",
        api_version=facts.release.agent_api if connected else "",
        latency={RELAY: DERPRegion(preferred=True, latency_ms=0.1)} if connected else {},
        connection_timeout_seconds=120,
        troubleshooting_url=HELP,
        health=health(facts),
        display_apps=(DisplayApp.WEB_TERMINAL, DisplayApp.SSH_HELPER),
        log_sources=log_sources(facts),
        scripts=tuple(describe_script(each, release) for each in facts.scripts),
        startup_script_behavior=startup_behavior(facts),
    )


def health(facts: DescriptionFacts) -> WorkspaceAgentHealth:
    """
    Return whether the agent is healthy, and the reason if it is not.
    """
    if facts.status != "connected" and facts.lifecycle == "off":
        reason = "agent is not running"
    elif facts.status == "timeout":
        reason = "agent is taking too long to connect"
    elif facts.status == "disconnected":
        reason = "agent has lost connection"
    elif facts.lifecycle == "start_error":
        reason = "agent startup script exited with an error"
    else:
        reason = "agent is shutting down" if facts.lifecycle == "shutting_down" else ""
    return WorkspaceAgentHealth(healthy=not reason, reason=reason)


def log_sources(facts: DescriptionFacts) -> tuple[WorkspaceAgentLogSource, ...]:
    """
    Return the sources of the agent's log lines.
    """
    found = [
        (each.source_id, each.script.display_name, each.script.icon, facts.created_at)
        for each in facts.scripts
    ]
    if facts.external_since is not None:
        found.append((EXTERNAL_SOURCE_ID, "External", EXTERNAL_ICON, facts.external_since))
    return tuple(
        WorkspaceAgentLogSource(
            workspace_agent_id=facts.id,
            id=source_id,
            created_at=created_at,
            display_name=name,
            icon=icon,
        )
        for source_id, name, icon, created_at in found
    )


def describe_script(installed: InstalledScript, release: Release) -> WorkspaceAgentScript:
    """
    Return the description of a script, with its outcome where *release* reports that.
    """
    script = installed.script
    outcome = installed.outcome if release.reports_outcomes else None
    return WorkspaceAgentScript(
        id=installed.id,
        log_source_id=installed.source_id,
        log_path=script.log_path,
        script=script.script,
        cron=script.cron,
        run_on_start=script.run_on_start,
        run_on_stop=script.run_on_stop,
        start_blocks_login=script.start_blocks_login,
        timeout=timedelta(seconds=script.timeout),
        display_name=script.display_name if release.names_scripts else "",
        exit_code=outcome.exit_code if outcome else None,
        status=outcome.status if outcome else None,
    )


def startup_behavior(facts: DescriptionFacts) -> WorkspaceAgentStartupScriptBehavior:
    """
    Return whether any start script of the agent blocks the login.
    """
    scripts = [each.script for each in facts.scripts]
    if any(each.run_on_start and each.start_blocks_login for each in scripts):
        return WorkspaceAgentStartupScriptBehavior.BLOCKING
    return WorkspaceAgentStartupScriptBehavior.NON_BLOCKING
