"""
The rows of agents, of workspaces and of builds.

The variables of an agent's environment are in no row: they may be secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coder_agents.agent import Agent
from coder_agents.export.columns import (
    Kind,
    Owner,
    Table,
    Values,
    boolean,
    category,
    integer,
    moment,
    text,
    transposed,
)
from coder_agents.schema import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceBuild,
    WorkspacesResponse,
)

AGENTS = Table(
    "agents",
    (
        text("agent"),
        text("id"),
        category("owner"),
        category("workspace"),
        text("name"),
        category("status"),
        category("lifecycle_state", list(WorkspaceAgentLifecycle)),
        boolean("healthy"),
        text("health_reason"),
        text("parent_id"),
        category("version"),
        category("operating_system"),
        category("architecture"),
        text("directory"),
        moment("created_at"),
        moment("first_connected_at"),
        moment("last_connected_at"),
        moment("disconnected_at"),
        moment("started_at"),
        moment("ready_at"),
        integer("logs_length", is_required=True),
        boolean("logs_overflowed"),
    ),
)

WORKSPACES = Table(
    "workspaces",
    (
        text("id"),
        category("owner"),
        text("name"),
        category("template"),
        category("status"),
        category("transition"),
        integer("build_number", is_required=True),
        category("reason"),
        integer("agents", is_required=True),
        boolean("healthy"),
        boolean("outdated"),
        moment("created_at"),
        moment("updated_at"),
        moment("last_used_at"),
    ),
)

BUILDS = Table(
    "builds",
    (
        text("id"),
        category("workspace"),
        integer("build_number", is_required=True),
        category("transition"),
        category("status"),
        category("reason"),
        category("job_status"),
        text("error"),
        integer("agents", is_required=True),
        moment("created_at"),
        moment("started_at"),
        moment("completed_at"),
    ),
)


def workspaces() -> dict[type, Kind]:
    """
    Return the kinds of agents, workspaces and builds.
    """
    return {
        Agent: Kind(AGENTS, _read_agents),
        WorkspaceAgent: Kind(AGENTS, _read_agents_alone),
        Workspace: Kind(WORKSPACES, _read_workspaces),
        WorkspacesResponse: Kind(WORKSPACES, _read_pages),
        WorkspaceBuild: Kind(BUILDS, _read_builds),
    }


def _read_agents(agents: Sequence[Agent], owner: Owner) -> Sequence[Values]:
    rows = [_agent(agent.data, agent.label, agent.workspace) for agent in agents]
    return transposed(AGENTS, rows)


def _read_agents_alone(agents: Sequence[WorkspaceAgent], owner: Owner) -> Sequence[Values]:
    return transposed(AGENTS, [_agent(agent, agent.name, None) for agent in agents])


def _agent(data: WorkspaceAgent, label: str, workspace: Workspace | None) -> tuple[Any, ...]:
    return (
        label,
        str(data.id),
        None if workspace is None else workspace.owner_name,
        None if workspace is None else workspace.name,
        data.name,
        data.status.value,
        data.lifecycle_state.value,
        data.health.healthy,
        data.health.reason,
        None if data.parent_id is None else str(data.parent_id),
        data.version,
        data.operating_system,
        data.architecture,
        data.expanded_directory or data.directory,
        data.created_at,
        data.first_connected_at,
        data.last_connected_at,
        data.disconnected_at,
        data.started_at,
        data.ready_at,
        data.logs_length,
        data.logs_overflowed,
    )


def _read_workspaces(found: Sequence[Workspace], owner: Owner) -> Sequence[Values]:
    return transposed(WORKSPACES, [_workspace(each) for each in found])


def _read_pages(pages: Sequence[WorkspacesResponse], owner: Owner) -> Sequence[Values]:
    return _read_workspaces([each for page in pages for each in page.workspaces], owner)


def _workspace(workspace: Workspace) -> tuple[Any, ...]:
    build = workspace.latest_build
    return (
        str(workspace.id),
        workspace.owner_name,
        workspace.name,
        workspace.template_name,
        build.status.value,
        build.transition.value,
        build.build_number,
        build.reason.value,
        len(build.agents),
        workspace.health.healthy,
        workspace.outdated,
        workspace.created_at,
        workspace.updated_at,
        workspace.last_used_at,
    )


def _read_builds(builds: Sequence[WorkspaceBuild], owner: Owner) -> Sequence[Values]:
    return transposed(BUILDS, [_build(build) for build in builds])


def _build(build: WorkspaceBuild) -> tuple[Any, ...]:
    return (
        str(build.id),
        build.workspace_name,
        build.build_number,
        build.transition.value,
        build.status.value,
        build.reason.value,
        build.job.status.value,
        build.job.error,
        len(build.agents),
        build.created_at,
        build.job.started_at,
        build.job.completed_at,
    )
