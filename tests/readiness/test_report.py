"""
What the start-up of an agent did.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from characters import UNSAFE, is_safe_line

from coder_agents import ScriptConclusion, StartupReport
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


def test_each_release_tells_what_it_knows(each_release: Deployment, release: str) -> None:
    """
    Conclusions from 2.35 on, sources and last lines always.
    """
    scripts = [
        Script("echo one; echo two", "Install"),
        Script("echo '\x1b[1m<no>' >&2; exit 3", "Dotfiles", start_blocks_login=False),
        Script("sleep 60", "Slow", timeout=0.3),
        Script("echo tick", "Cron", run_on_start=False, cron="0 0 5 * * *"),
    ]
    each_release.add_agent(scripts=scripts).wait_started()
    with each_release.client() as client:
        report = client.agent("dev").startup_report()
    tells = release == "2.35"
    found = report.scripts
    assert [each.name for each in found] == ["Install", "Dotfiles", "Slow"]
    assert [each.source for each in found] == ["Install", "Dotfiles", "Slow"]
    assert [each.blocks_login for each in found] == [True, False, True]
    ends = ["ok", "failed", "timed out"] if tells else ["unknown"] * 3
    assert [each.conclusion for each in found] == ends
    assert [each.exit_code for each in found] == ([0, 3, -1] if tells else [None] * 3)
    assert [each.status is not None for each in found] == [tells] * 3
    outputs = [[log.output for log in each.last_lines] for each in found]
    assert outputs == [["one", "two"], ["\x1b[1m<no>"], []]
    assert found[0].duration is not None
    assert (found[2].duration is not None) == tells
    assert found[0].script.script == "echo one; echo two"


def test_one_script_can_be_told_of_by_every_release(each_release: Deployment) -> None:
    """
    The agent's state is its own.
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
    From the statuses of scripts and the state of the agent.
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
    At least so long.
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
        r"Start-up of agent ma\x1bin: , start_error; its log is full, and lacks later lines"
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
    whole = "".join(sorted(UNSAFE - {"\r"}))
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
    assert "<caption" in shown


def test_a_report_of_no_scripts_says_so() -> None:
    """
    By a table without rows.
    """
    report = report_startup(agent("ready", name="main"), [])
    assert len(str(report).splitlines()) == 3
    assert report.scripts == ()
