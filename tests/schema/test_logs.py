from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from characters import is_safe_line, unsafe_characters
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.schema import (
    LogLevel,
    WorkspaceAgent,
    WorkspaceAgentLog,
    from_json,
)

AT = datetime(2026, 11, 22, 8, 36, 52, 999999, tzinfo=UTC)


def test_str_is_the_output_made_safe_for_a_terminal() -> None:
    """
    Colours stay, a cursor move and a newline are shown.
    """
    log = WorkspaceAgentLog(output="\x1b[31mred\x1b[0m\x1b[2J\tnext\n")

    assert str(log) == f"{log}" == "\x1b[31mred\x1b[0m\\x1b[2J\tnext\\x0a"


@pytest.mark.parametrize(
    ("agent", "source", "where"),
    [
        ("main", "Startup", "agent.main|Startup"),
        ("main", "", "agent.main"),
        ("", "Startup", "agent|Startup"),
        ("", "", "agent"),
    ],
)
def test_text_names_what_it_is_given(agent: str, source: str, where: str) -> None:
    """
    The names of agent and source are left out with their signs where they are empty.
    """
    log = WorkspaceAgentLog(created_at=AT, level=LogLevel.WARN, output="hello")

    assert log.text(agent, source) == f"2026-11-22T08:36:52Z [warn] [{where}] hello"


def test_text_shows_control_characters_wherever_they_come_from() -> None:
    """
    Level, names and output may all be hostile: the text is one harmless line.
    """
    log = WorkspaceAgentLog(created_at=AT, level=LogLevel("in\rfo"), output="\x1b[31mred\t\x9bH")

    text = log.text("ma\nin", "Start\x07up")

    assert text == (
        "2026-11-22T08:36:52Z [in\\x0dfo] [agent.ma\\x0ain|Start\\x07up] \\x1b[31mred\t\\x9bH"
    )


def test_a_progress_bar_shows_its_last_state() -> None:
    """
    It does so as text, and as a line of a plain text log; the output itself has all states.
    """
    log = WorkspaceAgentLog(created_at=AT, level=LogLevel.INFO, output=" 9%\r\x1b[K99%\r100%\r")

    assert str(log) == "100%"
    assert log.text() == "2026-11-22T08:36:52Z [info] [agent] 100%"
    assert log.text(raw=True).endswith("[agent]  9%\r\x1b[K99%\r100%\r")


def assert_one_line(output: str, name: str) -> None:
    """
    Check that a log line of these is one line that nothing in it breaks or reorders.
    """
    log = WorkspaceAgentLog(created_at=AT, level=LogLevel(name), output=output)

    assert is_safe_line(re.sub(r"\x1b\[[0-9;:]*m", "", str(log)))
    assert is_safe_line(log.text(name, name))
    assert len(log.text(name, name).splitlines()) == 1


@given(st.text(alphabet=st.characters()), st.text(alphabet=st.characters()))
def test_a_line_is_one_line_whatever_a_script_printed(output: str, name: str) -> None:
    """
    Nothing in the output, the level or the names breaks or reorders ``str(log)`` and its text.
    """
    assert_one_line(output, name)


def test_a_line_is_one_line_with_every_unsafe_character() -> None:
    """
    The same with all of them in one text.
    """
    whole = "".join(sorted(unsafe_characters()))
    assert_one_line(whole, whole)


def test_raw_text_is_untouched() -> None:
    """
    With *raw* every character is as it came.
    """
    log = WorkspaceAgentLog(created_at=AT, level=LogLevel.INFO, output="\x1b[31mred\r\n")

    assert log.text("a", raw=True) == "2026-11-22T08:36:52Z [info] [agent.a] \x1b[31mred\r\n"


def test_text_of_a_line_without_a_time_has_the_zero_time() -> None:
    """
    The deployment writes it in the same way.
    """
    assert WorkspaceAgentLog().text() == "0001-01-01T00:00:00Z [] [agent] "


def test_raw_text_is_the_text_the_deployment_writes(
    recording: Callable[[str, str], dict[str, Any]],
) -> None:
    """
    Lines of the JSON answer, written here, are the deployment's own text answer.
    """
    body = recording("2.31", "logs")["response"]["body"]
    expected = recording("2.31", "logs_text")["response"]["body"]
    agent = from_json(recording("2.31", "agent_connected")["response"]["body"], WorkspaceAgent)
    names = {source.id: source.display_name for source in agent.log_sources}

    logs = from_json(body, list[WorkspaceAgentLog])
    lines = [log.text(agent.name, names[log.source_id], raw=True) for log in logs]

    assert len(lines) == len(json.loads(body)) > 10
    assert "".join(f"{line}\n" for line in lines) == expected


@pytest.mark.parametrize(
    ("output", "cut"), [("x" * 1023, False), ("\U0001f600" * 1024, True), ("x" * 1025, False)]
)
def test_a_line_of_the_longest_length_may_be_cut(output: str, cut: bool) -> None:
    """
    Counted in code points; older deployments keep longer lines whole.
    """
    assert WorkspaceAgentLog(output=output).truncated is cut
