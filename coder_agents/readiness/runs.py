"""
The runs of an agent's scripts, from the timings of a build.

This module does no input or output. Timings list a run once it has ended, under the name of the
script or, in releases whose scripts have no names, of its log source.
"""

from __future__ import annotations

import collections
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import attrs

from coder_agents.schema import (
    AgentScriptTiming,
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
    WorkspaceBuildTimings,
)

_NEVER = datetime.min.replace(tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Run:
    """
    The run of one script at the start or at the stop.

    Attributes:
        timing: the timing of the run; None where it has not ended.
        is_known: False where several scripts have the same name and only some of them have ended,
            or they ended differently.
    """

    timing: AgentScriptTiming | None = None
    is_known: bool = True


def scripts_of(agent: WorkspaceAgent, stage: TimingStage) -> list[WorkspaceAgentScript]:
    """
    Return the scripts that run at *stage* of *agent*, the start or the stop.
    """
    if stage == TimingStage.STOP:
        return [script for script in agent.scripts if script.run_on_stop]
    return [script for script in agent.scripts if script.run_on_start]


def reported_name(agent: WorkspaceAgent, script: WorkspaceAgentScript) -> str:
    """
    Return the name under which the runs of *script* are listed, as it is on the wire.
    """
    return script.display_name or raw_source_name(agent, script.log_source_id)


def raw_source_name(agent: WorkspaceAgent, id: uuid.UUID) -> str:
    """
    Return the name of the log source *id* of *agent* as it is on the wire; empty where it has none.
    """
    names = (source.display_name for source in agent.log_sources if source.id == id)
    return next(names, "")


def ended_runs(
    agent: WorkspaceAgent, timings: WorkspaceBuildTimings, stage: TimingStage
) -> list[AgentScriptTiming]:
    """
    Return the runs at *stage* of *agent* that have ended, in the order of their ends.

    An agent that started several times in one build has runs of each start. Only the runs of the
    newest start count. The times of the runs and of the start are by the agent's clock.
    """
    own = [
        timing
        for timing in timings.agent_script_timings
        if timing.workspace_agent_id == agent.id and timing.stage == stage
    ]
    began = agent.started_at or _NEVER
    current = [t for t in own if t.ended_at is not None and t.ended_at >= began]
    return sorted(current, key=lambda timing: timing.ended_at or _NEVER)


def runs(
    agent: WorkspaceAgent, timings: WorkspaceBuildTimings, stage: TimingStage
) -> list[tuple[WorkspaceAgentScript, Run]]:
    """
    Return each script that runs at *stage* of *agent*, with its run.
    """
    ended = ended_runs(agent, timings, stage)
    scripts = scripts_of(agent, stage)
    named = [reported_name(agent, script) for script in scripts]
    return [
        (script, _run(named.count(name), [each for each in ended if each.display_name == name]))
        for script, name in zip(scripts, named, strict=True)
    ]


def _run(scripts: int, ended: Sequence[AgentScriptTiming]) -> Run:
    """
    Return the run of one of *scripts* scripts with the same name, of whose runs *ended* have ended.
    """
    if not ended:
        return Run()
    if scripts == 1:
        return Run(timing=ended[-1])
    if len(ended) < scripts or len({(each.status, each.exit_code) for each in ended}) > 1:
        return Run(is_known=False)
    # All ended in the same way; the duration of each is not known.
    return Run(timing=attrs.evolve(ended[-1], started_at=None, ended_at=None))


def unfinished(agent: WorkspaceAgent, timings: WorkspaceBuildTimings) -> list[WorkspaceAgentScript]:
    """
    Return the startup scripts of *agent* whose runs have not ended.

    Where several scripts have one name, their number is exact, but the scripts may be other ones of
    that name.
    """
    ended = ended_runs(agent, timings, TimingStage.START)
    count = collections.Counter(run.display_name for run in ended)
    scripts = []
    for script in scripts_of(agent, TimingStage.START):
        name = reported_name(agent, script)
        if count[name]:
            count[name] -= 1
        else:
            scripts.append(script)
    return scripts


def failed_run(agent: WorkspaceAgent, timings: WorkspaceBuildTimings) -> AgentScriptTiming | None:
    """
    Return the run of the startup script that failed; None where no failed run is listed.

    Of several failed runs, it is one whose status fits the state of *agent*.
    """
    failed = [
        each
        for each in ended_runs(agent, timings, TimingStage.START)
        if each.status != WorkspaceAgentScriptStatus.OK
    ]
    likeliest = likeliest_status(agent)
    return min(failed, key=lambda run: run.status != likeliest, default=None)


def likeliest_status(agent: WorkspaceAgent) -> WorkspaceAgentScriptStatus:
    """
    Return the status that fits the state of *agent*, for the script that caused the state.

    One script may have timed out and another one failed; the state shows which of them counts.
    """
    late = agent.lifecycle_state == WorkspaceAgentLifecycle.START_TIMEOUT
    status = WorkspaceAgentScriptStatus
    return status.TIMED_OUT if late else status.EXIT_FAILURE


def scripts_named(agent: WorkspaceAgent, name: str) -> list[WorkspaceAgentScript]:
    """
    Return the startup scripts of *agent* whose runs are listed as *name*.
    """
    scripts = scripts_of(agent, TimingStage.START)
    return [each for each in scripts if reported_name(agent, each) == name]


def connect_duration(agent: WorkspaceAgent, timings: WorkspaceBuildTimings) -> timedelta | None:
    """
    Return how long *agent* took to connect for the first time; None before it connected.
    """
    own = (t for t in timings.agent_connection_timings if t.workspace_agent_id == agent.id)
    return next((timing.duration for timing in own), None)
