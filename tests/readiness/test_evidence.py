"""
What an agent and its log tell of its startup scripts.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from coder_agents.readiness.evidence import (
    LAST_LINES,
    failure,
    last_lines,
    quoted_lines,
    running_scripts,
    script_name,
)
from coder_agents.schema import (
    LogLevel,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentLog,
    WorkspaceAgentLogSource,
    WorkspaceAgentScript,
    WorkspaceAgentScriptStatus,
)


def script(number: int, status: str | None = None, **fields: Any) -> WorkspaceAgentScript:
    """
    Return a startup script whose lines are of source *number*.
    """
    told = None if status is None else WorkspaceAgentScriptStatus(status)
    settings = {"display_name": f"Script {number}", "run_on_start": True, **fields}
    source = uuid.UUID(int=number)
    return WorkspaceAgentScript(id=source, log_source_id=source, status=told, **settings)


def agent(lifecycle: str, *scripts: WorkspaceAgentScript, **fields: Any) -> WorkspaceAgent:
    """
    Return an agent with *scripts*; their sources are called by their numbers.
    """
    ids = {each.log_source_id for each in scripts}
    return WorkspaceAgent(
        lifecycle_state=WorkspaceAgentLifecycle(lifecycle),
        scripts=scripts,
        log_sources=tuple(
            WorkspaceAgentLogSource(id=each, display_name=f"Source {each.int}") for each in ids
        ),
        **fields,
    )


def line(source: int, output: str, level: str = "info") -> WorkspaceAgentLog:
    """
    Return a line of the source *source*.
    """
    return WorkspaceAgentLog(output=output, level=LogLevel(level), source_id=uuid.UUID(int=source))


LOGS = [
    line(1, "one"),
    line(2, "two", "error"),
    line(1, "three", "error"),
    line(2, "four"),
    line(3, "five"),
]


@pytest.mark.parametrize(
    ("lifecycle", "statuses", "wanted"),
    [
        ("start_error", ("ok", "exit_failure"), 2),
        ("start_error", ("timed_out", "exit_failure"), 2),
        ("start_timeout", ("exit_failure", "timed_out"), 2),
        ("start_error", ("pipes_left_open", "ok"), 1),
        ("start_error", ("from_the_future", None), 1),
        ("start_error", ("ok", "ok"), None),
        ("start_error", (None, None), None),
    ],
)
def test_the_script_that_failed_is_the_one_that_the_state_speaks_of(
    lifecycle: str, statuses: tuple[str | None, ...], wanted: int | None
) -> None:
    """
    The deployment reports it; scripts that do not run at the start are left out.
    """
    scripts = [script(number, status) for number, status in enumerate(statuses, 1)]
    cron = script(9, "exit_failure", run_on_start=False)
    found = failure(agent(lifecycle, cron, *scripts), LOGS)
    assert found.script == (None if wanted is None else scripts[wanted - 1])
    if wanted is not None:
        assert found.source == f"Source {wanted}"
        assert {log.source_id.int for log in found.lines} == {wanted}
    assert found.is_guess == (wanted is None)


def test_without_word_of_a_script_the_last_error_s_source_counts() -> None:
    """
    Where there is no error, it is the whole log that counts.
    """
    known = agent("start_error", script(1), script(2))
    found = failure(known, LOGS)
    assert (found.script, found.source) == (None, "Source 1")
    assert [log.output for log in found.lines] == ["one", "three"]
    quiet = [log for log in LOGS if log.level != "error"]
    found = failure(known, quiet)
    assert (found.source, list(found.lines)) == ("", quiet)
    assert failure(known, []).lines == ()


def test_the_only_script_is_the_one_that_failed() -> None:
    """
    It is so whatever another source has written to standard error; how it ended is not known.
    """
    found = failure(agent("start_error", script(3), script(9, run_on_start=False)), LOGS)
    assert (found.name, found.source, found.is_guess) == ("Script 3", "Source 3", False)
    assert [log.output for log in found.lines] == ["five"]
    assert (found.status, found.exit_code, found.duration) == (None, None, None)


def test_last_lines_are_so_many() -> None:
    """
    They are the last ones of the sources that are asked for.
    """
    logs = [line(number % 2, str(number)) for number in range(100)]
    assert [log.output for log in last_lines(logs)] == [str(number) for number in range(90, 100)]
    chosen = last_lines(logs, [uuid.UUID(int=1)])
    assert len(chosen) == LAST_LINES
    assert [log.output for log in chosen][-2:] == ["97", "99"]


@pytest.mark.parametrize(
    ("lifecycle", "statuses", "wanted"),
    [
        ("starting", (None,), [1]),
        ("starting", (None, None), []),
        ("starting", ("ok", None, None), [2, 3]),
        ("starting", ("ok", "ok"), []),
        ("created", ("ok", None), []),
        ("ready", (None,), []),
    ],
)
def test_which_scripts_run_is_told_only_where_it_is_known(
    lifecycle: str, statuses: tuple[str | None, ...], wanted: list[int]
) -> None:
    """
    It is known by how the others ended, or because there is no other.
    """
    scripts = [script(number, status) for number, status in enumerate(statuses, 1)]
    found = running_scripts(agent(lifecycle, *scripts, script(9, run_on_start=False)))
    assert [each.id.int for each in found] == wanted


def test_a_script_without_a_name_is_called_as_its_source_is() -> None:
    """
    Where that has no name either, it is called by its id; and no name moves a cursor.
    """
    nameless = script(1, display_name="")
    assert script_name(agent("ready", nameless), nameless) == "Source 1"
    assert script_name(WorkspaceAgent(), nameless) == f"script {nameless.id}"
    assert script_name(WorkspaceAgent(), script(1, display_name="\x1b[2J")) == r"\x1b[2J"


def test_quoted_lines_are_harmless_and_no_longer_than_needed() -> None:
    """
    One of output is one of text, and of a progress bar the last state is shown.
    """
    shown = quoted_lines([line(1, "9%\ra\nb\u2028"), line(1, "x" * 500)], "Its end")
    heading, first, second = shown.splitlines()[1:]
    assert (heading, first) == ("Its end:", r"  a\x0ab\u2028")
    assert len(second) == 202
    assert quoted_lines([], "Its end") == ""
