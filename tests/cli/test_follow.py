"""
The commands that wait and follow, in this process.
"""

from __future__ import annotations

import functools
import io
import json
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from driving import InThread, reached
from paced import paced

from coder_agents import Agent, MetadataStream, StreamOptions
from coder_agents.cli import exits
from coder_agents.cli.progress import waiting
from coder_agents.cli.screen import Screen
from coder_agents.cli.settings import Settings
from coder_agents.cli.watching import show_states
from coder_agents.schema import (
    ProvisionerJobLog,
    WorkspaceAgentContainer,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPort,
)
from coder_agents.testing import Deployment, Script

from .conftest import HARMFUL, HOSTILE, Run, TerminalLike

GONE = '{"message": "Agent doesn\'t exist with that id, or you do not have access to it."}'
JSON = {"Content-Type": "application/json"}


def end_logs(deployment: Deployment, count: int) -> None:
    """
    End the next *count* logs that are followed after what is stored, as if the agents were deleted.
    """
    for _ in range(count):
        deployment.faults.add("close", route="logs_follow", after=1)
    for _ in range(count):
        deployment.faults.add("refuse", route="logs_follow", status=404, headers=JSON, body=GONE)


def test_a_followed_log_ends_as_the_log_does(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    Stored lines come first, and the command ends with the log.
    """
    end_logs(deployment, 1)
    ended = run("logs", "-f", "dev", "-n", "2")
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[-1].endswith("oops")


def test_a_followed_log_continues_after_its_bookmark(
    run: Callable[..., Run], deployment: Deployment, tmp_path: Path
) -> None:
    """
    The second command prints only what the first one has not printed, whatever --tail is.
    """
    path = tmp_path / "bookmarks.json"
    lines = []
    for new in ("first", "second"):
        deployment.agents[0].push_logs([new])
        end_logs(deployment, 1)
        ended = run("logs", "-f", "dev", "-n", "2", "--bookmarks", str(path))
        assert ended.status == 0, ended.err
        lines.append([line.rpartition("] ")[2] for line in ended.out.splitlines()])
        deployment.faults.clear()
    assert [each[-1] for each in lines] == ["first", "second"]
    assert [len(each) for each in lines] == [2, 1]


def test_a_damaged_file_of_bookmarks_is_reported(run: Callable[..., Run], tmp_path: Path) -> None:
    """
    The message names the file, without a traceback.
    """
    path = tmp_path / "bookmarks.json"
    path.write_text("{}")
    ended = run("logs", "-f", "dev", "--bookmarks", str(path))
    assert ended.status != 0
    assert "bookmarks.json is damaged" in ended.err
    assert "Traceback" not in ended.err


def test_followed_logs_of_several_agents_name_their_agents(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The logs of several agents are followed in one stream, as JSON with the agents' names.
    """
    end_logs(deployment, 2)
    ended = run("logs", "-f", "dev", "evil", "--json")
    agents = {json.loads(line)["agent"] for line in ended.out.splitlines()}
    assert agents == {"dev.main", "evil.gpu"}


@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_an_agent_whose_log_fails_does_not_stop_the_others(
    run: Callable[..., Run], deployment: Deployment, follow: list[str]
) -> None:
    """
    Where the log of one agent is refused, the other log is printed, the error is reported, and the code is 1.
    """
    route = "logs_follow" if follow else "logs"
    refused = {"message": "No."}
    deployment.faults.add("refuse", route=route, status=403, headers=JSON, body=json.dumps(refused))
    if follow:
        end_logs(deployment, 1)
    ended = run("logs", *follow, "dev", "evil")
    assert ended.status == exits.FAILED
    assert "status code 403" in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out


def test_the_only_log_that_fails_is_an_error(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The log of a single agent that is refused is the error of the command.
    """
    deployment.faults.add("refuse", route="logs", status=403, headers=JSON, body="{}")
    ended = run("logs", "dev")
    assert (ended.status, ended.out) == (exits.FAILED, "")


def test_a_log_is_followed_across_builds(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The lines of the next build's agent follow those of the last one, until the workspace is deleted.
    """
    with Deployment() as deployment:
        deployment.add_agent().push_logs(["first"])
        workspace = deployment.workspace()

        def build() -> None:
            reached(lambda: any(each.route == "logs_follow" for each in deployment.requests))
            started = workspace.start_build("start")
            started.add_agent("main").push_logs(["second"])
            started.complete()
            second = str(started.agents[0].id)
            reached(lambda: any(second in each.target for each in deployment.requests))
            workspace.start_build("delete").complete()

        options = paced(
            StreamOptions(settle=0.2), max_settling=0.2, second_try=0.05, third_try=0.05
        )
        quick = functools.partialmethod(Settings.client, stream_options=options)
        monkeypatch.setattr(Settings, "client", quick)
        monkeypatch.setenv("CODER_URL", deployment.url)
        monkeypatch.setenv("CODER_SESSION_TOKEN", deployment.token)
        builder = InThread(build)
        ended = run("logs", "-f", "--across-builds", "dev")
        assert builder.ended() is None
    assert ended.status == 0, ended.err
    assert [line.split()[-1] for line in ended.out.splitlines()] == ["first", "second"]


class Interrupting(Screen):
    """
    A screen at which Ctrl-C is pressed when the first state is shown.
    """

    def flush(self) -> None:
        """
        Show what was written, and press Ctrl-C.
        """
        super().flush()
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (["metadata", "dev"], ["dev.main", "load", "load", "0.42"]),
        (["ports", "dev"], ["opened", "8000", "tcp", "python"]),
        (["containers", "dev"], ["added", "devcontainer", "api"]),
    ],
    ids=" ".join,
)
def test_states_are_watched_until_ctrl_c(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, arguments: list[str], cells: list[str]
) -> None:
    """
    In a pipe, the first rows are the current state; the code after Ctrl-C is 130.
    """
    monkeypatch.setattr("coder_agents.cli.screen.Screen", Interrupting)
    ended = run(*arguments, "--watch")
    assert ended.status == exits.INTERRUPTED
    assert ended.err == ""
    assert cells in [row[: len(cells)] for row in ended.rows]
    found = [json.loads(line) for line in run(*arguments, "-w", "--json").out.splitlines()]
    assert {record["agent"] for record in found} <= {"dev.main", "evil.gpu"}


