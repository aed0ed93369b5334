"""
The commands that watch states, in this process.
"""

from __future__ import annotations

import _thread
import errno
import functools
import json
import re
import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from driving import LIMIT, InThread, reached

from coder_agents import Agent, MetadataStream, Reconnect, StreamOptions
from coder_agents.cli import exits, failures
from coder_agents.cli.screen import OutputScreen
from coder_agents.cli.settings import CommandSettings
from coder_agents.schema import WorkspaceAgentContainer, WorkspaceAgentListeningPort
from coder_agents.testing import Deployment, EmbeddedAgent
from coder_agents.testing.faults import Fault

from .conftest import Run, TerminalLike
from .test_follow import GONE, JSON


def stop() -> None:
    """
    Press Ctrl-C.
    """
    raise KeyboardInterrupt


def at_line(monkeypatch: pytest.MonkeyPatch, react: Callable[[list[str]], object]) -> None:
    """
    Call *react* with all lines of standard output so far, whenever one is written.
    """
    write = OutputScreen.line
    lines: list[str] = []

    def line(screen: OutputScreen, text: str = "") -> None:
        write(screen, text)
        lines.append(text)
        react(lines)

    monkeypatch.setattr(OutputScreen, "line", line)


def reconnecting(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """
    Let all streams connect again after *seconds*; one that never can ends a test that fails.
    """
    policy = Reconnect(initial=seconds, maximum=seconds, jitter=0, give_up_after=LIMIT)
    options = StreamOptions(reconnect=policy)
    client = functools.partialmethod(CommandSettings.client, stream_options=options)
    monkeypatch.setattr(CommandSettings, "client", client)


class Interrupting(OutputScreen):
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
    monkeypatch.setattr("coder_agents.cli.screen.OutputScreen", Interrupting)
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
        # A thread draws, too.
        if live.is_started and threading.current_thread() is threading.main_thread():
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
    both = {"dev.main", "evil.gpu"}
    at_line(
        monkeypatch,
        lambda lines: stop() if {line.partition("\t")[0] for line in lines} == both else None,
    )
    ended = run("metadata", "dev", "evil", "-w")
    assert ended.status == exits.INTERRUPTED
    assert len(ended.rows) == len(set(ended.out.splitlines()))


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


def test_changes_of_ports_have_a_word(
    run: Callable[..., Run], deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A port that is opened or closed is a row, or an object of JSON.
    """
    quick = functools.partialmethod(Agent.watch_listening_ports, interval=0.05)
    monkeypatch.setattr(Agent, "watch_listening_ports", quick)
    agent = deployment.add_agent(workspace="listening")
    port = WorkspaceAgentListeningPort(process_name="web", network="tcp", port=80)

    def react(lines: list[str]) -> None:
        agent.set_ports([])
        if len(lines) % 2 == 0:
            stop()

    at_line(monkeypatch, react)
    agent.set_ports([port])
    assert run("ports", "listening", "-w").rows == [
        ["opened", "80", "tcp", "web"],
        ["closed", "80", "tcp", "web"],
    ]
    agent.set_ports([port])
    lines = run("ports", "listening", "-w", "--json").out.splitlines()
    assert [json.loads(line)["change"] for line in lines] == ["opened", "closed"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_changes_of_containers_have_a_word(
    run: Callable[..., Run],
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
) -> None:
    """
    A container is added, changed and removed, and a state that is the same has no row.
    """
    quick = functools.partialmethod(Agent.watch_containers, interval=0.05)
    monkeypatch.setattr(Agent, "watch_containers", quick)
    agent = deployment.add_agent(workspace=f"containers-{len(options)}")
    web = WorkspaceAgentContainer(id="c", name="web")
    later = iter([[attrs.evolve(web, status="exited")], []])

    def react(lines: list[str]) -> None:
        state = next(later, None)
        if state is None:
            stop()
        else:
            agent.set_containers(state)

    at_line(monkeypatch, react)
    agent.set_containers([web])
    ended = run("containers", f"containers-{len(options)}", "-w", *options)
    words = (
        [json.loads(line)["change"] for line in ended.out.splitlines()]
        if options
        else [row[0] for row in ended.rows]
    )
    assert words == ["added", "changed", "removed"]


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("agents", [["dev"], ["dev", "evil"]])
def test_a_watch_ends_with_its_last_stream(
    run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    agents: list[str],
) -> None:
    """
    When all streams have ended, the code is 0; no row was written twice.
    """
    streams: list[MetadataStream] = []
    watch = Agent.watch_metadata

    def watched(agent: Agent, *, options: StreamOptions) -> MetadataStream:
        streams.append(watch(agent, options=options))
        return streams[-1]

    def close(lines: list[str]) -> None:
        if all(any(f"{name}." in text for text in lines) for name in agents):
            for stream in streams:
                stream.close()

    monkeypatch.setattr(Agent, "watch_metadata", watched)
    at_line(monkeypatch, close)
    ended = run("metadata", *agents, "-w", *options)
    assert (ended.status, ended.err) == (0, "")
    assert len(streams) == len(agents)
    lines = ended.out.splitlines()
    assert len(lines) == len(set(lines))


def drop_metadata(deployment: Deployment, agent: EmbeddedAgent, *, deleted: bool) -> Fault:
    """
    Drop the next stream of metadata of *agent* after its first message, and refuse the one after it, as for a
    *deleted* agent or by a proxy; return the second fault.
    """
    place: dict[str, Any] = {"route": "watch_metadata", "containing": str(agent.id)}
    deployment.faults.add("drop", after=1, **place)
    if deleted:
        return deployment.faults.add("refuse", status=404, headers=JSON, body=GONE, **place)
    return deployment.faults.add("html", status=502, **place)


def test_a_deleted_agent_does_not_end_the_watch_of_the_others(
    run: Callable[..., Run], deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    One line reports the deleted agent, and the rows of the other agent continue.
    """
    reconnecting(monkeypatch, 0.05)
    kept, gone = (deployment.add_agent(workspace=name) for name in ("kept", "gone"))
    for agent in (kept, gone):
        agent.set_metadata("load", "first")
    refused = drop_metadata(deployment, gone, deleted=True)

    def change() -> None:
        reached(lambda: refused.struck)
        kept.set_metadata("load", "second")

    at_line(monkeypatch, lambda lines: stop() if "second" in lines[-1] else None)
    changing = InThread(change)
    ended = run("metadata", "gone", "kept", "-w")
    assert changing.ended() is None
    assert ended.status == exits.INTERRUPTED
    assert [(row[0], row[3]) for row in ended.rows][-1] == ("kept.main", "second")
    [line] = ended.err.splitlines()
    assert line.startswith("coder-agents: gone.main: ")
    assert "404" in line


def test_a_watch_ends_where_all_agents_are_deleted(
    run: Callable[..., Run], deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each agent is reported, and the code is 1.
    """
    reconnecting(monkeypatch, 0.05)
    for name in ("first", "last"):
        agent = deployment.add_agent(workspace=name)
        agent.set_metadata("load", "1")
        drop_metadata(deployment, agent, deleted=True)
    ended = run("metadata", "first", "last", "-w")
    assert ended.status == exits.FAILED
    assert {line.split(": ")[1] for line in ended.err.splitlines()} == {"first.main", "last.main"}
    assert len(ended.rows) == 2


def test_a_deleted_agent_is_reported_above_the_table(
    shown: Callable[..., Run], deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    On a terminal, the lines about deleted agents stay above the table, which ends with the last agent.
    """
    reconnecting(monkeypatch, 0.6)  # so that some polls find nothing new
    for name in ("above", "below"):
        agent = deployment.add_agent(workspace=name)
        agent.set_metadata("load", "1")
        drop_metadata(deployment, agent, deleted=True)
    ended = shown("metadata", "above", "below", "-w")
    assert (ended.status, ended.err) == (exits.FAILED, "")
    for name in ("above", "below"):
        assert f"coder-agents: {name}.main: " in ended.out


@pytest.mark.parametrize(("short", "count"), [(0.0, 2), (60.0, 0)])
def test_an_outage_is_reported_unless_it_is_short(
    run: Callable[..., Run],
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    short: float,
    count: int,
) -> None:
    """
    In a pipe, standard error has a line when the connection is lost, and one when it is back.
    """
    monkeypatch.setattr("coder_agents.cli.watching._SHORT", short)
    reconnecting(monkeypatch, 0.5)
    agent = deployment.add_agent(workspace=f"outage-{count}")
    agent.set_metadata("load", "first")
    failed = drop_metadata(deployment, agent, deleted=False)

    def change() -> None:
        reached(lambda: failed.struck)
        agent.set_metadata("load", "second")

    at_line(monkeypatch, lambda lines: stop() if "second" in lines[-1] else None)
    changing = InThread(change)
    ended = run("metadata", f"outage-{count}", "-w")
    assert changing.ended() is None
    assert ended.status == exits.INTERRUPTED
    lines = ended.err.splitlines()
    assert len(lines) == count
    if lines:
        name = f"coder-agents: outage-{count}.main: "
        assert re.match(
            name + r"disconnected since \d\d:\d\d:\d\d; connecting again, try \d+: ", lines[0]
        )
        assert lines[1] == f"{name}connected again"


def test_an_outage_is_shown_on_a_terminal_while_ages_grow(
    ctrl_c: None, shown: Callable[..., Run], deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Below the table, a line shows since when the connection is lost, and the ages are those of the moment. An
    error of the terminal in the thread that draws is not that of the program.
    """
    reconnecting(monkeypatch, 0.2)
    agent = deployment.add_agent(workspace="dark")
    agent.set_metadata("load", "1")
    place: dict[str, Any] = {"route": "watch_metadata", "containing": str(agent.id)}
    deployment.faults.add("drop", after=1, **place)
    dark = deployment.faults.add("html", times=None, status=502, **place)
    write = TerminalLike.write
    ages: set[str] = set()

    def react(out: TerminalLike, text: str) -> int:
        count = write(out, text)
        if "disconnected since" in text:
            ages.update(re.findall(r"dark\.main .* (\d+) ", text))
        if len(ages) >= 2:
            _thread.interrupt_main()
        if threading.current_thread() is not threading.main_thread():
            raise OSError(errno.EIO, "the terminal has gone")
        return count

    monkeypatch.setattr(TerminalLike, "write", react)
    ended = shown("metadata", "dark", "-w")
    dark.times = 0
    assert ended.status == exits.INTERRUPTED
    assert ended.err == ""
    assert "dark.main: disconnected since" in ended.out


@pytest.mark.parametrize(
    ("count", "more"), [(23, ""), (24, "… 2 more rows"), (60, "… 38 more rows")]
)
def test_a_table_is_cut_to_the_height_of_the_terminal(
    ctrl_c: None,
    shown: Callable[..., Run],
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    more: str,
) -> None:
    """
    What is below the table stays visible; the number of the rows that are not shown is. At the end all are shown.
    """
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("COLUMNS", "80")
    agent = deployment.add_agent(workspace=f"tall-{count}")
    for number in range(count):
        agent.set_metadata(f"key{number:02}", "1")
    write = TerminalLike.write
    frames: list[str] = []

    def react(out: TerminalLike, text: str) -> int:
        if "key00" in text:  # the first state has come
            frames.append(text)
            if len(frames) == 1:
                _thread.interrupt_main()
        return write(out, text)

    monkeypatch.setattr(TerminalLike, "write", react)
    assert shown("metadata", f"tall-{count}", "-w").status == exits.INTERRUPTED
    first = frames[0].splitlines()
    assert len(first) == 24
    assert more in first[-1]
    assert ("more row" in frames[0]) == bool(more)
    assert f"key{count - 1:02}" in frames[-1]


@pytest.mark.parametrize("refs", [("cut",), ("cut", "whole")], ids=["one", "several"])
def test_an_outage_of_followed_logs_is_reported_once(
    ctrl_c: None,
    run: Callable[..., Run],
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    refs: tuple[str, ...],
) -> None:
    """
    Standard error has a line when a followed log cannot connect again, and one when it has, before a line comes.
    """
    reconnecting(monkeypatch, 0.1)
    agents = {ref: deployment.add_agent(workspace=f"{ref}-{len(refs)}") for ref in refs}
    cut = agents["cut"]
    cut.push_logs(["before"])
    place: dict[str, Any] = {"route": "logs_follow", "containing": str(cut.id)}
    deployment.faults.add("drop", after=1, **place)
    last = deployment.faults.add("html", times=4, status=502, **place)

    is_back = threading.Event()
    was_back: list[bool] = []
    report = failures.report

    def note(text: str) -> None:
        report(text)
        if text == "connected again":
            is_back.set()

    def write() -> None:
        reached(lambda: last.struck)
        was_back.append(is_back.wait(LIMIT))
        cut.push_logs(["after"])

    monkeypatch.setattr(failures, "report", note)

    at_line(monkeypatch, lambda lines: stop() if lines[-1].endswith("after") else None)
    writing = InThread(write)
    ended = run("logs", "-f", "--text", *(f"{ref}-{len(refs)}" for ref in refs))
    assert writing.ended() is None
    assert ended.status == exits.INTERRUPTED
    assert [line.rsplit(" ", 1)[-1] for line in ended.out.splitlines()] == ["before", "after"]
    first, second = ended.err.splitlines()
    assert first.startswith("coder-agents: disconnected; connecting again: ")
    assert second == "coder-agents: connected again"
    assert was_back == [True]
