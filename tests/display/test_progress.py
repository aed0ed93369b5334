"""
Bars: where they are shown, and where they are not.
"""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from driving import InThread, reached

from coder_agents import Agent, Client, progress
from coder_agents.filesystem import AgentFileSystem
from coder_agents.progress import VARIABLE, is_watched, transfer, waiting
from coder_agents.testing import BuildPlan, Deployment, EmbeddedAgent, Script

from .conftest import HOSTILE


class Screen(io.StringIO):
    """
    A terminal that keeps what is written.
    """

    def begin(self) -> None:
        """
        Become the standard error for the rest of the test, after which pytest restores its own.
        """
        sys.stderr = self

    def clear(self) -> None:
        """
        Forget what was written.
        """
        self.truncate(0)
        self.seek(0)

    def isatty(self) -> bool:
        """
        Return True.
        """
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """
    The standard error of an interactive session on a terminal, on which bars are shown at once.
    """
    made = Screen()
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    monkeypatch.setattr(progress, "_TICK", 0.01)
    return made


@pytest.mark.parametrize(
    ("setting", "is_interactive", "is_terminal", "shown"),
    [
        ("", True, True, True),
        ("", False, True, False),
        ("1", False, True, True),
        ("1", True, False, False),
        ("", True, False, False),
        ("0", True, True, False),
    ],
)
def test_bars_are_for_a_person_who_is_watching(
    screen: Screen,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    is_interactive: bool,
    is_terminal: bool,
    shown: bool,
) -> None:
    """
    A script stays silent unless the variable asks for bars, and a pipe gets none in any case.
    """
    screen.begin()
    monkeypatch.setenv(VARIABLE, setting)
    if not is_interactive:
        monkeypatch.delattr(sys, "ps1")
    if not is_terminal:
        monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert is_watched() is shown