@pytest.mark.parametrize("command", ["metadata", "ports", "containers"])
def test_a_terminal_redraws_states_in_place(
    shown: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """
    On a terminal, the table is drawn, and the cursor is shown again at the end.
    """
    from rich.live import Live

    refresh = Live.refresh

    def once(live: Live) -> None:
        refresh(live)
        if live.is_started:
            raise KeyboardInterrupt

    monkeypatch.setattr(Live, "refresh", once)
    ended = shown(command, "dev", "-w")
    assert ended.status == exits.INTERRUPTED
    assert ended.out.rindex("\x1b[?25h") > ended.out.rindex("\x1b[?25l")


def test_metadata_of_several_agents_is_watched_together(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The items of each agent are written once, when they come.
    """
    lines: list[str] = []
    write = Screen.line

    def until_both(screen: Screen, text: str = "") -> None:
        write(screen, text)
        lines.append(text)
        if {line.partition("\t")[0] for line in lines} == {"dev.main", "evil.gpu"}:
            raise KeyboardInterrupt

    monkeypatch.setattr(Screen, "line", until_both)
    assert run("metadata", "dev", "evil", "-w").status == exits.INTERRUPTED
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_watched_metadata_ends_with_its_streams(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """
    Several agents are polled in turn, with pauses, until the last stream has ended; the code is 0.
    """
    streams: list[MetadataStream] = []
    watch, write, sleep = Agent.watch_metadata, Screen.line, time.sleep
    lines: list[str] = []
    pauses: list[float] = []

    def watched(agent: Agent) -> MetadataStream:
        streams.append(watch(agent))
        return streams[-1]

    def line(screen: Screen, text: str = "") -> None:
        write(screen, text)
        lines.append(text)

    def pause(seconds: float) -> None:
        sleep(seconds)
        pauses.append(seconds)
        if all(any(name in text for text in lines) for name in ("dev.main", "evil.gpu")):
            for stream in streams:
                stream.close()

    monkeypatch.setattr(Agent, "watch_metadata", watched)
    monkeypatch.setattr(Screen, "line", line)
    # Not time.sleep itself, which the deployment's threads call, too.
    monkeypatch.setattr("coder_agents.cli.commands.metadata.time", SimpleNamespace(sleep=pause))
    ended = run("metadata", "dev", "evil", "-w", *options)
    assert (ended.status, ended.err) == (0, "")
    assert len(streams) == 2
    assert ended.out.splitlines() == lines
    assert len(lines) == len(set(lines))
    assert pauses


def test_watched_metadata_of_one_agent_ends_with_its_stream(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A single stream is waited for without pauses, and its end is the end of the command.
    """
    streams: list[MetadataStream] = []
    watch, write = Agent.watch_metadata, Screen.line

    def watched(agent: Agent) -> MetadataStream:
        streams.append(watch(agent))
        return streams[-1]

    def line(screen: Screen, text: str = "") -> None:
        write(screen, text)
        streams[-1].close()

    monkeypatch.setattr(Agent, "watch_metadata", watched)
    monkeypatch.setattr(Screen, "line", line)
    monkeypatch.setattr("coder_agents.cli.commands.metadata.time", None)  # no pause is made
    ended = run("metadata", "dev", "-w")
    assert (ended.status, ended.err) == (0, "")
    assert [row[:2] for row in ended.rows] == [["dev.main", "load"]]


def test_watched_metadata_that_breaks_off_is_an_error(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    What came before is printed, and the code is 1 where the deployment has no such agent any more.
    """
    deployment.faults.add("drop", route="watch_metadata", after=1)
    deployment.faults.add("refuse", route="watch_metadata", status=404, headers=JSON, body=GONE)
    ended = run("metadata", "dev", "-w", "--json")
    assert (ended.status, ended.err.count("\n")) == (exits.FAILED, 1)
    assert "status code 404" in ended.err
    assert json.loads(ended.out.splitlines()[0])["value"] == "0.42"


def test_states_that_end_stay_on_the_terminal(environment: Path) -> None:
    """
    Each state is drawn over the one before, and the last one is left there.
    """
    out = TerminalLike()
    states = (text for text in ("first", "second"))
    appended: list[object] = []

    def append(before: str | None, after: str) -> None:
        appended.append((before, after))

    def draw(text: str, width: int) -> str:
        return f"{text} of {width}"

    show_states(Screen(out), states, draw=draw, append=append, in_place=True)
    assert out.getvalue().index("first of 80") < out.getvalue().index("second of 80")
    assert appended == []
    with pytest.raises(StopIteration):
        next(states)


def yielding(states: list[Any]) -> Callable[..., Generator[Any, None, None]]:
    """
    Return a method that yields *states* in place of what a deployment reports.
    """

    def watch(self: object) -> Generator[Any, None, None]:
        yield from states

    return watch


def test_changes_of_ports_have_a_word(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A port that closes has a row, too.
    """
    port = WorkspaceAgentListeningPort(process_name="web", network="tcp", port=80)
    watch = yielding([[port], []])
    monkeypatch.setattr("coder_agents.Agent.watch_listening_ports", watch)
    assert run("ports", "dev", "-w").rows == [
        ["opened", "80", "tcp", "web"],
        ["closed", "80", "tcp", "web"],
    ]
    lines = run("ports", "dev", "-w", "--json").out.splitlines()
    assert [json.loads(line)["change"] for line in lines] == ["opened", "closed"]


def test_changes_of_containers_have_a_word(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A container is added, changed and removed, and a state that is the same has no row.
    """

    def state(**fields: Any) -> WorkspaceAgentListContainersResponse:
        container = WorkspaceAgentContainer(id="c", name="web", **fields)
        return WorkspaceAgentListContainersResponse(containers=(container,))

    empty = WorkspaceAgentListContainersResponse()
    watch = yielding([state(), state(), state(status="exited"), empty])
    monkeypatch.setattr("coder_agents.Agent.watch_containers", watch)
    words = [row[0] for row in run("containers", "dev", "-w").rows]
    assert words == ["added", "changed", "removed"]
    lines = run("containers", "dev", "-w", "--json").out.splitlines()
    assert [json.loads(line)["change"] for line in lines] == words


def test_an_agent_whose_metadata_fails_is_reported(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    The metadata of the other agents is printed, and the code is 1.
    """
    for route in ("watch_metadata", "watch_metadata_ws"):
        if route in deployment.faults._protocols:
            deployment.faults.add("refuse", route=route, status=403, headers=JSON, body="{}")
    ended = run("metadata", "dev", "evil")
    deployment.faults.clear()
    assert ended.status == exits.FAILED
    assert ended.err.count("\n") == 1
    assert ended.out


def test_wait_prints_the_states(run: Callable[..., Run], shown: Callable[..., Run]) -> None:
    """
    An agent that is ready is printed with its states, and --log prints its log on standard error.
    """
    ended = run("wait", "dev", "-l")
    assert ended.rows == [["dev.main", "connected", "ready"]]
    assert "Installing" in ended.err
    quiet = run("wait", "dev", "--start")
    assert (quiet.rows, quiet.err) == (ended.rows, "")
    on_terminal = shown("wait", "dev", "--log")
    assert "\x1b[32mdone" in on_terminal.err


def test_a_workspace_is_started_stopped_and_waited_for(
    run: Callable[..., Run], shown: Callable[..., Run], deployment: Deployment
) -> None:
    """
    Builds are requested and waited for; the error of a stopped workspace names the command that starts it.
    """
    deployment.add_agent(workspace="built", scripts=[Script("echo hello")])
    assert run("stop", "built").rows[0][:2] == ["built", "stop"]
    asleep = run("show", "built")
    assert "coder-agents start WORKSPACE" in asleep.err
    assert run("start", "built", "-q").rows[0][:2] == ["built", "start"]
    again = run("restart", "built", "--timeout", "60")
    assert again.rows[0][0] == "built"
    assert run("stop", "built", "--no-wait").status == 0
    ready = shown("wait", "built", "--start", "--log")
    assert ready.status == 0, ready.err
    assert ready.out.startswith("built.main\t")
    assert run("start", "nothing").status == exits.FAILED


def test_lines_of_builds_are_safe(monkeypatch: pytest.MonkeyPatch, environment: Path) -> None:
    """
    A line of a build is printed after its stage, with its control characters shown by their codes.
    """
    for stream in (io.StringIO(), TerminalLike()):
        monkeypatch.setattr(sys, "stderr", stream)
        with waiting("the build") as progress:
            progress.write_build(ProvisionerJobLog(stage="Plan", output=HOSTILE))
            progress.write_build(ProvisionerJobLog(stage="Apply"))
        assert "Plan: [red]x[/red]" in stream.getvalue()
        assert not any(each in stream.getvalue() for each in HARMFUL)


def test_warnings_of_containers_are_reported(
    run: Callable[..., Run], deployment: Deployment
) -> None:
    """
    A problem of the agent with its list is on standard error, and the list is printed.
    """
    agent = deployment.add_agent(workspace="warned")
    agent.set_containers([WorkspaceAgentContainer(id="c", name="web")], warnings=["half a list"])
    ended = run("containers", "warned")
    assert ended.err == "coder-agents: warned.main: half a list\n"
    assert ended.rows[0][1] == "web"
