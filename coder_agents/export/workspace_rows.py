"""
The rows of agents, of workspaces and of builds.

The variables of an agent's environment are in no row: they may be secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coder_agents.agent import Agent
from coder_agents.export.columns import (
    Kind,
    Owner,
    Table,
    boolean,
    category,
    integer,
    moment,
    one_row,
    several_rows,
    text,
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
        Agent: one_row(AGENTS, lambda each, _: _agent(each.data, each.label, each.workspace)),
        WorkspaceAgent: one_row(AGENTS, lambda each, _: _agent(each, each.name, None)),
        Workspace: one_row(WORKSPACES, _workspace),
        WorkspacesResponse: several_rows(WORKSPACES, _page),
        WorkspaceBuild: one_row(BUILDS, _build),
    }


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


def _page(page: WorkspacesResponse, owner: Owner) -> Iterator[tuple[Any, ...]]:
    return (_workspace(workspace, owner) for workspace in page.workspaces)


def _workspace(workspace: Workspace, owner: Owner) -> tuple[Any, ...]:
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


def _build(build: WorkspaceBuild, owner: Owner) -> tuple[Any, ...]:
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
