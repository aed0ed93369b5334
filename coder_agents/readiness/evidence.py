"""
What an agent and its log tell of its startup scripts.

Pure. What a script printed, and every name, is made safe to show here.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any

import attrs

from coder_agents.readiness.runs import (
    failed_run,
    likeliest_status,
    raw_source_name,
    reported_name,
    scripts_named,
    scripts_of,
    unfinished,
)
from coder_agents.render import cut_to_width, escape_controls, last_state
from coder_agents.schema import (
    LogLevel,
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLog,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
    WorkspaceBuildTimings,
)

LAST_LINES = 10
"""
How many lines of log are handed out as the last ones.
"""

_WIDEST_LINE = 200  # places that a line of log may take in an error's text


@attrs.frozen(kw_only=True)
class Evidence:
    """
    What is known of a failed start.

    Attributes:
        name: of the script that failed; empty where that is not known.
        script: the script; None where that is not known, or where several have its name.
        status: how it ended; None where that is not known.
        exit_code: the script's; likewise.
        duration: how long it ran; likewise.
        source: the name of the log source that *lines* are from; empty where they are from all.
        lines: the last lines of that source.
        is_guess: whether *source* is a guess from the log.
    """

    name: str = ""
    script: WorkspaceAgentScript | None = None
    status: WorkspaceAgentScriptStatus | None = None
    exit_code: int | None = None
    duration: timedelta | None = None
    source: str = ""
    lines: tuple[WorkspaceAgentLog, ...] = ()
    is_guess: bool = False


def startup_scripts(agent: WorkspaceAgent) -> list[WorkspaceAgentScript]:
    """
    Return the scripts that run when *agent* starts.
    """
    return scripts_of(agent, TimingStage.START)


def tells_of_scripts(agent: WorkspaceAgent) -> bool:
    """
    Whether the deployment has told how a script of *agent* ended, as it does from 2.35 on.

    A version cannot decide it, and before the first script has ended nothing does.
    """
    return any(script.status is not None for script in agent.scripts)


def running_scripts(
    agent: WorkspaceAgent, timings: WorkspaceBuildTimings | None = None
) -> list[WorkspaceAgentScript]:
    """
    Return the startup scripts that are known to run; none where that is not known.

    With *timings* those are all that have not ended. Without them, the only script runs while the agent
    is starting; of several, those that have no status where others have one.
    """
    scripts = startup_scripts(agent)
    if agent.lifecycle_state != WorkspaceAgentLifecycle.STARTING:
        return []
    if timings is not None:
        return unfinished(agent, timings)
    if len(scripts) > 1 and not tells_of_scripts(agent):
        return []
    return [script for script in scripts if script.status is None]


def script_name(agent: WorkspaceAgent, script: WorkspaceAgentScript) -> str:
    """
    Return what *script* of *agent* is called; its id where it has no name.
    """
    return escape_controls(reported_name(agent, script)) or f"script {script.id}"


def source_name(agent: WorkspaceAgent, id: uuid.UUID) -> str:
    """
    Return the name of a log source of *agent*; empty where it has none.
    """
    return escape_controls(raw_source_name(agent, id))


def last_lines(
    logs: Iterable[WorkspaceAgentLog], sources: Collection[uuid.UUID] = ()
) -> tuple[WorkspaceAgentLog, ...]:
    """
    Return the last lines of *logs* that are from *sources*, or from any where there are none.
    """
    chosen = [log for log in logs if not sources or log.source_id in sources]
    return tuple(chosen[-LAST_LINES:])


def failure(
    agent: WorkspaceAgent,
    logs: Sequence[WorkspaceAgentLog],
    timings: WorkspaceBuildTimings | None = None,
) -> Evidence:
    """
    Return which script of *agent* failed, with its last lines.

    It is known from *timings*, from the statuses of scripts (2.35), or because there is only one. Else
    the lines are of the source that the last line at the level error is from. That is a guess:
    scripts write to standard error for many reasons. Without such a line they are the log's last.
    """
    if timings is not None and (found := _from_timings(agent, logs, timings)) is not None:
        return found
    script = _failed_script(agent)
    if script is not None:
        return _of_script(agent, script, logs, status=script.status, exit_code=script.exit_code)
    scripts = startup_scripts(agent)
    if len(scripts) == 1:
        return _of_script(agent, scripts[0], logs)
    errors = [log.source_id for log in logs if log.level == LogLevel.ERROR]
    if not errors:
        return Evidence(lines=last_lines(logs), is_guess=True)
    lines = last_lines(logs, errors[-1:])
    return Evidence(source=source_name(agent, errors[-1]), lines=lines, is_guess=True)


def _from_timings(
    agent: WorkspaceAgent, logs: Sequence[WorkspaceAgentLog], timings: WorkspaceBuildTimings
) -> Evidence | None:
    run = failed_run(agent, timings)
    if run is None:
        return None
    facts: dict[str, Any] = {
        "status": run.status,
        "exit_code": run.exit_code,
        "duration": run.duration,
    }
    named = scripts_named(agent, run.display_name)
    if len(named) == 1:
        return _of_script(agent, named[0], logs, **facts)
    name = escape_controls(run.display_name)
    sources = [script.log_source_id for script in named]
    return Evidence(name=name, source=name, lines=last_lines(logs, sources), **facts)


def _of_script(
    agent: WorkspaceAgent,
    script: WorkspaceAgentScript,
    logs: Sequence[WorkspaceAgentLog],
    **facts: Any,
) -> Evidence:
    name = script_name(agent, script)
    source = source_name(agent, script.log_source_id) or name
    lines = last_lines(logs, [script.log_source_id])
    return Evidence(name=name, script=script, source=source, lines=lines, **facts)


def _failed_script(agent: WorkspaceAgent) -> WorkspaceAgentScript | None:
    likeliest, well = likeliest_status(agent), WorkspaceAgentScriptStatus.OK
    failed = [each for each in startup_scripts(agent) if each.status not in (None, well)]
    return min(failed, key=lambda script: script.status != likeliest, default=None)


def quoted_lines(lines: Sequence[WorkspaceAgentLog], what: str) -> str:
    """
    Return *lines* as the end of an error's text, under a heading for *what* they are.
    """
    if not lines:
        return ""
    shown = (escape_controls(last_state(log.output)) for log in lines)
    cut = (cut_to_width(line, _WIDEST_LINE) for line in shown)
    return "".join([f"\n{what}:", *(f"\n  {line}" for line in cut)])
