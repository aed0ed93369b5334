"""
What the start-up of an agent did.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from characters import is_safe_line, unsafe_characters
from markup import checked

from coder_agents import (
    Client,
    ReadyTimeoutError,
    ScriptConclusion,
    ServerError,
    StartupReport,
)
from coder_agents.readiness.report import report_startup
from coder_agents.render import text_width
from coder_agents.schema import WorkspaceAgent, WorkspaceAgentLog
from coder_agents.testing import Deployment, Script

from .test_evidence import agent, line, script

BEGAN = datetime(2026, 1, 1, 10, tzinfo=UTC)


def at(seconds: float, source: int = 1) -> WorkspaceAgentLog:
    """
    Return a line that was stored so long after the start.
    """
    return attrs.evolve(line(source, "out"), created_at=BEGAN + timedelta(seconds=seconds))


def started(lifecycle: str, *scripts: Any, ready: float | None = None) -> WorkspaceAgent:
    """
    Return an agent that began to start then, and was ready so long after.
    """
    ready_at = None if ready is None else BEGAN + timedelta(seconds=ready)
    return agent(lifecycle, *scripts, started_at=BEGAN, ready_at=ready_at)


SCRIPTS = [
    Script("echo one; echo two", "Install"),
    Script("echo '\x1b[1m<no>' >&2; exit 3", "Dotfiles", start_blocks_login=False),
    Script("sleep 60", "Slow", timeout=0.3),
    Script("echo tick", "Cron", run_on_start=False, cron="0 0 5 * * *"),
    Script("echo saved", "Save", run_on_start=False, run_on_stop=True),
]


def test_the_report_is_exact_on_every_release(each_release: Deployment) -> None:
    """
    How each script ended, with which code and how long it took, is what its build lists.
    """
    each_release.add_agent(scripts=SCRIPTS).wait_started()
    with each_release.client() as client:
        agent = client.agent("dev")
        report, timings = agent.startup_report(), agent.build_timings()
    found = report.scripts
    assert [each.name for each in found] == ["Install", "Dotfiles", "Slow"]
    assert [each.source for each in found] == ["Install", "Dotfiles", "Slow"]
    assert [each.blocks_login for each in found] == [True, False, True]
    assert [each.conclusion for each in found] == ["ok", "failed", "timed out"]
    assert [each.exit_code for each in found] == [0, 3, 255]
    assert [each.status for each in found] == ["ok", "exit_failure", "timed_out"]
    took = {each.display_name: each.duration for each in timings.agent_script_timings}
    assert {each.name: each.duration for each in found} == took
    outputs = [[log.output for log in each.last_lines] for each in found]
    assert outputs == [["one", "two"], ["\x1b[1m<no>"], []]
    assert found[0].script.script == "echo one; echo two"
    (connection,) = timings.agent_connection_timings
    assert report.connect_duration == connection.duration
    assert not report.is_guess
    assert [each.conclusion for each in report.stop_scripts] == ["not started"]
    assert "; connected after 0.0 s\n" in str(report)
    assert "Took ≥" not in str(report)
    # The text has no colours; a notebook shows them.
    assert str(report).splitlines()[4].endswith("  <no>")


def test_what_has_not_ended_is_what_runs(each_release: Deployment) -> None:
    """
    Where several scripts have one name, so many of them run as have not ended.
    """
    scripts = [Script("true", "Quick"), Script("sleep 60", "Slow"), Script("true", "Same")]
    embedded = each_release.add_agent(scripts=[*scripts, Script("sleep 60", "Same")])
    with each_release.client() as client:
        agent = client.agent("dev")
        while len(agent.build_timings().agent_script_timings) < 2:
            time.sleep(0.01)
        report = agent.startup_report()
        with pytest.raises(ReadyTimeoutError) as caught:
            agent.wait_ready(0)
    assert embedded.data.lifecycle_state == "starting"
    found = [each.conclusion for each in report.scripts]
    assert found == ["ok", "running", "unknown", "unknown"]
    assert caught.value.running == ("Slow", "Same")


def test_scripts_of_the_stop_are_reported(each_release: Deployment) -> None:
    """
    The build whose agent ran them reports them, though the workspace has a newer one by then.
    """
    failing = Script("echo full >&2; exit 4", "Sync", run_on_start=False, run_on_stop=True)
    embedded = each_release.add_agent(scripts=[Script("sleep 60", "Live"), *SCRIPTS[-1:], failing])
    with each_release.client() as client:
        agent = client.agent("dev")
        embedded.stop()
        report = agent.startup_report()
    found = [(each.name, each.conclusion, each.exit_code) for each in report.stop_scripts]
    assert found == [("Save", "ok", 0), ("Sync", "failed", 4)]
    assert all(each.duration is not None for each in report.stop_scripts)
    assert [log.output for log in report.stop_scripts[1].last_lines] == ["full"]
    assert [each.stage for each in report.scripts + report.stop_scripts] == ["start"] + ["stop"] * 2
    # The stop has killed what still ran.
    assert (report.scripts[0].conclusion, report.scripts[0].exit_code) == ("failed", 255)
    assert "Sync (stop)" in str(report)


def test_the_report_is_a_guess_only_where_the_workspace_is_not_known(
    each_release: Deployment, release: str
) -> None:
    """
    The agent's own UUID leads to no build: conclusions come from 2.35 on, and the report says what it is.
    """
    embedded = each_release.add_agent(scripts=SCRIPTS)
    embedded.wait_started()
    with each_release.client() as client:
        agent = client.agent(embedded.id)
        report = agent.startup_report()
        with pytest.raises(ValueError, match="found by its own UUID"):
            agent.build_timings()
    is_reported = release == "2.35"
    found = report.scripts
    ends = ["ok", "failed", "timed out"] if is_reported else ["unknown"] * 3
    assert [each.conclusion for each in found] == ends
    assert [each.exit_code for each in found] == ([0, 3, 255] if is_reported else [None] * 3)
    assert [each.status is not None for each in found] == [is_reported] * 3
    assert found[0].duration is not None
    assert (found[2].duration is not None) == is_reported
    assert (report.is_guess, report.connect_duration) == (True, None)
    assert [each.conclusion for each in report.stop_scripts] == ["not started"]
    heading, columns, *_ = str(report).splitlines()
    assert heading.endswith("; guessed from its log")
    assert "Took ≥" in columns


@pytest.mark.parametrize(
    ("status", "message"), [(403, "no"), (404, "gone"), (404, "Route not found.")]
)
def test_a_build_that_lists_nothing_leaves_a_guess(
    deployment: Deployment, client: Client, status: int, message: str
) -> None:
    """
    Where the deployment does not have the call, or does not answer it to this user.
    """
    deployment.add_agent(scripts=["true"]).wait_started()
    deployment.faults.add("refuse", route="build_timings", status=status, message=message)
    agent = client.agent("dev")
    assert agent.startup_report().is_guess
    deployment.faults.add("refuse", route="build_timings", status=503)
    with pytest.raises(ServerError):
        agent.startup_report()


def test_one_script_can_be_told_of_by_every_release(each_release: Deployment) -> None:
    """
    The agent's state is its own, also where its workspace is not known.
    """
    wrong = each_release.add_agent("wrong", scripts=["exit 3"])
    late = each_release.add_agent("late", scripts=[Script("sleep 60", timeout=0.1)])
    busy = each_release.add_agent("busy", scripts=["sleep 60"])
    well = each_release.add_agent("well", scripts=["sleep 0.01"])
    for embedded in (wrong, late, well):
        embedded.wait_started()
    with each_release.client() as client:
        reports = [client.agent(each.id).startup_report() for each in (wrong, late, busy, well)]
    found = [each.scripts[0] for each in reports]
    assert [each.conclusion for each in found] == ["failed", "timed out", "running", "ok"]
    assert [each.duration is None for each in found] == [False, False, True, False]


@pytest.mark.parametrize(
    ("lifecycle", "stops", "wanted"),
    [
        ("ready", 1, "not started"),
        ("shutting_down", 1, "running"),
        ("shutting_down", 2, "unknown"),
        ("off", 2, "ok"),
        ("shutdown_error", 1, "failed"),
        ("shutdown_error", 2, "unknown"),
        ("shutdown_timeout", 1, "timed out"),
    ],
)
def test_a_stop_is_guessed_from_the_state(lifecycle: str, stops: int, wanted: str) -> None:
    """
    A script that runs at the start too may owe its status to that.
    """
    both = script(1, "exit_failure", run_on_stop=True)
    known = agent(lifecycle, *[both] * (stops - 1), script(2, run_on_start=False, run_on_stop=True))
    found = report_startup(known, []).stop_scripts
    assert [each.conclusion for each in found] == [wanted] * stops
    assert [each.status for each in found] == [None] * stops


@pytest.mark.parametrize(
    ("lifecycle", "statuses", "wanted"),
    [
        ("created", (None, None), ["not started", "not started"]),
        ("starting", (None, None), ["unknown", "unknown"]),
        ("starting", ("ok", None), ["ok", "running"]),
        ("ready", (None, None), ["ok", "ok"]),
        ("start_error", ("exit_failure", None), ["failed", "unknown"]),
        ("start_error", ("from_the_future", "ok"), ["unknown", "ok"]),
        ("start_error", ("pipes_left_open", "timed_out"), ["pipes left open", "timed out"]),
        ("start_error", (None,), ["failed"]),
        ("start_timeout", (None,), ["timed out"]),
        ("off", (None,), ["unknown"]),
        ("from_the_future", (None,), ["unknown"]),
    ],
)
def test_nothing_is_concluded_that_is_not_known(
    lifecycle: str, statuses: tuple[str | None, ...], wanted: list[str]
) -> None:
    """
    What is reported follows from the statuses of scripts and the state of the agent.
    """
    scripts = [script(number, status) for number, status in enumerate(statuses, 1)]
    report = report_startup(agent(lifecycle, *scripts), [])
    assert [each.conclusion for each in report.scripts] == wanted
    assert all(isinstance(each.conclusion, ScriptConclusion) for each in report.scripts)


ONE, TWO = script(1), script(2)
LATE = script(1, "timed_out", timeout=timedelta(seconds=7))


@pytest.mark.parametrize(
    ("known", "logs", "wanted"),
    [
        # The only one: what the agent's times say, whatever it printed.
        (started("ready", ONE, ready=3), [at(1)], 3),
        (started("starting", ONE), [at(1), at(2)], 2),
        # One of several: until its last line, but no longer than all of them.
        (started("ready", ONE, TWO, ready=9), [at(1), at(4), at(6, 2)], 4),
        (started("ready", ONE, TWO, ready=9), [at(1), at(900)], 9),
        (started("ready", ONE, TWO, ready=9), [at(6, 2)], None),
        # Where it timed out, as long as it may run.
        (started("start_timeout", LATE, TWO, ready=9), [], 7),
        (started("start_timeout", LATE, TWO, ready=9), [at(8)], 8),
        # Clocks apart, by more than it ran.
        (started("ready", ONE, TWO, ready=9), [at(-9), at(-7)], 2),
        # Started anew: ready is what it was before.
        (started("starting", ONE, TWO, ready=-5), [at(2)], 2),
        # Nothing tells.
        (agent("created", ONE, TWO), [at(2)], None),
        (started("starting", ONE, TWO), [line(1, "no time")], None),
    ],
)
def test_a_duration_is_what_can_be_known(
    known: WorkspaceAgent, logs: list[WorkspaceAgentLog], wanted: float | None
) -> None:
    """
    It is the least time that the script can have taken.
    """
    found = report_startup(known, logs).scripts[0].duration
    assert found == (None if wanted is None else timedelta(seconds=wanted))


def example() -> StartupReport:
    """
    Return a report with output that would like to be more than text.
    """
    bad = script(1, "exit_failure", display_name="a<b>\x1b[2J" + "n" * 40, exit_code=3)
    wide = script(2, display_name="容器", start_blocks_login=True)
    logs = [line(1, "first"), line(1, "<script>alert('1')</script>\x07"), line(2, "y" * 200)]
    known = agent("start_error", bad, wide, name="ma\x1bin", logs_overflowed=True)
    return report_startup(known, logs)


def test_the_text_is_a_table_that_fits_a_terminal() -> None:
    """
    Eighty places wide, one line for each script, and nothing a terminal obeys.
    """
    heading, columns, rule, *rows = str(example()).splitlines()
    assert heading == (
        r"Start-up of agent ma\x1bin: , start_error; guessed from its log; its log is full, so"
        " later lines are missing"
    )
    assert " ".join(columns.split()) == "Script Conclusion Exit Blocks Took ≥ Last line"
    assert rule.startswith("-----")
    assert len(rows) == 2
    assert rows[0].startswith(r"a<b>\x1b[2Jnnnnnnnn…")
    assert rows[0].split()[1:4] == ["failed", "3", "no"]
    assert all(text_width(each) <= 80 for each in (columns, rule, *rows))
    assert text_width(rows[1]) == 80
    assert "\x1b" not in str(example())


def test_no_output_breaks_or_reorders_a_report_and_a_bar_shows_its_last_state() -> None:
    """
    In the table and in HTML each line of output is one line, and of a progress bar the last state.
    """
    # Of each kind of halves of surrogate pairs one: a line has at most 1,024 characters.
    halves = {chr(code) for code in range(0xD801, 0xE000)}
    whole = "".join(sorted(unsafe_characters() - {"\r"} - halves))
    first = script(1, "exit_failure", display_name=whole, exit_code=3)
    logs = [line(1, f"{whole}<"), line(1, " 9%\r100%\r")]
    report = report_startup(agent("start_error", first, name=whole), logs)

    assert all(map(is_safe_line, str(report).split("\n")))
    assert str(report).endswith("  100%")
    assert all(map(is_safe_line, report._repr_html_().split("\n")))
    assert "&lt;\n100%</pre>" in report._repr_html_()


def test_the_html_shows_the_last_lines_as_text() -> None:
    """
    Markup in them is shown, not obeyed.
    """
    shown = example()._repr_html_()
    assert "<script>" not in shown
    assert "first\n&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;\\x07</pre>" in shown
    assert "\x1b" not in shown
    assert shown.count("<tr>") == 3
    assert checked(shown).texts[0].startswith("Start-up of agent ma\\x1bin: ")


def test_a_report_of_no_scripts_says_so() -> None:
    """
    Its table has no rows.
    """
    report = report_startup(agent("ready", name="main"), [])
    assert len(str(report).splitlines()) == 3
    assert report.scripts == ()
