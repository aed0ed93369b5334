"""
The rows of startup reports and of the timings of builds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from coder_agents.export.columns import (
    Kind,
    Owner,
    Table,
    boolean,
    category,
    integer,
    moment,
    number,
    one_row,
    several_rows,
    text,
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
        StartupReport: several_rows(SCRIPTS, _scripts),
        ScriptReport: one_row(SCRIPTS, lambda script, owner: _script(script, owner.label, None)),
        WorkspaceBuildTimings: several_rows(TIMINGS, _timings),
        ProvisionerTiming: one_row(TIMINGS, _step),
        AgentScriptTiming: one_row(TIMINGS, _run),
        AgentConnectionTiming: one_row(TIMINGS, _connection),
    }


def _scripts(report: StartupReport, owner: Owner) -> Iterator[tuple[Any, ...]]:
    agent = owner.label or report.agent.name
    for script in (*report.scripts, *report.stop_scripts):
        yield _script(script, agent, report.is_guess)


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


def _timings(build: WorkspaceBuildTimings, owner: Owner) -> Iterator[tuple[Any, ...]]:
    for step in build.provisioner_timings:
        yield _step(step, owner)
    for connection in build.agent_connection_timings:
        yield _connection(connection, owner)
    for run in build.agent_script_timings:
        yield _run(run, owner)


def _step(step: ProvisionerTiming, owner: Owner) -> tuple[Any, ...]:
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


def _run(run: AgentScriptTiming, owner: Owner) -> tuple[Any, ...]:
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


def _connection(connection: AgentConnectionTiming, owner: Owner) -> tuple[Any, ...]:
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
