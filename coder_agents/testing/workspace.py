"""
Workspaces, and the builds that make their agents.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from coder_agents.schema import ProvisionerJobStatus, WorkspaceStatus, WorkspaceTransition
from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.metadata import Metadata
from coder_agents.testing.notices import Notices
from coder_agents.testing.scripts import Script

if TYPE_CHECKING:
    from coder_agents.testing.state import Person, State

# What a workspace is called by its latest build: its transition, its job's status.
STATUSES = {
    ("start", "pending"): WorkspaceStatus.PENDING,
    ("start", "succeeded"): WorkspaceStatus.RUNNING,
    ("start", "failed"): WorkspaceStatus.FAILED,
    ("stop", "pending"): WorkspaceStatus.PENDING,
    ("stop", "succeeded"): WorkspaceStatus.STOPPED,
    ("stop", "failed"): WorkspaceStatus.FAILED,
}


class EmbeddedBuild:
    """
    A build of a workspace: pending at first, then complete or failed.

    Attributes:
        workspace: the workspace it builds.
        number: 1 for the first build.
        transition: ``start`` or ``stop``.
        agents: the agents it made.
        job_status: of the job that does the work.
        error: why it failed.
    """

    def __init__(self, workspace: EmbeddedWorkspace, number: int, transition: str) -> None:
        self._state = workspace.state
        self.workspace = workspace
        self.number = number
        self.transition = WorkspaceTransition(transition)
        self.id = self._state.new_id()
        self.job_id = self._state.new_id()
        self.resource_id = self._state.new_id()
        self.created_at = self._state.now()
        self.completed_at: datetime | None = None
        self.job_status = ProvisionerJobStatus.PENDING
        self.error = ""
        self.agents: list[EmbeddedAgent] = []

    @property
    def status(self) -> WorkspaceStatus:
        """
        The status of a workspace of which this is the latest build.
        """
        return STATUSES[str(self.transition), str(self.job_status)]

    @property
    def completed(self) -> bool:
        """
        Whether it ended well.
        """
        return self.job_status == ProvisionerJobStatus.SUCCEEDED

    def complete(self) -> None:
        """
        End the agents of the build before, and start those of this one.
        """
        previous = self.workspace.running_build
        for agent in previous.agents if previous else ():
            agent.stop()
            agent.set_lifecycle("off")
        self._end(ProvisionerJobStatus.SUCCEEDED)
        if self.transition == WorkspaceTransition.START:
            for agent in self.workspace.agents_before(self):
                scripts, metadata = agent.specification
                self.add_agent(agent.name, scripts=scripts, metadata=metadata)

    def fail(self, error: str = "exit status 1") -> None:
        """
        Fail: the agents of the build before go on.
        """
        self.error = error
        self._end(ProvisionerJobStatus.FAILED)

    def add_agent(
        self, name: str, *, scripts: Iterable[Script] = (), metadata: Iterable[Metadata] = ()
    ) -> EmbeddedAgent:
        """
        Make and start an agent.
        """
        agent = EmbeddedAgent(self._state, self, name, scripts=scripts, metadata=metadata)
        self.agents.append(agent)
        self._state.agents[agent.id] = agent
        agent.start()
        return agent

    def _end(self, status: ProvisionerJobStatus) -> None:
        self.job_status = status
        self.completed_at = self._state.now()


class EmbeddedWorkspace:
    """
    A workspace.

    Attributes:
        id: its UUID.
        name: its name.
        owner: whose it is.
        builds: all its builds, oldest first.
        notices: tells of every new build.
    """

    def __init__(self, state: State, name: str, owner: Person) -> None:
        self.state = state
        self.id = state.new_id()
        self.name = name
        self.owner = owner
        self.created_at = state.now()
        self.builds: list[EmbeddedBuild] = []
        self.notices = Notices()
        self.start_build().complete()

    @property
    def latest_build(self) -> EmbeddedBuild:
        """
        The newest build, of whatever success.
        """
        return self.builds[-1]

    @property
    def running_build(self) -> EmbeddedBuild | None:
        """
        The newest build that is complete.
        """
        complete = [each for each in self.builds if each.completed]
        return complete[-1] if complete else None

    def start_build(self, transition: str = "start") -> EmbeddedBuild:
        """
        Ask for a build, which ends what follows the logs of the agents so far.

        Arguments:
            transition: ``start`` or ``stop``.

        Returns:
            The build; it is pending until it is told to complete or to fail.
        """
        build = EmbeddedBuild(self, len(self.builds) + 1, transition)
        self.builds.append(build)
        self.notices.notify()
        return build

    def agents_before(self, build: EmbeddedBuild) -> list[EmbeddedAgent]:
        """
        The agents of the newest build before *build* that made some.
        """
        earlier = [each for each in self.builds[: build.number - 1] if each.agents]
        return list(earlier[-1].agents) if earlier else []
