"""
What the timings of a build report of the runs of an agent's scripts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from coder_agents.readiness.evidence import failure
from coder_agents.readiness.report import report_startup
from coder_agents.readiness.runs import connect_duration, unfinished
from coder_agents.schema import (
    AgentConnectionTiming,
    AgentScriptTiming,
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentScriptStatus,
    WorkspaceBuildTimings,
)

from .test_evidence import LOGS, agent, script

BEGAN = datetime(2026, 1, 1, 10, tzinfo=UTC)


def run(name: str, status: str = "ok", code: int = 0, **fields: Any) -> AgentScriptTiming:
    """
    Return a run at the start, of a script of the agent without an id, from second 1 to second 3.
    """
    timing = AgentScriptTiming(
        display_name=name,
        status=WorkspaceAgentScriptStatus(status),
        exit_code=code,
        stage=TimingStage.START,
        started_at=BEGAN + timedelta(seconds=1),
        ended_at=BEGAN + timedelta(seconds=3),
    )
    return attrs.evolve(timing, **fields)


def listed(*timings: AgentScriptTiming) -> WorkspaceBuildTimings:
    """
    Return the timings of a build with these runs.
    """
    return WorkspaceBuildTimings(agent_script_timings=timings)


def test_runs_of_others_do_not_count() -> None:
    """
    Runs of another agent, of the stop, by the clock, and of a start before this one of the same
    agent are left out.
    """
    known = agent("starting", script(1, display_name="One"), started_at=BEGAN)
    early = BEGAN - timedelta(seconds=1)
    others = listed(
        run("One", workspace_agent_id=script(7).id),
        run("One", stage=TimingStage.STOP),
        run("One", stage=TimingStage.CRON),
        run("One", ended_at=early),
        run("One", ended_at=None),
    )
    assert report_startup(known, [], others).scripts[0].conclusion == "running"
    assert len(unfinished(known, others)) == 1
    own = listed(run("One", "exit_failure", 3, ended_at=early), run("One"))
    assert report_startup(known, [], own).scripts[0].conclusion == "ok"


def test_a_script_without_a_name_is_listed_as_its_source_is() -> None:
    """
    There are releases whose scripts have no names.
    """
    known = agent("start_error", script(1, display_name=""), script(2, display_name=""))
    timings = listed(run("Source 1"), run("Source 2", "exit_failure", 3))
    found = report_startup(known, LOGS, timings).scripts
    assert [(each.conclusion, each.exit_code) for each in found] == [("ok", 0), ("failed", 3)]
    assert failure(known, LOGS, timings).script == known.scripts[1]


@pytest.mark.parametrize(
    ("timings", "wanted", "running"),
    [
        ([], ["running", "running"], 2),
        ([run("Same")], ["unknown", "unknown"], 1),
        ([run("Same"), run("Same")], ["ok", "ok"], 0),
        ([run("Same"), run("Same", "exit_failure", 3)], ["unknown", "unknown"], 0),
    ],
)
def test_scripts_of_one_name_are_told_apart_only_where_that_does_not_matter(
    timings: list[AgentScriptTiming], wanted: list[str], running: int
) -> None:
    """
    How long each took is never known then, and how many run always is.
    """
    scripts = [script(number, display_name="Same") for number in (1, 2)]
    known = agent("starting", *scripts)
    found = report_startup(known, [], listed(*timings)).scripts
    assert [each.conclusion for each in found] == wanted
    assert [each.duration for each in found] == [None, None]
    assert len(unfinished(known, listed(*timings))) == running


def test_a_failure_of_one_of_several_scripts_of_one_name_has_its_code() -> None:
    """
    Which of the scripts it is stays open, and the lines are of all of them.
    """
    scripts = [script(number, display_name="Sa\x1bme") for number in (1, 2)]
    known = agent("start_error", *scripts, script(3))
    found = failure(known, LOGS, listed(run("Sa\x1bme"), run("Sa\x1bme", "exit_failure", 3)))
    assert (found.name, found.source, found.script) == (r"Sa\x1bme", r"Sa\x1bme", None)
    assert (found.exit_code, found.duration) == (3, timedelta(seconds=2))
    assert [log.output for log in found.lines] == ["one", "two", "three", "four"]
    assert not found.is_guess


def test_what_is_not_listed_is_as_the_state_says() -> None:
    """
    A run that is not listed though the start is over was not reported, or not yet.
    """
    for state, wanted in (("ready", "ok"), ("start_error", "unknown"), ("created", "not started")):
        known = agent(state, script(1, display_name="One"))
        assert report_startup(known, [], listed()).scripts[0].conclusion == wanted
    unheard = listed(run("One", "from_the_future"))
    assert report_startup(known, [], unheard).scripts[0].conclusion == "unknown"


def test_the_first_connection_is_the_agent_s_own() -> None:
    """
    It is not that of another agent of the same build; there is none where the agent never
    connected.
    """
    other = AgentConnectionTiming(workspace_agent_id=script(7).id, started_at=BEGAN, ended_at=BEGAN)
    own = AgentConnectionTiming(started_at=BEGAN, ended_at=BEGAN + timedelta(seconds=19.6))
    timings = WorkspaceBuildTimings(agent_connection_timings=(other, own))
    assert connect_duration(WorkspaceAgent(), timings) == timedelta(seconds=19.6)
    timings = WorkspaceBuildTimings(agent_connection_timings=(other,))
    assert connect_duration(WorkspaceAgent(), timings) is None
    assert "connected after" not in str(report_startup(WorkspaceAgent(), [], timings))
