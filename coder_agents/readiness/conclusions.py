"""
The results of an agent's scripts, as far as they are known.

This module does no input or output. A result comes from the run that a build lists, else from the
script's own status and the agent's state.
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
    The state or the result of a script, as far as it is known.

    It is known where the agent's workspace is known, and from 2.35 on. Elsewhere it is concluded
    from the agent's state, which covers all scripts together. Where the agent is ready, each script
    is ok. Where it is not, the conclusion is known only if the agent has a single script.
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

# The conclusion from the agent's state, for scripts whose end is not reported: for each of all
# scripts, for a script that has not ended, and for the only script.
_OF_ALL: dict[TimingStage, dict[str, ScriptConclusion]] = {
    _START: {_STATE.CREATED: ScriptConclusion.NOT_STARTED, _STATE.READY: ScriptConclusion.OK},
    _STOP: {
        _STATE.OFF: ScriptConclusion.OK,
        _STATE.SHUTTING_DOWN: ScriptConclusion.UNKNOWN,
        _STATE.SHUTDOWN_ERROR: ScriptConclusion.UNKNOWN,
        _STATE.SHUTDOWN_TIMEOUT: ScriptConclusion.UNKNOWN,
    },
}
_OF_UNFINISHED: dict[TimingStage, dict[str, ScriptConclusion]] = {
    _START: {_STATE.STARTING: ScriptConclusion.RUNNING},
    _STOP: {_STATE.SHUTTING_DOWN: ScriptConclusion.RUNNING},
}
_OF_ONLY: dict[TimingStage, dict[str, ScriptConclusion]] = {
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
    Return the conclusion for a script of *agent* from its *run* at *stage*, as its build lists it.
    """
    unknown = ScriptConclusion.UNKNOWN
    if run.timing is not None:
        return _BY_STATUS.get(run.timing.status, unknown)
    found = _of_state(agent, stage)
    return _OF_UNFINISHED[stage].get(agent.lifecycle_state, found) if run.is_known else found


def own_status(
    script: WorkspaceAgentScript, stage: TimingStage
) -> WorkspaceAgentScriptStatus | None:
    """
    Return the status of the last run of *script*; None where that may be a run at another stage.
    """
    return None if stage == _STOP and script.run_on_start else script.status


def conclusion(
    agent: WorkspaceAgent, script: WorkspaceAgentScript, stage: TimingStage
) -> ScriptConclusion:
    """
    Return the conclusion for *script* of *agent* at *stage*, where no build lists its run.
    """
    status = own_status(script, stage)
    if status is not None:
        return _BY_STATUS.get(status, ScriptConclusion.UNKNOWN)
    if stage == _START and script in running_scripts(agent):
        return ScriptConclusion.RUNNING
    if len(scripts_of(agent, stage)) == 1:
        return _OF_ONLY[stage].get(agent.lifecycle_state, _of_state(agent, stage))
    return _of_state(agent, stage)


def _of_state(agent: WorkspaceAgent, stage: TimingStage) -> ScriptConclusion:
    """
    Return the conclusion from the state of *agent* for each script whose end is not reported.
    """
    otherwise = ScriptConclusion.UNKNOWN if stage == _START else ScriptConclusion.NOT_STARTED
    return _OF_ALL[stage].get(agent.lifecycle_state, otherwise)
