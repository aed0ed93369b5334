"""
A build of a workspace, which creates or ends its agents.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from coder_agents.schema import (
    JobErrorCode,
    LogLevel,
    LogLevelName,
    LogSource,
    ProvisionerJobStatus,
    ProvisionerTiming,
    WorkspaceStatus,
    WorkspaceTransition,
)
from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.build_log import BuildLog
from coder_agents.testing.machine import Machine
from coder_agents.testing.metadata import Metadata
from coder_agents.testing.releases import find_release
from coder_agents.testing.scripts import Script

if TYPE_CHECKING:
    from coder_agents.testing.workspace import EmbeddedWorkspace

# A workspace's status where the job status of its latest build alone determines it.
BY_JOB_STATUS = {
    "pending": WorkspaceStatus.PENDING,
    "failed": WorkspaceStatus.FAILED,
    "canceling": WorkspaceStatus.CANCELING,
    "canceled": WorkspaceStatus.CANCELED,
}

# Otherwise, a workspace's status by transition: while the job is running, and afterwards.
BY_TRANSITION = {
    "start": (WorkspaceStatus.STARTING, WorkspaceStatus.RUNNING),
    "stop": (WorkspaceStatus.STOPPING, WorkspaceStatus.STOPPED),
    "delete": (WorkspaceStatus.DELETING, WorkspaceStatus.DELETED),
}


UNFINISHED = (
    ProvisionerJobStatus.PENDING,
    ProvisionerJobStatus.RUNNING,
    ProvisionerJobStatus.CANCELING,
)


STAGES = {
    "start": "Starting workspace",
    "stop": "Stopping workspace",
    "delete": "Destroying workspace",
}


class EmbeddedBuild:
    """
    A build of a workspace: pending, perhaps running, and finally complete, failed or canceled.

    Attributes:
        workspace: the workspace that it builds.
        number: 1 for the first build.
        transition: ``start``, ``stop`` or ``delete``.
        agents: the agents that it created, without deleted sub-agents.
        job_status: the status of its job.
        queue: while it is pending, its place in the queue and the number of pending jobs.
        log: the lines of its log.
        timings: the steps of its provisioner.
        connecting: seconds until its agents connect.
        error: why it failed.
        error_code: the code of *error*, such as ``INSUFFICIENT_QUOTA``.
        started_at: when the job began.
        canceled_at: when its cancellation was requested.
        completed_at: when it ended: complete, failed or canceled.
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
        self.started_at: datetime | None = None
        self.canceled_at: datetime | None = None
        self.completed_at: datetime | None = None
        self.job_status = ProvisionerJobStatus.PENDING
        self.error = ""
        self.error_code = JobErrorCode("")
        self.agents: list[EmbeddedAgent] = []
        self.queue = (0, 0)
        self.log = BuildLog(self._state.take_build_log_id, now=self._state.now)
        self.timings: tuple[ProvisionerTiming, ...] = ()
        self.connecting = 0.0
        self._changing = threading.Lock()
        self._turning = threading.Lock()  # held while the status changes

    @property
    def status(self) -> WorkspaceStatus:
        """
        The workspace's status while this build is the latest one.
        """
        during, after = BY_TRANSITION[str(self.transition)]
        otherwise = after if self.completed else during
        return BY_JOB_STATUS.get(str(self.job_status), otherwise)

    @property
    def active(self) -> bool:
        """
        Whether the build has not ended: no other build can be requested then.
        """
        return self.job_status in UNFINISHED

    @property
    def completed(self) -> bool:
        """
        Whether the build succeeded.
        """
        return self.job_status == ProvisionerJobStatus.SUCCEEDED

    @property
    def listed(self) -> bool:
        """
        Whether the build lists its resources: after its end, but after a failure only with agents.
        """
        return self.completed or (self.completed_at is not None and bool(self.agents))

    @property
    def replaced(self) -> bool:
        """
        Whether a newer build of the workspace has succeeded.
        """
        return any(each.completed for each in self.workspace.builds[self.number :])

    def begin(self) -> None:
        """
        Begin the job: a pending build is running then, and the workspace ``starting``, ``stopping``
        or ``deleting``. A pending build that ends has begun, too.

        Raises:
            RuntimeError: the build has begun before.
        """
        with self._turning:
            self._require(ProvisionerJobStatus.PENDING)
            self._begin()

    def _begin(self) -> None:
        self.started_at = self._state.now()
        self.log.append(LogSource.PROVISIONER_DAEMON, "Setting up")
        self.log.append(LogSource.PROVISIONER_DAEMON, STAGES[self.transition])
        self.job_status = ProvisionerJobStatus.RUNNING

    def push_logs(
        self, lines: str | Iterable[str], level: LogLevel | LogLevelName = "info"
    ) -> list[int]:
        """
        Store lines of the log, as the provisioner does while it runs.

        Arguments:
            lines: the lines, or one text of several lines.
            level: ``trace``, ``debug``, ``info``, ``warn`` or ``error``.

        Returns:
            The ids of the lines.
        """
        texts = lines.splitlines() if isinstance(lines, str) else lines
        stage, source = STAGES[self.transition], LogSource.PROVISIONER
        return [self.log.append(source, stage, text, LogLevel(level)) for text in texts]

    def complete(self) -> None:
        """
        End the agents of earlier builds, and start those of this build.

        Raises:
            RuntimeError: the build has ended before, or is canceling.
        """
        self._require(ProvisionerJobStatus.PENDING, ProvisionerJobStatus.RUNNING)
        self.make_agents()
        with self._turning:
            self._require(*UNFINISHED)
            is_canceled = self.canceled_at is not None
            ended = ProvisionerJobStatus.CANCELED if is_canceled else ProvisionerJobStatus.SUCCEEDED
            self._end(ended)

    def make_agents(self) -> None:
        """
        End the agents of earlier builds, and start those of this build, unless it stops or deletes
        the workspace.

        `complete` includes this step. A build that fails after it, or after `add_agent`, still
        lists its agents.
        """
        for build in self.workspace.builds[: self.number - 1]:
            for agent in build.agents:
                agent.stop()
        if self.transition == WorkspaceTransition.START:
            present = {agent.name for agent in self.agents}
            missing = self.workspace.agents_before(self)
            for agent in (each for each in missing if each.name not in present):
                scripts, metadata = agent.specification
                self.add_agent(
                    agent.name, scripts=scripts, metadata=metadata, machine=agent.machine
                )

    def fail(self, error: str = "exit status 1", *, error_code: str = "") -> None:
        """
        Fail the build: the agents of the build before continue.

        Arguments:
            error: the error of the job.
            error_code: its code, such as ``INSUFFICIENT_QUOTA``.

        Raises:
            RuntimeError: the build has ended before.
        """
        with self._turning:
            self._require(*UNFINISHED)
            self.error = error
            self.error_code = JobErrorCode(error_code)
            self._end(ProvisionerJobStatus.FAILED)

    def cancel(self) -> None:
        """
        Request the cancellation: a pending build is canceled at once, a running one is canceling
        until `finish_cancel`. The agents of the build before continue.

        Raises:
            RuntimeError: the build has ended before, or is canceling already.
        """
        with self._turning:
            self._require(ProvisionerJobStatus.PENDING, ProvisionerJobStatus.RUNNING)
            self.canceled_at = self._state.now()
            if self.job_status == ProvisionerJobStatus.PENDING:
                self._end(ProvisionerJobStatus.CANCELED)
            else:
                self.job_status = ProvisionerJobStatus.CANCELING

    def finish_cancel(self) -> None:
        """
        Finish the cancellation after `cancel`.

        Raises:
            RuntimeError: the build is not canceling.
        """
        with self._turning:
            self._require(ProvisionerJobStatus.CANCELING)
            self._end(ProvisionerJobStatus.CANCELED)

    def add_agent(
        self,
        name: str,
        *,
        parent: EmbeddedAgent | None = None,
        scripts: Iterable[Script | str] = (),
        metadata: Iterable[Metadata] = (),
        timeline: Mapping[str, Any] | None = None,
        speed: float = 1.0,
        release: str | None = None,
        machine: Machine | None = None,
    ) -> EmbeddedAgent:
        """
        Create and start an agent.

        Arguments:
            name: its name, unique in the build.
            parent: the agent that runs it; see `EmbeddedAgent.add_subagent`.
            scripts: the scripts that it runs at its start, all at once; a text is a `Script`.
            metadata: the items that it collects.
            timeline: a recorded start to play in place of scripts; see `EmbeddedAgent.replay`.
            speed: how many times faster than recorded the timeline is played.
            release: the release of its program; by default that of its parent or the deployment.
            machine: the machine that it runs on; by default that of its parent or an ordinary one.

        Raises:
            ValueError: the build has an agent of that name, the timeline cannot be played, or
                the release is unknown.
        """
        own = None if release is None else find_release(release)
        whole = [Script(each) if isinstance(each, str) else each for each in scripts]
        with self._changing:
            if any(agent.name == name for agent in self.agents):
                raise ValueError(f"workspace {self.workspace.name!r} has an agent {name!r} already")
            agent = EmbeddedAgent(
                self._state,
                self,
                name,
                parent=parent,
                scripts=whole,
                metadata=metadata,
                release=own,
                machine=machine,
            )
            if timeline is not None:
                # Before the agent is visible, so that no client sees it without the timeline.
                agent.replay(timeline, speed=speed)
            self.agents.append(agent)
            self._state.agents[agent.id] = agent
        if timeline is None:
            agent.start_after(self.connecting)
        return agent

    def remove_agent(self, gone: EmbeddedAgent) -> None:
        """
        Remove an agent from the list, and notify the streams of its log. A second call does
        nothing.
        """
        with self._changing:
            self.agents = [agent for agent in self.agents if agent is not gone]
        self.workspace.notices.notify()

    def _require(self, *allowed: ProvisionerJobStatus) -> None:
        if self.job_status not in allowed:
            raise RuntimeError(f"build {self.number} is {self.job_status}")

    def _end(self, status: ProvisionerJobStatus) -> None:
        if status != ProvisionerJobStatus.CANCELED and self.started_at is None:
            self._begin()
        if self.started_at is not None:
            self.log.append(LogSource.PROVISIONER_DAEMON, "Cleaning Up")
        self.completed_at = self._state.now()
        self.job_status = status
        self.log.notices.notify()
