"""
Workspaces, with the fields that lead to agents.

Other fields of the deployment's answers are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from coder_agents.render.html import Markup
from coder_agents.representation.cells import names, problem, status, tables
from coder_agents.representation.objects import Represented
from coder_agents.schema.agents import WorkspaceAgent
from coder_agents.schema.enumerations import (
    BuildReason,
    JobErrorCode,
    ProvisionerJobStatus,
    WorkspaceStatus,
    WorkspaceTransition,
)
from coder_agents.schema.fields import NIL_UUID, identifying, maybe_absent


@attrs.frozen(kw_only=True, repr=False)
class ProvisionerJob(Represented):
    """
    The job of a provisioner that does a build.

    Attributes:
        id: the job's id.
        created_at: when the job was requested.
        started_at: when a provisioner started the job; None before.
        completed_at: when the job ended, with or without an error; None before.
        canceled_at: when its cancellation was requested; None where it was not.
        error: why the job failed, or empty.
        error_code: the code for that error, or empty.
        status: the state of the job.
        queue_position: the place of the job in the queue while it is pending, from 1; else 0.
        queue_size: the number of pending jobs; 0 where this job is not pending.
    """

    id: UUID = NIL_UUID
    created_at: datetime | None = None
    started_at: datetime | None = maybe_absent(None)
    completed_at: datetime | None = maybe_absent(None)
    canceled_at: datetime | None = maybe_absent(None)
    error: str = maybe_absent("")
    error_code: JobErrorCode = maybe_absent(JobErrorCode(""))
    status: ProvisionerJobStatus = ProvisionerJobStatus("")
    queue_position: int = 0
    queue_size: int = 0

    @property
    def ended(self) -> bool:
        """
        Whether the job has ended, with or without an error.
        """
        return self.completed_at is not None or self.status in _ENDED


_ENDED = frozenset(
    {
        ProvisionerJobStatus.SUCCEEDED,
        ProvisionerJobStatus.FAILED,
        ProvisionerJobStatus.CANCELED,
    }
)


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceResource(Represented):
    """
    A resource that a build created, such as a machine or a volume.

    Attributes:
        id: the resource's id.
        type: Terraform's type of the resource.
        name: its name in the template.
        agents: the agents on the resource.
    """

    id: UUID = NIL_UUID
    type: str = ""
    name: str = ""
    agents: tuple[WorkspaceAgent, ...] = maybe_absent(())

    _first_fields = ("type", "name")
    _columns = ("Type", "Resource", "Agents")
    _noun = "resource"

    def _cells(self) -> Sequence[object]:
        return self.type, self.name, names([agent.name for agent in self.agents])


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceBuild(Represented):
    """
    One start, stop or deletion of a workspace.

    Attributes:
        id: the build's id.
        created_at: when the build was requested.
        updated_at: when its data last changed.
        workspace_id: the id of the workspace.
        workspace_name: the name of the workspace.
        workspace_owner_name: the name of the workspace's owner.
        template_version_id: the id of the version of the template.
        template_version_name: the name of the version; empty while the build is being requested.
        build_number: 1 for the workspace's first build, and so on.
        transition: the change that the build makes.
        initiator_id: the id of the user who requested the build.
        initiator_name: the name of that user.
        job: the provisioner's job for the build.
        reason: the reason for the build.
        resources: the resources that the build created; empty until its job has ended.
        deadline: when the workspace will be stopped automatically; None for never.
        status: the state of the workspace by this build.
    """

    id: UUID = identifying(NIL_UUID)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    workspace_id: UUID = NIL_UUID
    workspace_name: str = ""
    workspace_owner_name: str = ""
    template_version_id: UUID = NIL_UUID
    template_version_name: str = ""
    build_number: int = 0
    transition: WorkspaceTransition = WorkspaceTransition("")
    initiator_id: UUID = NIL_UUID
    initiator_name: str = ""
    job: ProvisionerJob = ProvisionerJob()
    reason: BuildReason = BuildReason("")
    resources: tuple[WorkspaceResource, ...] = ()
    deadline: datetime | None = None
    status: WorkspaceStatus = WorkspaceStatus("")

    _first_fields = ("workspace_name", "build_number", "transition", "status", "id")
    _columns = ("Workspace", "Build", "Transition", "Status", "Reason", "Created", "Error")
    _noun = "build"

    def _cells(self) -> Sequence[object]:
        return (
            self.workspace_name,
            self.build_number,
            self.transition,
            status(self.status),
            self.reason,
            self.created_at,
            problem(self.job.error),
        )

    def _title(self) -> str:
        return f"Build {self.build_number} of {self.workspace_name}"

    def _facts(self) -> Iterable[tuple[str, object]]:
        _, _, *cells = zip(self._columns, self._cells(), strict=True)
        yield from cells
        yield "Job", status(self.job.status)
        yield "Id", self.id

    def _below(self) -> Iterable[Markup]:
        return tables(self.resources, self.agents)

    @property
    def agents(self) -> tuple[WorkspaceAgent, ...]:
        """
        The agents on all resources of the build.
        """
        return tuple(agent for resource in self.resources for agent in resource.agents)


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceHealth(Represented):
    """
    Whether the agents of a workspace are healthy.

    Attributes:
        healthy: whether all agents are healthy.
        failing_agents: the ids of the agents that are not.
    """

    healthy: bool = False
    failing_agents: tuple[UUID, ...] = ()


@attrs.frozen(kw_only=True, repr=False)
class Workspace(Represented):
    """
    A workspace, with its latest build.

    Attributes:
        id: the workspace's id.
        created_at: when it was created.
        updated_at: when its data last changed.
        owner_id: the id of its owner.
        owner_name: the name of its owner.
        template_name: the template it was created from.
        latest_build: the build with the highest number; its resources have the agents.
        outdated: whether the template has a newer version.
        name: its name, unique among its owner's workspaces.
        last_used_at: when a user last worked in it.
        health: whether its agents are healthy.
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

    _first_fields = ("name", "owner_name", "latest_build", "id")
    _columns = ("Workspace", "Status", "Agents", "Template", "Build", "Last used", "Outdated")
    _noun = "workspace"

    def _cells(self) -> Sequence[object]:
        build = self.latest_build
        return (
            self._title(),
            status(build.status),
            names([agent.name for agent in build.agents]),
            self.template_name,
            build.build_number,
            self.last_used_at,
            "yes" if self.outdated else "",
        )

    def _title(self) -> str:
        return "/".join(filter(None, (self.owner_name, self.name)))

    def _facts(self) -> Iterable[tuple[str, object]]:
        build = self.latest_build
        yield "Status", status(build.status)
        yield "Build", f"{build.build_number:,} ({build.transition}, {build.reason})"
        yield "Error", problem(build.job.error)
        yield "Template", self.template_name + ", outdated" * self.outdated
        yield "Created", self.created_at
        yield "Last used", self.last_used_at
        yield "Id", self.id

    def _below(self) -> Iterable[Markup]:
        return tables(self.latest_build.agents)


@attrs.frozen(kw_only=True, repr=False)
class WorkspacesResponse(Represented):
    """
    A page of workspaces.

    Attributes:
        workspaces: the workspaces of the page.
        count: the number of workspaces on all pages.
    """

    workspaces: tuple[Workspace, ...] = identifying(())
    count: int = 0

    def _facts(self) -> Iterable[tuple[str, object]]:
        return (("Count", self.count),)

    def _below(self) -> Iterable[Markup]:
        return tables(self.workspaces)
