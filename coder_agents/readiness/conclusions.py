"""
How the scripts of an agent did, as far as that can be known.

Pure: from what a build lists of a script's run, else from the script's own status and the state of the agent.
"""

from __future__ import annotations

from enum import StrEnum

from coder_agents.readiness.evidence import running_scripts
from coder_agents.readiness.runs import Run, scripts_of
from coder_agents.schema import (
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
)


class ScriptConclusion(StrEnum):
    """
    How a script did, as far as can be known.

    It is known where the agent's workspace is, and from 2.35 on. Elsewhere the state of the agent tells
    it of all scripts together: then each is ok where the agent is ready, and where it is not, only
    the conclusion about a single script is known.
    """

    OK = "ok"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    PIPES_LEFT_OPEN = "pipes left open"
    RUNNING = "running"
    NOT_STARTED = "not started"
    UNKNOWN = "unknown"


_BY_STATUS: dict[str, ScriptConclusion] = {
    WorkspaceAgentScriptStatus.OK: ScriptConclusion.OK,
    WorkspaceAgentScriptStatus.EXIT_FAILURE: ScriptConclusion.FAILED,
    WorkspaceAgentScriptStatus.TIMED_OUT: ScriptConclusion.TIMED_OUT,
    WorkspaceAgentScriptStatus.PIPES_LEFT_OPEN: ScriptConclusion.PIPES_LEFT_OPEN,
}
_STATE = WorkspaceAgentLifecycle
_START, _STOP = TimingStage.START, TimingStage.STOP

# What the state of the agent says of scripts whose end is not reported: of all, of those that are
# known not to have ended, and of the only one.
_OF_ALL: dict[TimingStage, dict[str, ScriptConclusion]] = {
    _START: {_STATE.CREATED: ScriptConclusion.NOT_STARTED, _STATE.READY: ScriptConclusion.OK},
    _STOP: {
        _STATE.OFF: ScriptConclusion.OK,
        _STATE.SHUTTING_DOWN: ScriptConclusion.UNKNOWN,
        _STATE.SHUTDOWN_ERROR: ScriptConclusion.UNKNOWN,
        _STATE.SHUTDOWN_TIMEOUT: ScriptConclusion.UNKNOWN,
    },
}
_OF_THE_REST: dict[TimingStage, dict[str, ScriptConclusion]] = {
    _START: {_STATE.STARTING: ScriptConclusion.RUNNING},
    _STOP: {_STATE.SHUTTING_DOWN: ScriptConclusion.RUNNING},
}
_OF_THE_ONLY_ONE: dict[TimingStage, dict[str, ScriptConclusion]] = {
    _START: {
        _STATE.START_ERROR: ScriptConclusion.FAILED,
        _STATE.START_TIMEOUT: ScriptConclusion.TIMED_OUT,
    },
    _STOP: {
        _STATE.SHUTTING_DOWN: ScriptConclusion.RUNNING,
        _STATE.SHUTDOWN_ERROR: ScriptConclusion.FAILED,
        _STATE.SHUTDOWN_TIMEOUT: ScriptConclusion.TIMED_OUT,
    },
}


def conclusion_of_run(agent: WorkspaceAgent, run: Run, stage: TimingStage) -> ScriptConclusion:
    """
    Return how a script of *agent* did whose *run* at *stage* a build lists, or does not list yet.
    """
    unknown = ScriptConclusion.UNKNOWN
    if run.timing is not None:
        return _BY_STATUS.get(run.timing.status, unknown)
    found = _of_state(agent, stage)
    return _OF_THE_REST[stage].get(agent.lifecycle_state, found) if run.is_known else found


def own_status(
    script: WorkspaceAgentScript, stage: TimingStage
) -> WorkspaceAgentScriptStatus | None:
    """
    Return the status of the last run of *script* where that was at *stage* for all that is known.
    """
    return None if stage == _STOP and script.run_on_start else script.status


def conclusion(
    agent: WorkspaceAgent, script: WorkspaceAgentScript, stage: TimingStage
) -> ScriptConclusion:
    """
    Return how *script* of *agent* did at *stage*, where no build lists its run.
    """
    status = own_status(script, stage)
    if status is not None:
        return _BY_STATUS.get(status, ScriptConclusion.UNKNOWN)
    if stage == _START and script in running_scripts(agent):
        return ScriptConclusion.RUNNING
    if len(scripts_of(agent, stage)) == 1:
        return _OF_THE_ONLY_ONE[stage].get(agent.lifecycle_state, _of_state(agent, stage))
    return _of_state(agent, stage)


def _of_state(agent: WorkspaceAgent, stage: TimingStage) -> ScriptConclusion:
    """
    Return what the state of *agent* says of each script whose end is not reported.
    """
    otherwise = ScriptConclusion.UNKNOWN if stage == _START else ScriptConclusion.NOT_STARTED
    return _OF_ALL[stage].get(agent.lifecycle_state, otherwise)
