"""
The report on the start-up of an agent, script by script.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import attrs

from coder_agents.readiness.conclusions import (
    ScriptConclusion,
    conclusion,
    conclusion_of_run,
    own_status,
)
from coder_agents.readiness.evidence import (
    last_lines,
    script_name,
    source_name,
    startup_scripts,
)
from coder_agents.readiness.runs import connect_duration, runs, scripts_of
from coder_agents.render import (
    cut_to_width,
    escape_controls,
    last_state,
    render_table,
    text_width,
    without_colours,
)
from coder_agents.render.html import render_html_table
from coder_agents.representation import Represented
from coder_agents.representation.cells import status
from coder_agents.representation.tables import without_empty
from coder_agents.schema import (
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
    WorkspaceBuildTimings,
)

_WIDTH = 80  # columns of a line of text
_MIN_LAST_LINE = 16  # columns of a last line, even where the other cells are wide
_MAX_NAME = 20  # columns of a name

_START, _STOP = TimingStage.START, TimingStage.STOP


@attrs.frozen(kw_only=True, repr=False)
class ScriptReport(Represented):
    """
    The report on one script of the start or of the stop.

    Attributes:
        name: the script's name, safe to show.
        script: the script as the template defines it.
        stage: start or stop.
        source: the name of the script's log source, safe to show.
        status: how the script ended; None before its end, and where it is not reported.
        exit_code: the script's exit code, 255 where the agent killed the script; None before its
            end, and where it is not reported.
        blocks_login: whether log-ins wait for the script.
        conclusion: the script's state or result, as far as it is known.
        duration: how long the script ran; None before its end. In a report that is a guess, it is
            the shortest time that fits the agent's data and log. The agent's only startup script
            ran from the agent's ``started_at`` to its ``ready_at``. One of several scripts ran at
            least until its last line and, where it timed out, for its time limit. Where the clocks
            of the agent and the deployment differ so much that its last line is from before the
            start, the time from its first to its last line counts.
        last_lines: the last lines of the script's log source, at most 10.
    """

    name: str
    script: WorkspaceAgentScript
    stage: TimingStage
    source: str
    status: WorkspaceAgentScriptStatus | None
    exit_code: int | None
    blocks_login: bool
    conclusion: ScriptConclusion
    duration: timedelta | None
    last_lines: tuple[WorkspaceAgentLog, ...]


@attrs.frozen(kw_only=True, repr=False)
class StartupReport(Represented):
    """
    The report on the start-up of an agent, and on its shutdown.

    ``str(report)`` is a table for a terminal, 80 columns wide unless names need more. A notebook
    shows a table with the last lines of each script.

    Attributes:
        agent: the agent as it was read for the report.
        scripts: the scripts that run when the agent starts, in the template's order.
        stop_scripts: the scripts that run when the agent shuts down, in the template's order.
        connect_duration: how long the agent took to connect, from the end of its build; None before
            it connected, and where the report is a guess.
        is_guess: whether the report is a guess from the agent's state and its log; from 2.35 on,
            only the durations are guesses. The report is exact where the agent was found through
            its workspace, whose build lists the end of each script.
    """

    agent: WorkspaceAgent
    scripts: tuple[ScriptReport, ...]
    stop_scripts: tuple[ScriptReport, ...] = ()
    connect_duration: timedelta | None = None
    is_guess: bool = True

    def __str__(self) -> str:
        columns = self._headers("Blocks", "Last line")
        rows = [_cells(each) for each in self._all]
        used = max(map(text_width, render_table(columns[:-1], rows)))
        room = max(_MIN_LAST_LINE, _WIDTH - used - 2)
        whole = [(*row, _last_line(each, room)) for row, each in zip(rows, self._all, strict=True)]
        return "\n".join([self._heading(), *render_table(columns, whole)])

    def _repr_html_(self) -> str:
        columns = self._headers("Blocks login", "Last lines")
        rows = [_html_cells(each) for each in self._all]
        return render_html_table(*without_empty(columns, rows), caption=self._heading())

    @property
    def _all(self) -> tuple[ScriptReport, ...]:
        return (*self.scripts, *self.stop_scripts)

    def _headers(self, blocks: str, lines: str) -> tuple[str, ...]:
        return (
            "Script",
            "Conclusion",
            "Exit",
            blocks,
            "Took ≥" if self.is_guess else "Took",
            lines,
        )

    def _heading(self) -> str:
        agent = self.agent
        text = f"Start-up of agent {agent.name}: {agent.status}, {agent.lifecycle_state}"
        if self.connect_duration is not None:
            text += f"; connected after {self.connect_duration.total_seconds():.1f} s"
        if self.is_guess:
            text += "; guessed from its log"
        if agent.logs_overflowed:
            text += "; its log is full, so later lines are missing"
        return escape_controls(text)


def _cells(report: ScriptReport) -> tuple[object, ...]:
    seconds = None if report.duration is None else f"{report.duration.total_seconds():.1f} s"
    name = cut_to_width(report.name, _MAX_NAME)
    return (
        f"{name} (stop)" if report.stage == _STOP else name,
        str(report.conclusion),
        report.exit_code,
        "yes" if report.blocks_login else "no",
        seconds,
    )


def _html_cells(report: ScriptReport) -> tuple[object, ...]:
    name, conclusion, *others = _cells(report)
    return name, status(str(conclusion)), *others, _states(report.last_lines)


def _last_line(report: ScriptReport, room: int) -> str:
    line = "".join(_states(report.last_lines[-1:]))
    return cut_to_width(escape_controls(without_colours(line)), room)


def _states(logs: Sequence[WorkspaceAgentLog]) -> list[str]:
    return [last_state(log.output) for log in logs]


def report_startup(
    agent: WorkspaceAgent,
    logs: Sequence[WorkspaceAgentLog],
    timings: WorkspaceBuildTimings | None = None,
) -> StartupReport:
    """
    Return the report on the start-up of *agent*, from the *timings* of its build.

    Without *timings*, it is a guess from the data of *agent* and *logs*, its whole log.
    """
    if timings is None:
        return StartupReport(
            agent=agent,
            scripts=_guessed(agent, logs, _START),
            stop_scripts=_guessed(agent, logs, _STOP),
        )
    return StartupReport(
        agent=agent,
        scripts=_exact(agent, logs, timings, _START),
        stop_scripts=_exact(agent, logs, timings, _STOP),
        connect_duration=connect_duration(agent, timings),
        is_guess=False,
    )


def _exact(
    agent: WorkspaceAgent,
    logs: Sequence[WorkspaceAgentLog],
    timings: WorkspaceBuildTimings,
    stage: TimingStage,
) -> tuple[ScriptReport, ...]:
    return tuple(
        _report(
            agent,
            script,
            logs,
            stage=stage,
            status=None if run.timing is None else run.timing.status,
            exit_code=None if run.timing is None else run.timing.exit_code,
            conclusion=conclusion_of_run(agent, run, stage),
            duration=None if run.timing is None else run.timing.duration,
        )
        for script, run in runs(agent, timings, stage)
    )


def _guessed(
    agent: WorkspaceAgent, logs: Sequence[WorkspaceAgentLog], stage: TimingStage
) -> tuple[ScriptReport, ...]:
    return tuple(
        _report(
            agent,
            script,
            logs,
            stage=stage,
            status=own_status(script, stage),
            exit_code=script.exit_code if own_status(script, stage) is not None else None,
            conclusion=conclusion(agent, script, stage),
            duration=_duration(agent, script, _own(script, logs)) if stage == _START else None,
        )
        for script in scripts_of(agent, stage)
    )


def _report(
    agent: WorkspaceAgent,
    script: WorkspaceAgentScript,
    logs: Sequence[WorkspaceAgentLog],
    *,
    stage: TimingStage,
    status: WorkspaceAgentScriptStatus | None,
    exit_code: int | None,
    conclusion: ScriptConclusion,
    duration: timedelta | None,
) -> ScriptReport:
    return ScriptReport(
        name=script_name(agent, script),
        script=script,
        stage=stage,
        source=source_name(agent, script.log_source_id),
        status=status,
        exit_code=exit_code,
        blocks_login=script.start_blocks_login and stage == _START,
        conclusion=conclusion,
        duration=duration,
        last_lines=last_lines(_own(script, logs)),
    )


def _own(
    script: WorkspaceAgentScript, logs: Sequence[WorkspaceAgentLog]
) -> list[WorkspaceAgentLog]:
    return [log for log in logs if log.source_id == script.log_source_id]


def _duration(
    agent: WorkspaceAgent, script: WorkspaceAgentScript, own: Sequence[WorkspaceAgentLog]
) -> timedelta | None:
    took = _start_took(agent)
    if took is not None and len(startup_scripts(agent)) == 1:
        return took
    known = [span for span in (_until_last_line(agent, own), _time_limit(script)) if span]
    # Later lines are from a later run by the clock, or arrived late.
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
    # An agent that has started again still has the time at which its first start was ready.
    return took if took >= timedelta() else None