def test_a_process_without_a_standard_error_is_not_watched(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A program in a window has no console, and gets no bars.
    """
    screen.begin()
    monkeypatch.setattr(sys, "stderr", None)
    assert not is_watched()


def test_a_notebook_is_watched(
    published: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    There, bars are on unless the variable is 0.
    """
    monkeypatch.delenv(VARIABLE, raising=False)
    assert is_watched()
    monkeypatch.setenv(VARIABLE, "0")
    assert not is_watched()


def test_other_threads_show_no_bars(screen: Screen) -> None:
    """
    Calls of several threads would draw over each other.
    """
    screen.begin()
    assert is_watched()
    found = InThread(is_watched)
    found.ended()
    assert found.result is False


def test_what_is_waited_for_is_shown_and_cleared(screen: Screen) -> None:
    """
    The text is escaped and cut, and changes while it is shown; the line is empty at the end.
    """
    screen.begin()
    words = iter(["first", HOSTILE * 1000])

    def describe() -> str:
        return next(words, "last")

    with waiting(describe):
        reached(lambda: "last" in screen.getvalue())
    shown = screen.getvalue()
    assert "first [00:00]" in shown
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert max(map(len, shown.split("\r"))) < 120
    assert shown.split("\r")[-2].strip() == shown.split("\r")[-1] == ""
    assert not [each for each in threading.enumerate() if each.name == "coder-agents-progress"]


def test_an_interrupt_as_the_bar_begins_leaves_no_bar(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Ctrl-C may come right after the start of the thread that draws.
    """
    start = threading.Thread.start
    drawing: list[threading.Thread] = []

    def interrupted(self: threading.Thread) -> None:
        start(self)
        drawing.append(self)
        raise KeyboardInterrupt

    screen.begin()
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), waiting(lambda: "dev"):
        pass
    assert not drawing[0].is_alive()


def test_a_fast_call_shows_nothing(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A bar that flashes up disturbs.
    """
    screen.begin()
    monkeypatch.setattr(progress, "_DELAY", 60.0)
    with waiting(lambda: "text"):
        pass
    with transfer("text") as advance:
        advance(1)
    assert screen.getvalue().strip() == ""


def test_output_of_the_callers_own_replaces_the_bar(screen: Screen) -> None:
    """
    Lines that a callback prints would be torn apart by the bar.
    """
    screen.begin()
    with waiting(lambda: "text", None, print):
        pass
    assert screen.getvalue() == ""


def test_without_tqdm_there_are_no_bars(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    That is no error.
    """
    screen.begin()
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with waiting(lambda: "text"):
        reached(lambda: not [e for e in threading.enumerate() if e.name == "coder-agents-progress"])
    with transfer("text") as advance:
        advance(1)
    assert screen.getvalue() == ""


def test_waiting_for_an_agent_shows_its_state(
    screen: Screen, client: Client, deployment: Deployment, tmp_path: Path
) -> None:
    """
    Both ways to wait show it, and neither does where the caller is called with the state.
    """
    screen.begin()
    go = tmp_path / "go"
    deployment.add_agent(scripts=[Script(f"until test -e {go}; do sleep 0.05; done")])
    agent = client.agent("dev")
    client.wait_ready("dev", on_state=lambda _: go.touch())
    assert screen.getvalue() == ""
    go.unlink()
    deployment.agents[0].new_build()
    waited = _released_when(screen, "dev.main: connected, starting", go)
    client.wait_ready("dev")
    assert waited.ended() is None
    go.unlink()
    deployment.agents[-1].new_build()
    screen.clear()
    waited = _released_when(screen, "dev.main: connected, starting", go)
    agent = client.agent("dev")
    agent.wait_ready()
    assert waited.ended() is None


def _released_when(screen: Screen, text: str, file: Path) -> InThread:
    """
    Create *file*, for which a script waits, once *text* is on *screen*.
    """

    def wait() -> None:
        try:
            reached(lambda: text in screen.getvalue())
        finally:
            file.touch()

    return InThread(wait)


def test_a_client_that_waits_for_a_workspace_shows_its_name(
    screen: Screen, client: Client, deployment: Deployment
) -> None:
    """
    Before there is an agent, it is the name that the caller gave.
    """
    screen.begin()
    deployment.add_agent()
    build = deployment.workspace("dev").start_build()

    def finish() -> None:
        try:
            reached(lambda: "dev: no agent yet" in screen.getvalue())
        finally:
            build.complete()

    waited = InThread(finish)
    client.wait_ready("dev")
    assert waited.ended() is None


@pytest.mark.parametrize(
    ("call", "transition"),
    [("start_workspace", "start"), ("stop_workspace", "stop"), ("restart_workspace", "start")],
)
def test_a_build_that_is_waited_for_is_shown(
    screen: Screen, client: Client, deployment: Deployment, call: str, transition: str
) -> None:
    """
    The bar has the workspace, the build and its state, unless the caller is called with its log.
    """
    screen.begin()
    deployment.add_agent()
    workspace = deployment.workspace("dev")
    if call == "start_workspace":
        workspace.start_build("stop").complete()
    number = len(workspace.builds) + (2 if call == "restart_workspace" else 1)
    workspace.plans[transition] = BuildPlan(running=None)
    expected = f"tester/dev: {transition}, build {number}, running"

    def finish() -> None:
        try:
            reached(lambda: expected in screen.getvalue())
        finally:
            workspace.builds[-1].complete()

    waited = InThread(finish)
    build = getattr(client, call)("dev", wait=True)
    assert waited.ended() is None
    assert build.build_number == number


def test_a_start_before_an_agent_is_shown(
    screen: Screen, client: Client, deployment: Deployment
) -> None:
    """
    While there is no agent, waiting with a start shows the build; then it shows the agent.
    """
    screen.begin()
    deployment.add_agent()
    workspace = deployment.workspace("dev")
    workspace.start_build("stop").complete()
    workspace.plans["start"] = BuildPlan(running=None)

    def finish() -> None:
        try:
            reached(lambda: "tester/dev: start, build 3, running" in screen.getvalue())
        finally:
            workspace.builds[-1].complete()

    waited = InThread(finish)
    client.wait_ready("dev", start=True)
    assert waited.ended() is None


def test_a_caller_who_takes_the_lines_of_a_build_sees_no_bar(
    screen: Screen, client: Client, deployment: Deployment
) -> None:
    """
    The bar would be drawn over the lines of the caller's own.
    """
    screen.begin()
    deployment.add_agent()
    client.restart_workspace("dev", wait=True, on_build_log=lambda line: None)
    assert screen.getvalue() == ""


def test_a_command_that_runs_is_shown(
    screen: Screen, agent: Agent, embedded: EmbeddedAgent, tmp_path: Path
) -> None:
    """
    The bar names the agent and the command, unless the output goes to a function of the caller's.
    """
    screen.begin()
    go = tmp_path / "go"
    command = f"until test -e {go}; do sleep 0.05; done"
    waited = _released_when(screen, "dev.main: ", go)
    assert agent.run(command).returncode == 0
    assert waited.ended() is None
    screen.clear()
    agent.run("echo hi", stdout=lambda data: None)
    assert screen.getvalue() == ""


def test_transfers_of_files_show_their_bytes(screen: Screen, agent: Agent, tmp_path: Path) -> None:
    """
    The bar has the file's name and what has passed of it.
    """
    screen.begin()
    content = b"x" * 3 * 2**20
    agent.write_file(tmp_path / "a", content)
    assert "3.00M" in screen.getvalue()
    assert "100%" in screen.getvalue()
    screen.clear()
    assert agent.read_file(tmp_path / "a") == content
    assert "dev.main:" in screen.getvalue()


def test_transfers_of_the_file_system_show_their_bytes(
    screen: Screen, client: Client, agent: Agent, tmp_path: Path
) -> None:
    """
    They do where the caller gave no callback, and the callback alone counts where there is one.
    """
    screen.begin()
    from fsspec.callbacks import Callback

    local, remote = tmp_path / "local", f"dev{tmp_path}/remote"
    local.write_bytes(b"x" * 2**20)
    files = AgentFileSystem(client=client)
    files.put_file(str(local), remote)
    assert "0.00/1.00" in screen.getvalue()
    screen.clear()
    files.get_file(remote, str(tmp_path / "back"))
    assert "0.00/1.00" in screen.getvalue()
    assert (tmp_path / "back").read_bytes() == local.read_bytes()
    screen.clear()
    counted = Callback()
    files.get_file(remote, str(tmp_path / "again"), callback=counted)
    assert counted.value == 2**20
    assert screen.getvalue() == ""


def test_a_notebook_shows_a_bar_below_its_cell_and_clears_it(
    published: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """
    Nothing goes to the standard error, where a cleared bar would leave an empty block.
    """
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    monkeypatch.setattr(progress, "_TICK", 0.01)
    with waiting(lambda: "<b>first</b>"):
        reached(lambda: "first" in str(published))
    shown = [each["data"] for each in published]
    assert any("<b>first</b> [00:" in each["text/plain"] for each in shown)
    assert any("&lt;b&gt;first&lt;/b&gt; [00:" in each["text/html"] for each in shown)
    assert not any("<b>" in each["text/html"] for each in shown)
    assert shown[-1] == {"text/plain": "", "text/html": ""}
    assert {each["transient"]["display_id"] for each in published} == {
        published[0]["transient"]["display_id"]
    }
    assert capsys.readouterr().err == ""


def test_a_bar_that_was_never_drawn_shows_nothing(published: list[dict[str, Any]]) -> None:
    """
    Moves of the cursor and cleared lines are no output.
    """
    text = progress.CellText()
    for written in ("", "\n", "\r", "\r    \r"):
        text.write(written)
        text.flush()
    assert published == []
