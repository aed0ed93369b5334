"""
The rows of startup reports and of the timings of builds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from coder_agents.export.columns import (
    Kind,
    Owner,
    Table,
    Values,
    boolean,
    category,
    integer,
    moment,
    number,
    text,
    transposed,
)
from coder_agents.readiness import ScriptReport, StartupReport
from coder_agents.schema import (
    AgentConnectionTiming,
    AgentScriptTiming,
    ProvisionerTiming,
    WorkspaceBuildTimings,
)

SCRIPTS = Table(
    "scripts of startup reports",
    (
        category("agent"),
        category("stage"),
        text("script"),
        category("source"),
        category("conclusion"),
        category("status"),
        integer("exit_code"),
        boolean("blocks_login"),
        number("duration"),
        boolean("is_guess", is_required=False),
        text("last_line"),
    ),
)

TIMINGS = Table(
    "build timings",
    (
        category("kind"),
        category("stage"),
        category("agent"),
        text("name"),
        category("source"),
        category("action"),
        category("status"),
        integer("exit_code"),
        moment("started_at"),
        moment("ended_at"),
        number("duration"),
    ),
)


def starts() -> dict[type, Kind]:
    """
    Return the kinds of startup reports and build timings.
    """
    return {
        StartupReport: Kind(SCRIPTS, _read_reports),
        ScriptReport: Kind(SCRIPTS, _read_scripts),
        WorkspaceBuildTimings: Kind(TIMINGS, _read_builds),
        ProvisionerTiming: Kind(TIMINGS, _read_steps),
        AgentScriptTiming: Kind(TIMINGS, _read_runs),
        AgentConnectionTiming: Kind(TIMINGS, _read_connections),
    }


def _read_reports(reports: Sequence[StartupReport], owner: Owner) -> Sequence[Values]:
    rows = [
        _script(script, owner.label or report.agent.name, report.is_guess)
        for report in reports
        for script in (*report.scripts, *report.stop_scripts)
    ]
    return transposed(SCRIPTS, rows)


def _read_scripts(scripts: Sequence[ScriptReport], owner: Owner) -> Sequence[Values]:
    return transposed(SCRIPTS, [_script(script, owner.label, None) for script in scripts])


def _script(script: ScriptReport, agent: str | None, is_guess: bool | None) -> tuple[Any, ...]:
    return (
        agent,
        script.stage.value,
        script.name,
        script.source,
        script.conclusion.value,
        None if script.status is None else script.status.value,
        script.exit_code,
        script.blocks_login,
        _seconds(script.duration),
        is_guess,
        script.last_lines[-1].output if script.last_lines else None,
    )


def _read_builds(builds: Sequence[WorkspaceBuildTimings], owner: Owner) -> Sequence[Values]:
    rows: list[tuple[Any, ...]] = []
    for build in builds:
        rows += map(_step, build.provisioner_timings)
        rows += map(_connection, build.agent_connection_timings)
        rows += map(_run, build.agent_script_timings)
    return transposed(TIMINGS, rows)


def _read_steps(steps: Sequence[ProvisionerTiming], owner: Owner) -> Sequence[Values]:
    return transposed(TIMINGS, list(map(_step, steps)))


def _read_runs(runs: Sequence[AgentScriptTiming], owner: Owner) -> Sequence[Values]:
    return transposed(TIMINGS, list(map(_run, runs)))


def _read_connections(
    connections: Sequence[AgentConnectionTiming], owner: Owner
) -> Sequence[Values]:
    return transposed(TIMINGS, list(map(_connection, connections)))


def _step(step: ProvisionerTiming) -> tuple[Any, ...]:
    return (
        "provisioner",
        step.stage.value,
        None,
        step.resource,
        step.source,
        step.action,
        None,
        None,
        step.started_at,
        step.ended_at,
        _seconds(step.duration),
    )


def _run(run: AgentScriptTiming) -> tuple[Any, ...]:
    return (
        "script",
        run.stage.value,
        run.workspace_agent_name,
        run.display_name,
        None,
        None,
        run.status.value,
        run.exit_code,
        run.started_at,
        run.ended_at,
        _seconds(run.duration),
    )


def _connection(connection: AgentConnectionTiming) -> tuple[Any, ...]:
    return (
        "connection",
        connection.stage.value,
        connection.workspace_agent_name,
        connection.workspace_agent_name,
        None,
        None,
        None,
        None,
        connection.started_at,
        connection.ended_at,
        _seconds(connection.duration),
    )


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
