"""
What the start-up of an agent did, script by script.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

import attrs

from coder_agents.readiness.evidence import (
    last_lines,
    running_scripts,
    script_name,
    source_name,
    startup_scripts,
)
from coder_agents.render import (
    cut_to_width,
    escape_controls,
    last_state,
    render_table,
    text_width,
)
from coder_agents.render.html import render_html_table
from coder_agents.schema import (
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLog,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
)

_WIDTH = 80  # places of a line of text
_NARROWEST = 16  # places that a last line gets, however wide the rest is
_WIDEST_NAME = 20


class ScriptConclusion(StrEnum):
    """
    How a startup script did, as far as can be known.

    A deployment before 2.35 tells it of all scripts together: then each is ok where the agent
    is ready, and where it is not, only the conclusion about a single script is known.
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
_OF_ALL: dict[str, ScriptConclusion] = {
    WorkspaceAgentLifecycle.CREATED: ScriptConclusion.NOT_STARTED,
    WorkspaceAgentLifecycle.READY: ScriptConclusion.OK,
}
_OF_THE_ONLY_ONE: dict[str, ScriptConclusion] = {
    WorkspaceAgentLifecycle.START_ERROR: ScriptConclusion.FAILED,
    WorkspaceAgentLifecycle.START_TIMEOUT: ScriptConclusion.TIMED_OUT,
}


@attrs.frozen(kw_only=True)
class ScriptReport:
    """
    What is known of one startup script.

    Attributes:
        name: what it is called, made safe to show.
        script: as the template describes it.
        source: the name of the log source that its lines have, made safe to show.
        status: how it ended; None before, and where the deployment does not tell, before 2.35.
        exit_code: likewise.
        blocks_login: whether log-ins wait for it.
        conclusion: how it did, as far as can be known.
        duration: how long it ran at least; None where nothing tells. The agent's only startup
            script ran from the agent's ``started_at`` to its ``ready_at``. One of several ran
            until its last line, and, where it timed out, as long as it may run. Where the clocks
            of agent and deployment are so far apart that its last line would be from before the
            start, the time from its first line to its last counts.
        last_lines: the last lines of its log source, 10 at most.
    """

    name: str
    script: WorkspaceAgentScript
    source: str
    status: WorkspaceAgentScriptStatus | None
    exit_code: int | None
    blocks_login: bool
    conclusion: ScriptConclusion
    duration: timedelta | None
    last_lines: tuple[WorkspaceAgentLog, ...]


@attrs.frozen(kw_only=True)
class StartupReport:
    """
    What the start-up of an agent did.

    ``str(report)`` is a table for a terminal, 80 places wide unless names need more; a notebook
    shows a table with the last lines of each script.

    Attributes:
        agent: as it was read for the report.
        scripts: those that run when the agent starts, in the template's order.
    """

    agent: WorkspaceAgent
    scripts: tuple[ScriptReport, ...]

    def __str__(self) -> str:
        columns = ("Script", "Conclusion", "Exit", "Blocks", "Took ≥", "Last line")
        rows = [_cells(each) for each in self.scripts]
        used = max(map(text_width, render_table(columns[:-1], rows)))
        room = max(_NARROWEST, _WIDTH - used - 2)
        whole = [
            (*row, _last_line(each, room)) for row, each in zip(rows, self.scripts, strict=True)
        ]
        return "\n".join([self._heading(), *render_table(columns, whole)])

    def _repr_html_(self) -> str:
        columns = ("Script", "Conclusion", "Exit", "Blocks login", "Took ≥", "Last lines")
        rows = ((*_cells(each), _states(each.last_lines)) for each in self.scripts)
        return render_html_table(columns, rows, caption=self._heading())

    def _heading(self) -> str:
        agent = self.agent
        full = "; its log is full, and lacks later lines" if agent.logs_overflowed else ""
        text = f"Start-up of agent {agent.name}: {agent.status}, {agent.lifecycle_state}{full}"
        return escape_controls(text)


def _cells(report: ScriptReport) -> tuple[object, ...]:
    seconds = None if report.duration is None else f"{report.duration.total_seconds():.1f} s"
    return (
        cut_to_width(report.name, _WIDEST_NAME),
        str(report.conclusion),
        report.exit_code,
        "yes" if report.blocks_login else "no",
        seconds,
    )


def _last_line(report: ScriptReport, room: int) -> str:
    line = "".join(_states(report.last_lines[-1:]))
    return cut_to_width(escape_controls(line), room)


def _states(logs: Sequence[WorkspaceAgentLog]) -> list[str]:
    return [last_state(log.output) for log in logs]


def report_startup(agent: WorkspaceAgent, logs: Sequence[WorkspaceAgentLog]) -> StartupReport:
    """
    Return what *agent* and its whole log tell of its start-up.
    """
    scripts = (_report(agent, script, logs) for script in startup_scripts(agent))
    return StartupReport(agent=agent, scripts=tuple(scripts))


def _report(
    agent: WorkspaceAgent, script: WorkspaceAgentScript, logs: Sequence[WorkspaceAgentLog]
) -> ScriptReport:
    own = [log for log in logs if log.source_id == script.log_source_id]
    return ScriptReport(
        name=script_name(agent, script),
        script=script,
        source=source_name(agent, script.log_source_id),
        status=script.status,
        exit_code=script.exit_code,
        blocks_login=script.start_blocks_login,
        conclusion=_conclusion(agent, script),
        duration=_duration(agent, script, own),
        last_lines=last_lines(own),
    )


def _conclusion(agent: WorkspaceAgent, script: WorkspaceAgentScript) -> ScriptConclusion:
    unknown = ScriptConclusion.UNKNOWN
    if script.status is not None:
        return _BY_STATUS.get(script.status, unknown)
    if script in running_scripts(agent):
        return ScriptConclusion.RUNNING
    found = _OF_ALL.get(agent.lifecycle_state)
    if found is None and len(startup_scripts(agent)) == 1:
        found = _OF_THE_ONLY_ONE.get(agent.lifecycle_state)
    return found or unknown


def _duration(
    agent: WorkspaceAgent, script: WorkspaceAgentScript, own: Sequence[WorkspaceAgentLog]
) -> timedelta | None:
    took = _start_took(agent)
    if took is not None and len(startup_scripts(agent)) == 1:
        return took
    known = [span for span in (_until_last_line(agent, own), _time_limit(script)) if span]
    # Later lines are of a later run, by the clock, or were on their way.
    spans = known if took is None else [min(span, took) for span in known]
    return max(spans, default=None)


def _until_last_line(agent: WorkspaceAgent, own: Sequence[WorkspaceAgentLog]) -> timedelta | None:
    moments = [log.created_at for log in own if log.created_at is not None]
    if agent.started_at is None or not moments:
        return None
    span = max(moments) - agent.started_at
    return span if span >= timedelta() else max(moments) - min(moments)


def _time_limit(script: WorkspaceAgentScript) -> timedelta | None:
    late = script.status == WorkspaceAgentScriptStatus.TIMED_OUT
    return script.timeout if late else None


def _start_took(agent: WorkspaceAgent) -> timedelta | None:
    if agent.started_at is None or agent.ready_at is None:
        return None
    took = agent.ready_at - agent.started_at
    # An agent that started again has the time at which it was ready before.
    return took if took >= timedelta() else None
