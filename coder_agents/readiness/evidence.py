"""
Facts about startup scripts, from the data, the log and the timings of an agent.

This module does no input or output. It escapes names and the output of scripts, so that they are
safe to show.
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
from coder_agents.render import cut_to_width, escape_controls, last_state, without_colours
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
The number of last lines of a log that errors and reports have.
"""

_MAX_LINE_WIDTH = 200  # columns of a log line in an error's text


@attrs.frozen(kw_only=True)
class Evidence:
    """
    The facts about a failed start.

    Attributes:
        name: of the script that failed; empty where it is not known.
        script: the script that failed; None where it is not known, or where several have its name.
        status: how the script ended; None where that is not known.
        exit_code: the script's exit code; None where it is not known.
        duration: how long the script ran; None where that is not known.
        source: the name of the log source of *lines*; empty where they are from all sources.
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


def _has_statuses(agent: WorkspaceAgent) -> bool:
    """
    Whether the deployment has reported the end of a script of *agent*, as it does from 2.35 on.

    The version cannot decide whether it does. Before the first script has ended, nothing can.
    """
    return any(script.status is not None for script in agent.scripts)


def running_scripts(
    agent: WorkspaceAgent, timings: WorkspaceBuildTimings | None = None
) -> list[WorkspaceAgentScript]:
    """
    Return the startup scripts that are known to be running.

    With *timings*, these are all scripts that have not ended. Without *timings*, a single script
    counts as running while the agent is starting. Of several scripts, those without a status are
    running if another script has a status; if none has, the result is empty.
    """
    scripts = startup_scripts(agent)
    if agent.lifecycle_state != WorkspaceAgentLifecycle.STARTING:
        return []
    if timings is not None:
        return unfinished(agent, timings)
    if len(scripts) > 1 and not _has_statuses(agent):
        return []
    return [script for script in scripts if script.status is None]


def script_name(agent: WorkspaceAgent, script: WorkspaceAgentScript) -> str:
    """
    Return the name of *script* of *agent*, safe to show; its id where it has no name.
    """
    return escape_controls(reported_name(agent, script)) or f"script {script.id}"


def source_name(agent: WorkspaceAgent, id: uuid.UUID) -> str:
    """
    Return the name of the log source *id* of *agent*, safe to show; empty where it has no name.
    """
    return escape_controls(raw_source_name(agent, id))


def last_lines(
    logs: Iterable[WorkspaceAgentLog], sources: Collection[uuid.UUID] = ()
) -> tuple[WorkspaceAgentLog, ...]:
    """
    Return the last lines of *logs* from *sources*; from all sources where *sources* is empty.
    """
    matching = [log for log in logs if not sources or log.source_id in sources]
    return tuple(matching[-LAST_LINES:])


def failure(
    agent: WorkspaceAgent,
    logs: Sequence[WorkspaceAgentLog],
    timings: WorkspaceBuildTimings | None = None,
) -> Evidence:
    """
    Return the script of *agent* that failed, with its last lines.

    The script is known from *timings*, from the statuses of scripts (2.35), or because it is the
    only one. Otherwise the source is a guess: the source of the last line at the level error,
    though scripts write to standard error for many reasons. Without such a line, the lines are the
    last ones of the whole log.
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
    Return *lines* as the end of an error's text, under the heading *what*.
    """
    return quoted_texts([last_state(log.output) for log in lines], what)


def quoted_texts(texts: Sequence[str], what: str) -> str:
    """
    Return the lines *texts*, without their colours, as the end of an error's text, under the heading *what*.
    """
    if not texts:
        return ""
    shown = (escape_controls(without_colours(text)) for text in texts)
    cut = (cut_to_width(line, _MAX_LINE_WIDTH) for line in shown)
    return "".join([f"\n{what}:", *(f"\n  {line}" for line in cut)])
