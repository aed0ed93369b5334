"""
Workspaces, as far as they lead to agents.

These classes hold a part of what the deployment sends; the rest is ignored.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import attrs

from coder_agents.schema.agents import WorkspaceAgent
from coder_agents.schema.enumerations import (
    BuildReason,
    JobErrorCode,
    ProvisionerJobStatus,
    WorkspaceStatus,
    WorkspaceTransition,
)
from coder_agents.schema.fields import NIL_UUID, identifying, maybe_absent


@attrs.frozen(kw_only=True)
class ProvisionerJob:
    """
    The work behind a build.

    Attributes:
        id: of the job.
        started_at: when a provisioner took it; None before.
        completed_at: when it ended, well or badly; None before.
        error: why it failed, or empty.
        error_code: the same as a code, where there is one.
        status: how far it has come.
    """

    id: UUID = NIL_UUID
    started_at: datetime | None = maybe_absent(None)
    completed_at: datetime | None = maybe_absent(None)
    error: str = maybe_absent("")
    error_code: JobErrorCode = maybe_absent(JobErrorCode(""))
    status: ProvisionerJobStatus = ProvisionerJobStatus("")


@attrs.frozen(kw_only=True)
class WorkspaceResource:
    """
    Something a build made: a machine, a volume.

    Attributes:
        id: of the resource.
        type: what it is, as Terraform says it.
        name: its name in the template.
        agents: the agents on it.
    """

    id: UUID = NIL_UUID
    type: str = ""
    name: str = ""
    agents: tuple[WorkspaceAgent, ...] = maybe_absent(())


@attrs.frozen(kw_only=True)
class WorkspaceBuild:
    """
    One start, stop or deletion of a workspace.

    Attributes:
        id: of the build.
        created_at: when it was asked for.
        workspace_id: the workspace.
        workspace_name: its name.
        build_number: 1 for the workspace's first build, and so on.
        transition: what it is to do.
        job: the work behind it.
        reason: what had it done.
        resources: what it made; empty until its job is through.
        status: how far it has come, in one word.
    """

    id: UUID = identifying(NIL_UUID)
    created_at: datetime | None = None
    workspace_id: UUID = NIL_UUID
    workspace_name: str = ""
    build_number: int = 0
    transition: WorkspaceTransition = WorkspaceTransition("")
    job: ProvisionerJob = ProvisionerJob()
    reason: BuildReason = BuildReason("")
    resources: tuple[WorkspaceResource, ...] = ()
    status: WorkspaceStatus = WorkspaceStatus("")

    @property
    def agents(self) -> tuple[WorkspaceAgent, ...]:
        """
        The agents on all its resources.
        """
        return tuple(agent for resource in self.resources for agent in resource.agents)


@attrs.frozen(kw_only=True)
class WorkspaceHealth:
    """
    Whether the agents of a workspace are well.

    Attributes:
        healthy: whether all are.
        failing_agents: those that are not.
    """

    healthy: bool = False
    failing_agents: tuple[UUID, ...] = ()


@attrs.frozen(kw_only=True)
class Workspace:
    """
    A workspace, with its latest build.

    Attributes:
        id: of the workspace.
        created_at: when it was made.
        updated_at: when something of this last changed.
        owner_id: whose it is.
        owner_name: that user's name.
        template_name: what it was made from.
        latest_build: the build with the highest number; its resources have the agents.
        outdated: whether the template has a newer version.
        name: unique among its owner's workspaces.
        last_used_at: when somebody last worked in it.
        health: whether its agents are well.
    """

    id: UUID = identifying(NIL_UUID)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    owner_id: UUID = NIL_UUID
    owner_name: str = ""
    template_name: str = ""
    latest_build: WorkspaceBuild = WorkspaceBuild()
    outdated: bool = False
    name: str = ""
    last_used_at: datetime | None = None
    health: WorkspaceHealth = WorkspaceHealth()


@attrs.frozen(kw_only=True)
class WorkspacesResponse:
    """
    A page of workspaces.

    Attributes:
        workspaces: those of the page.
        count: how many there are in all.
    """

    workspaces: tuple[Workspace, ...] = identifying(())
    count: int = 0
