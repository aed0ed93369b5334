"""
The steps of a build and of the start of its agents, from what a deployment reports.

This module does no input or output. Every part may be missing: releases differ, and a build may still be
running.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import attrs

from coder_agents.display.cells import short
from coder_agents.readiness.evidence import script_name
from coder_agents.readiness.runs import ended_runs, scripts_of, unfinished
from coder_agents.schema import (
    AgentConnectionTiming,
    AgentScriptTiming,
    ProvisionerJobLog,
    ProvisionerJobStatus,
    ProvisionerTiming,
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
    WorkspaceAgentStatus,
    WorkspaceBuild,
    WorkspaceBuildTimings,
)

_MAX_NAME = 60  # columns


class StepKind(enum.Enum):
    """
    What a step of a time line belongs to.
    """

    QUEUE = "queue"
    BUILD = "build"
    STAGE = "stage"
    RESOURCE = "resource"
    CONNECTION = "connection"
    SCRIPT = "script"

    def __str__(self) -> str:
        return str(self.value)


class StepStatus(enum.Enum):
    """
    How a step ended, or that it has not.
    """

    OK = "ok"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CANCELED = "canceled"
    PENDING = "not begun"
    RUNNING = "running"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)

    @property
    def is_bad(self) -> bool:
        """
        Whether the step ended otherwise than it should.
        """
        return self in (StepStatus.FAILED, StepStatus.TIMED_OUT, StepStatus.CANCELED)


@attrs.frozen(kw_only=True)
class TimelineStep:
    """
    One step of a build, or of the start of an agent.

    Attributes:
        kind: what the step belongs to.
        name: the step's name, safe to show.
        agent: the name of the agent, safe to show; empty for a step of the build.
        started_at: when it began; None where that is not known.
        ended_at: when it ended; None before its end, and where that is not known.
        status: how it ended, or that it is running.
        exit_code: the exit code of a script; None for other steps, and where it is not known.
    """

    kind: StepKind
    name: str
    agent: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    status: StepStatus = StepStatus.OK
    exit_code: int | None = None

    @property
    def duration(self) -> timedelta | None:
        """
        How long the step took; None before its end, and where that is not known.
        """
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


_JOB = {
    ProvisionerJobStatus.SUCCEEDED: StepStatus.OK,
    ProvisionerJobStatus.FAILED: StepStatus.FAILED,
    ProvisionerJobStatus.CANCELED: StepStatus.CANCELED,
    ProvisionerJobStatus.PENDING: StepStatus.RUNNING,
    ProvisionerJobStatus.RUNNING: StepStatus.RUNNING,
    ProvisionerJobStatus.CANCELING: StepStatus.RUNNING,
}
_SCRIPT = {
    WorkspaceAgentScriptStatus.OK: StepStatus.OK,
    WorkspaceAgentScriptStatus.EXIT_FAILURE: StepStatus.FAILED,
    WorkspaceAgentScriptStatus.TIMED_OUT: StepStatus.TIMED_OUT,
    # The script itself succeeded: a process of it kept its outputs open.
    WorkspaceAgentScriptStatus.PIPES_LEFT_OPEN: StepStatus.OK,
}
# The status of a script whose end is not reported, from the state of its agent.
_UNFINISHED = {
    WorkspaceAgentLifecycle.CREATED: StepStatus.PENDING,
    WorkspaceAgentLifecycle.STARTING: StepStatus.RUNNING,
}
_NOT_ENDED = frozenset({StepStatus.PENDING, StepStatus.RUNNING})
_LIFECYCLE = {
    WorkspaceAgentLifecycle.STARTING: StepStatus.RUNNING,
    WorkspaceAgentLifecycle.READY: StepStatus.OK,
    WorkspaceAgentLifecycle.START_ERROR: StepStatus.FAILED,
    WorkspaceAgentLifecycle.START_TIMEOUT: StepStatus.TIMED_OUT,
}


def steps_of(
    build: WorkspaceBuild,
    timings: WorkspaceBuildTimings | None,
    logs: Sequence[ProvisionerJobLog],
) -> list[TimelineStep]:
    """
    Return the steps of *build* in the order in which they usually begin.

    *timings* are None and *logs* are empty where they cannot be read.
    """
    known = timings or WorkspaceBuildTimings()
    steps = [*_job_steps(build), *_stages(build, logs), *_resources(known.provisioner_timings)]
    for agent in build.agents:
        steps += _connection(agent, known.agent_connection_timings)
        steps += _scripts(agent, timings)
    return steps


def past_steps(
    build: WorkspaceBuild,
    timings: WorkspaceBuildTimings | None,
    logs: Sequence[ProvisionerJobLog],
) -> list[TimelineStep]:
    """
    Return the steps of *build*, after which another build has begun; see `steps_of`.

    Nothing of it runs any more: a step without an end has an unknown one. The scripts of the stop are
    not among the steps, because they ran hours or days after the start.
    """
    if timings is not None:
        scripts = timings.agent_script_timings
        at_start = tuple(each for each in scripts if each.stage != TimingStage.STOP)
        timings = attrs.evolve(timings, agent_script_timings=at_start)
    return [
        attrs.evolve(step, status=StepStatus.UNKNOWN) if step.status in _NOT_ENDED else step
        for step in steps_of(build, timings, logs)
    ]


def _job_steps(build: WorkspaceBuild) -> Iterator[TimelineStep]:
    job = build.job
    status = _JOB.get(job.status, StepStatus.UNKNOWN)
    started = job.started_at
    if started is None and job.completed_at is not None:
        started = job.completed_at  # it was canceled while it waited
    queued = StepStatus.RUNNING if started is None else StepStatus.OK
    yield TimelineStep(
        kind=StepKind.QUEUE,
        name="waiting for a provisioner",
        started_at=build.created_at,
        ended_at=started,
        status=queued,
    )
    if job.started_at is not None:
        yield TimelineStep(
            kind=StepKind.BUILD,
            name=f"build ({short(build.transition, _MAX_NAME)})",
            started_at=job.started_at,
            ended_at=job.completed_at,
            status=status,
        )


def _stages(build: WorkspaceBuild, logs: Sequence[ProvisionerJobLog]) -> Iterator[TimelineStep]:
    """
    Yield the stages of the log: each lasts until the next one begins, the last one until the job's end.
    """
    begun: list[tuple[str, datetime]] = []
    for log in logs:
        if log.created_at is not None and log.stage and log.stage not in dict(begun):
            begun.append((log.stage, log.created_at))
    job = build.job
    for at, (stage, began) in enumerate(begun):
        is_last = at == len(begun) - 1
        ended = job.completed_at if is_last else begun[at + 1][1]
        yield TimelineStep(
            kind=StepKind.STAGE,
            name=short(stage, _MAX_NAME),
            started_at=began,
            ended_at=ended if ended is None else max(began, ended),
            status=StepStatus.RUNNING if ended is None else StepStatus.OK,
        )


def _resources(timings: Iterable[ProvisionerTiming]) -> Iterator[TimelineStep]:
    for timing in timings:
        # A step such as "init init" has the name of its stage.
        words = dict.fromkeys((timing.stage, timing.resource or timing.source, timing.action))
        yield TimelineStep(
            kind=StepKind.RESOURCE,
            name=short(" ".join(str(word) for word in words if word), _MAX_NAME),
            started_at=timing.started_at,
            ended_at=timing.ended_at,
            status=StepStatus.RUNNING if timing.ended_at is None else StepStatus.OK,
        )


def _connection(
    agent: WorkspaceAgent, timings: Iterable[AgentConnectionTiming]
) -> Iterator[TimelineStep]:
    own = (each for each in timings if each.workspace_agent_id == agent.id)
    timing = next(own, None)
    started = agent.created_at if timing is None else timing.started_at
    ended = agent.first_connected_at if timing is None else timing.ended_at
    status = StepStatus.OK
    if ended is None:
        late = agent.status == WorkspaceAgentStatus.TIMEOUT
        status = StepStatus.TIMED_OUT if late else StepStatus.RUNNING
    yield TimelineStep(
        kind=StepKind.CONNECTION,
        name="connecting",
        agent=short(agent.name, _MAX_NAME),
        started_at=started,
        ended_at=ended,
        status=status,
    )


def _scripts(
    agent: WorkspaceAgent, timings: WorkspaceBuildTimings | None
) -> Iterator[TimelineStep]:
    if timings is None:
        yield from _all_scripts(agent)
        return
    for run in ended_runs(agent, timings, TimingStage.START):
        yield _ended_script(agent, run, run.display_name)
    for script in unfinished(agent, timings):
        yield _unfinished_script(agent, script)
    for run in ended_runs(agent, timings, TimingStage.STOP):
        yield _ended_script(agent, run, f"{run.display_name} (stop)")


def _ended_script(agent: WorkspaceAgent, run: AgentScriptTiming, name: str) -> TimelineStep:
    return TimelineStep(
        kind=StepKind.SCRIPT,
        name=short(name, _MAX_NAME) or "script without a name",
        agent=short(agent.name, _MAX_NAME),
        started_at=run.started_at,
        ended_at=run.ended_at,
        status=_SCRIPT.get(run.status, StepStatus.UNKNOWN),
        exit_code=run.exit_code,
    )


def _unfinished_script(agent: WorkspaceAgent, script: WorkspaceAgentScript) -> TimelineStep:
    return TimelineStep(
        kind=StepKind.SCRIPT,
        name=short(script_name(agent, script), _MAX_NAME),
        agent=short(agent.name, _MAX_NAME),
        started_at=agent.started_at,
        status=_UNFINISHED.get(agent.lifecycle_state, StepStatus.UNKNOWN),
    )


def _all_scripts(agent: WorkspaceAgent) -> Iterator[TimelineStep]:
    """
    Yield one step for all startup scripts, where the build does not list them.
    """
    scripts = scripts_of(agent, TimingStage.START)
    if not scripts or agent.started_at is None:
        return
    # An agent that has started again still has the time at which its first start was ready.
    ready = agent.ready_at
    ended = ready if ready is not None and ready >= agent.started_at else None
    yield TimelineStep(
        kind=StepKind.SCRIPT,
        name=short(script_name(agent, scripts[0]), _MAX_NAME)
        if len(scripts) == 1
        else f"all {len(scripts)} startup scripts",
        agent=short(agent.name, _MAX_NAME),
        started_at=agent.started_at,
        ended_at=ended,
        status=_LIFECYCLE.get(agent.lifecycle_state, StepStatus.UNKNOWN),
    )
