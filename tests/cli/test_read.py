"""
The commands that read, in a pipe and on a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coder_agents.cli.log_lines import LogWriter, shortened
from coder_agents.cli.screen import OutputScreen
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.testing import Deployment

from .conftest import HARMFUL, LONG, Run, TerminalLike

ESCAPE = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")


def plain(text: str) -> str:
    """
    Return *text* without colours and movements of rich.
    """
    return ESCAPE.sub("", text)


def test_list_has_a_row_for_each_agent(run: Callable[..., Run]) -> None:
    """
    The first cell of a row is what other commands take, and the next are the states.
    """
    rows = {row[0]: row[1:5] for row in run("list").rows}
    assert rows["dev.main"] == ["running", "connected", "ready", "embedded"]
    assert "evil.gpu" in rows


def test_list_names_owners_where_there_can_be_several(run: Callable[..., Run]) -> None:
    """
    With a query or --all, the names begin with the owner.
    """
    assert {row[0] for row in run("list", "--query", "name:dev").rows} == {"tester/dev.main"}
    assert "tester/evil.gpu" in {row[0] for row in run("list", "-a").rows}


def test_a_workspace_without_agents_has_a_row(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    A workspace that is stopped is listed, with a dash in place of the states of an agent.
    """
    deployment.workspace("asleep").start_build("stop").complete()
    assert ["asleep", "stopped", "-", "-"] in [row[:4] for row in run("list").rows]


def test_list_shows_the_same_as_json(run: Callable[..., Run], deployment: Deployment) -> None:
    """
    Each row has an object with the same values; what belongs to an agent is null where there is none.
    """
    deployment.workspace("asleep").start_build("stop").complete()
    for more in [], ["--all"]:
        objects = [json.loads(line) for line in run("list", "--json", *more).out.splitlines()]
        names = ("agent", "workspace_status", "status", "lifecycle_state", "template")
        owner = "tester/" if more else ""
        shown = [
            [
                each["agent"] or f"{owner}{each['workspace']}",
                *(each[name] or "-" for name in names[1:]),
            ]
            for each in objects
        ]
        assert shown == [row[:5] for row in run("list", *more).rows]
        assert len({tuple(each) for each in objects}) == 1
    [asleep] = [each for each in objects if each["workspace"] == "asleep"]
    assert (asleep["agent"], asleep["logs_length"], asleep["owner"]) == (None, None, "tester")


def test_workspaces_are_listed(run: Callable[..., Run], deployment: Deployment) -> None:
    """
    With --workspaces, each workspace has one row, with the number of its agents.
    """
    deployment.workspace("asleep").start_build("stop").complete()
    rows = [row[:4] for row in run("list", "--workspaces").rows]
    assert ["dev", "running", "1", "embedded"] in rows
    assert ["asleep", "stopped", "0", "embedded"] in rows
    assert ["tester/dev", "running", "1"] in [
        row[:3] for row in run("list", "--workspaces", "-a").rows
    ]


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (["list"], "agent", "dev.main"),
        (["list", "--workspaces"], "name", "dev"),
        (["wait", "dev"], "agent", "dev.main"),
        (["start", "dev"], "workspace", "dev"),
        (["doctor", "dev"], "name", "websocket"),
        (["show", "dev"], "workspace", "dev"),
        (["show", "--startup", "dev"], "conclusion", "ok"),
        (["logs", "dev", "-n", "1"], "output", "oops"),
        (["metadata", "dev"], "value", "0.42"),
        (["ports", "dev"], "port", 8000),
        (["containers", "dev"], "name", "api"),
        (["jobs", "dev"], "", ""),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_json_has_an_object_in_each_line(
    run: Callable[..., Run], arguments: list[str], key: str, value: Any
) -> None:
    """
    With --json, each line is the record of one row.
    """
    ended = run(*arguments, "--json")
    assert ended.status == 0, ended.err
    records = [json.loads(line) for line in ended.out.splitlines()]
    assert not key or value in [record[key] for record in records]


def test_show_has_a_name_and_a_value_in_each_line(run: Callable[..., Run]) -> None:
    """
    The facts about an agent are pairs.
    """
    facts = dict(run("show", "dev").rows)
    assert facts["status"] == "connected"
    assert facts["workspace"] == "tester/dev"


