"""
What an agent and its log tell of its startup scripts.

Pure. What a script printed, and every name, is made safe to show here.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence

import attrs

from coder_agents.render import cut_to_width, escape_controls, last_state
from coder_agents.schema import (
    LogLevel,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLog,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
)

LAST_LINES = 10
"""
How many lines of log are handed out as the last ones.
"""

_WIDEST_LINE = 200  # places that a line of log may take in an error's text


@attrs.frozen(kw_only=True)
class Evidence:
    """
    What speaks of a failed start.

    Attributes:
        script: the one that failed; None where the deployment does not tell, before 2.35.
        source: the name of the log source that *lines* are from; empty where they are from all.
        lines: the last lines of that source.
    """

    script: WorkspaceAgentScript | None = None
    source: str = ""
    lines: tuple[WorkspaceAgentLog, ...] = ()


def startup_scripts(agent: WorkspaceAgent) -> list[WorkspaceAgentScript]:
    """
    Return the scripts that run when *agent* starts.
    """
    return [script for script in agent.scripts if script.run_on_start]


def tells_of_scripts(agent: WorkspaceAgent) -> bool:
    """
    Whether the deployment has told how a script of *agent* ended, as it does from 2.35 on.

    A version cannot decide it, and before the first script has ended nothing does.
    """
    return any(script.status is not None for script in agent.scripts)


def running_scripts(agent: WorkspaceAgent) -> list[WorkspaceAgentScript]:
    """
    Return the startup scripts that are known to run; none where nobody can know.
    """
    scripts = startup_scripts(agent)
    if agent.lifecycle_state != WorkspaceAgentLifecycle.STARTING:
        return []
    if len(scripts) > 1 and not tells_of_scripts(agent):
        return []
    return [script for script in scripts if script.status is None]


def script_name(agent: WorkspaceAgent, script: WorkspaceAgentScript) -> str:
    """
    Return what *script* of *agent* is called; its id where it has no name.
    """
    name = script.display_name or source_name(agent, script.log_source_id)
    return escape_controls(name) or f"script {script.id}"


def source_name(agent: WorkspaceAgent, id: uuid.UUID) -> str:
    """
    Return the name of a log source of *agent*; empty where it has none.
    """
    names = (source.display_name for source in agent.log_sources if source.id == id)
    return escape_controls(next(names, ""))


def last_lines(
    logs: Iterable[WorkspaceAgentLog], sources: Collection[uuid.UUID] = ()
) -> tuple[WorkspaceAgentLog, ...]:
    """
    Return the last lines of *logs* that are from *sources*, or from any where there are none.
    """
    chosen = [log for log in logs if not sources or log.source_id in sources]
    return tuple(chosen[-LAST_LINES:])


def failure(agent: WorkspaceAgent, logs: Sequence[WorkspaceAgentLog]) -> Evidence:
    """
    Return which script of *agent* failed, with its last lines.

    Where the deployment does not tell, there is no script, and the lines are of the source
    that the last line at the level error is from. That is a guess: scripts write to
    standard error for many reasons. Without such a line they are the log's last.
    """
    script = _failed_script(agent)
    if script is not None:
        name = source_name(agent, script.log_source_id) or script_name(agent, script)
        lines = last_lines(logs, [script.log_source_id])
        return Evidence(script=script, source=name, lines=lines)
    errors = [log.source_id for log in logs if log.level == LogLevel.ERROR]
    if not errors:
        return Evidence(lines=last_lines(logs))
    return Evidence(source=source_name(agent, errors[-1]), lines=last_lines(logs, errors[-1:]))


def _failed_script(agent: WorkspaceAgent) -> WorkspaceAgentScript | None:
    # One that was stopped and one that failed may both be there; the state says which counted.
    late = agent.lifecycle_state == WorkspaceAgentLifecycle.START_TIMEOUT
    wanted = WorkspaceAgentScriptStatus
    likeliest = wanted.TIMED_OUT if late else wanted.EXIT_FAILURE
    failed = [each for each in startup_scripts(agent) if each.status not in (None, wanted.OK)]
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