def test_an_agent_that_was_found_by_its_id_has_no_facts_of_a_workspace(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The deployment does not report the workspace of such an agent.
    """
    agent_id = str(deployment.agents[0].id)
    by_id, by_name = (dict(run("show", ref).rows) for ref in (agent_id, "dev"))
    assert by_id["id"] == by_name["id"] == agent_id
    assert by_id["log"] == by_name["log"]
    assert set(by_name) - set(by_id) >= {"workspace", "workspace status", "template", "build"}


def test_show_startup_has_a_row_for_each_script(run: Callable[..., Run]) -> None:
    """
    A script has its stage, its conclusion and its exit code.
    """
    [row] = run("show", "-s", "dev").rows
    assert row[:5] == ["Startup Script", "start", "ok", "0", "yes"]


def test_logs_have_the_form_of_the_deployment(run: Callable[..., Run]) -> None:
    """
    A line in a pipe has its time, its level, its agent and its source; colours are shown by their codes.
    """
    lines = run("logs", "dev").out.splitlines()
    assert re.fullmatch(r"\S+Z \[info\] \[agent\.main\|Startup Script\] Installing", lines[0])
    assert lines[1].endswith(r"\x1b[32mdone\x1b[0m")


def test_logs_are_filtered(run: Callable[..., Run]) -> None:
    """
    Each filter is passed on.
    """
    for filters in (
        ["--level", "error"],
        ["--grep", "oop"],
        ["-n", "1"],
        ["--source", "Startup Script", "-n1"],
    ):
        [line] = run("logs", "dev", *filters).out.splitlines()
        assert line.endswith("oops")
    assert run("logs", "dev", "--since", "2999-01-01").out == ""


def test_logs_of_several_agents_come_in_order(run: Callable[..., Run]) -> None:
    """
    The lines of several agents name their agents, in the order of the ids; a name in --source has to be a source of
    one of them.
    """
    out = run("logs", "evil", "dev", "dev.main").out
    assert out.index("[agent.dev.main|") < out.index("[agent.evil.gpu|")
    assert out.count("Installing") == 1
    assert run("logs", "evil", "dev", "--source", "External").out.count("\n") == 2
    refused = run("logs", "evil", "dev", "--source", "nothing")
    assert (refused.status, refused.out) == (1, "")


def test_a_log_on_a_terminal_has_colours_and_no_level(shown: Callable[..., Run]) -> None:
    """
    A terminal shows the time, the source and the colours of the script; --text shows what a pipe gets.
    """
    out = shown("logs", "dev").out
    assert "\x1b[32mdone\x1b[0m" in out
    assert "[info]" not in out
    assert "[info]" in shown("logs", "dev", "--text").out
    several = shown("logs", "dev", "evil", "--grep", "Installing").out
    assert "dev.main" in several


def test_a_line_without_a_time_and_a_source_is_its_output(
    environment: Path, deployment: Deployment
) -> None:
    """
    What is not known of a line leaves no gap before it.
    """
    out = TerminalLike()
    with deployment.client() as client:
        agent = client.agent("dev")
        LogWriter(OutputScreen(out), [agent]).write(agent, WorkspaceAgentLog(output="bare"))
    assert out.getvalue() == "bare\n"


def test_no_colour_is_shown_where_none_is_wanted(
    shown: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    NO_COLOR removes the program's colours and those of scripts, and a dumb terminal shows none either.
    """
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown("logs", "dev").out + shown("list").out
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in shown("logs", "dev").out + shown("metadata", "dev").out


def test_metadata_has_a_row_for_each_item(run: Callable[..., Run]) -> None:
    """
    A row has the agent, the key, the name and the value.
    """
    rows = [row[:4] for row in run("metadata", "dev", "evil").rows]
    assert ["dev.main", "load", "load", "0.42"] in rows
    assert {row[0] for row in rows} == {"dev.main", "evil.gpu"}


def test_ports_and_containers_have_rows(run: Callable[..., Run]) -> None:
    """
    Ports and containers are listed, containers with the ports that they expose.
    """
    assert run("ports", "dev").rows == [["8000", "tcp", "python"]]
    rows = run("containers", "dev").rows
    assert ["container", "web", "running", "nginx", "8080->80/tcp"] in rows
    assert rows[0][:2] == ["devcontainer", "api"]


@pytest.mark.parametrize("columns", [80, 40, 10])
@pytest.mark.parametrize("command", ["list", "show", "logs", "metadata", "ports", "containers"])
def test_hostile_values_do_no_harm(
    run: Callable[..., Run], shown: Callable[..., Run], command: str, columns: int
) -> None:
    """
    No value moves the cursor, copies, reorders or is taken for markup, and no table is wider than the terminal.
    """
    arguments = [command] if command == "list" else [command, "evil"]
    ended = shown(*arguments, columns=columns)
    assert ended.status == 0
    assert not any(each in ended.out for each in HARMFUL)
    if command != "logs":
        assert max(len(line) for line in plain(ended.out).splitlines()) <= columns
    if columns == 80 and command in ("logs", "metadata", "ports", "containers"):
        assert "[red]x[/red]" in ended.out
        piped = run(*arguments)
        assert not any(each in piped.out for each in HARMFUL)
        assert "[red]x[/red]" in piped.out


@pytest.mark.parametrize("columns", [20, 40, 200])
@pytest.mark.parametrize(
    "arguments",
    [["list"], ["list", "--workspaces"], ["show", "dev"], ["metadata", "dev"], ["doctor", "dev"]],
    ids=" ".join,
)
def test_a_terminal_without_sequences_has_its_own_width(
    shown: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    columns: int,
) -> None:
    """
    With TERM=dumb a table fits the terminal, also where that is wider than 80 columns, and has no sequences.
    """
    monkeypatch.setenv("TERM", "dumb")
    ended = shown(*arguments, columns=columns)
    assert ended.status == 0
    assert "\x1b" not in ended.out
    widest = max(len(line.rstrip()) for line in ended.out.splitlines())
    assert widest <= columns
    if columns == 200 and arguments == ["doctor", "dev"]:
        assert widest > 80


def test_a_long_line_is_cut_on_a_terminal() -> None:
    """
    A line of 100 KB does not fill a terminal, and the number of its other characters is shown.
    """
    assert shortened(LONG) == f"{LONG[:4_096]}… (95,904 more characters)"
    assert shortened(LONG[:4_096]) == LONG[:4_096]
