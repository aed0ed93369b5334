"""
The screens, driven by keys.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from driving import reached
from rich.text import Text
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from coder_agents import Client
from coder_agents.cli.top.agent_screen import AgentScreen
from coder_agents.cli.top.app import Dashboard, is_light
from coder_agents.cli.top.folded_text import FoldedText
from coder_agents.cli.top.help_screen import HelpScreen
from coder_agents.cli.top.log_screen import LogScreen
from coder_agents.cli.top.main_screen import MainScreen
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.cli.top.selection import Selection
from coder_agents.cli.top.session import dashboard
from coder_agents.cli.top.table import AgentTable, widths
from coder_agents.testing import Deployment, EmbeddedAgent, Metadata

from .conftest import QUICK
from .states import port

HOSTILE = "[red]\x1b[31m\x1b]52;c;eA==\x07\u202eexe[/red]\U0001f600" + "x" * 100_000
SECONDS = 60.0
# Slower than in the tests of the threads: here, the keys have to be handled beside the reads.
CALM = attrs.evolve(QUICK, metadata=0.3, max_metadata_rate=20, ports=0.5, agents=0.3, redraw=0.1)

Driven = Callable[[Pilot[int], Dashboard], Awaitable[None]]


def drive(
    client: Client,
    driven: Driven,
    *,
    size: tuple[int, int] = (120, 30),
    selection: Selection | None = None,
    pace: DashboardPace = CALM,
) -> int | None:
    """
    Run the dashboard with *driven* at its keys, and return its exit code.
    """

    async def run(app: Dashboard) -> None:
        async with app.run_test(size=size) as pilot:
            await driven(pilot, app)

    with dashboard(client, selection or Selection(), pace) as app:
        asyncio.run(run(app))
        return app.return_value


def seen(app: Dashboard) -> list[str]:
    """
    Return the lines that are on the screen.
    """
    lines = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in lines]


async def sees(pilot: Pilot[int], app: Dashboard, *texts: str) -> str:
    """
    Wait until all *texts* are on the screen, and return the screen.
    """
    until = time.monotonic() + SECONDS
    while True:
        await pilot.pause(0.02)
        screen = "\n".join(seen(app))
        if all(text in screen for text in texts):
            return screen
        assert time.monotonic() < until, (texts, screen)


async def on(pilot: Pilot[int], app: Dashboard, kind: type[Any]) -> None:
    """
    Wait until a screen of *kind* is above.
    """
    until = time.monotonic() + SECONDS
    while not isinstance(app.screen, kind):
        assert time.monotonic() < until, app.screen
        await pilot.pause(0.02)


def rows(screen: str) -> list[str]:
    """
    Return the names in the table of a *screen*, from top to bottom.
    """
    found = [line.split()[0] for line in screen.split("\n") if ".main " in line]
    return [name.removesuffix(".main") for name in found]


def add(deployment: Deployment, *names: str) -> list[EmbeddedAgent]:
    """
    Add agents with a value, a port and a line each.
    """
    agents = []
    for number, name in enumerate(names):
        agent = deployment.add_agent(
            workspace=name, metadata=[Metadata("CPU Usage", "cpu", interval=1)]
        )
        agent.set_metadata("cpu", f"{10 * (number + 1)}%")
        agent.set_ports([port(3000 + number, "node")])
        agent.push_logs([f"line of {name}"])
        agents.append(agent)
    return agents


def test_the_table_shows_all_agents_and_sorts_them(deployment: Deployment, client: Client) -> None:
    """
    Keys and clicks change the order, and q ends with 0, with nothing open.
    """
    agents = add(deployment, "api", "web", "data")
    agents[2].set_lifecycle("start_error")

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        screen = await sees(pilot, app, "3 agents", "line of api", "3000", "CPU Usage 10%")
        assert rows(screen) == ["api", "data", "web"]
        await pilot.press("r")
        assert rows(await sees(pilot, app, "Agent ▲")) == ["web", "data", "api"]
        await pilot.press("s")
        screen = await sees(pilot, app, "State ▼", "✗ start error", "2 ready")
        assert rows(screen) == ["data", "api", "web"]
        await pilot.press("s")
        assert rows(await sees(pilot, app, "Metadata ▼")) == ["data", "web", "api"]
        await pilot.click("#heading", offset=(2, 0))
        await sees(pilot, app, "Agent ▼")
        await pilot.click("#heading", offset=(2, 0))
        await sees(pilot, app, "Agent ▲")
        await pilot.click("#heading", offset=(119, 0))  # beside the last title
        await pilot.press("q")

    assert drive(client, driven) == 0
    reached(lambda: deployment.connections.open == 0)


def test_a_filter_shows_some_agents(deployment: Deployment, client: Client) -> None:
    """
    It holds while a person sorts, until it is cleared; the theme and the help have keys, too.
    """
    add(deployment, "api", "web", "data")

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "3 agents")
        await pilot.press("slash", *"web")
        assert rows(await sees(pilot, app, "1 of 3 agents")) == ["web"]
        await pilot.press("x")
        await sees(pilot, app, "No agent matches the filter")
        await pilot.press("backspace", "enter", "s")
        assert rows(await sees(pilot, app, "State ▼", "web")) == ["web"]
        await pilot.press("escape")
        await sees(pilot, app, "3 agents")
        await pilot.press("d")
        assert app.theme == "textual-light"
        await pilot.press("d", "question_mark")
        await on(pilot, app, HelpScreen)
        await sees(pilot, app, "read the list of agents now", "off, or gone")
        await pilot.press("escape", "q")

    assert drive(client, driven) == 0


def test_an_agent_is_opened_and_its_log_followed(deployment: Deployment, client: Client) -> None:
    """
    The screen of the agent shows pictures, ports and new lines; Ctrl-C ends with 130.
    """
    [agent, _] = add(deployment, "api", "web")

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "line of api", "CPU Usage 10%")
        await pilot.press("enter")
        await on(pilot, app, AgentScreen)
        await sees(pilot, app, "tester/api.main", "CPU Usage", "3000 node", "line of api")
        agent.set_metadata("cpu", "90%")
        agent.push_logs(["a \x1b[1mbold\x1b[0m failure"], "error")
        await sees(pilot, app, "90%", "▇", "E a bold failure")
        await pilot.press("l")
        await on(pilot, app, LogScreen)
        await sees(pilot, app, "The log of tester/api.main", "E a bold failure")
        agent.push_logs([f"line {number}" for number in range(600)])
        await sees(pilot, app, "line 599")
        agent.new_build()
        await sees(pilot, app, "— ")
        await pilot.press("escape", "escape")
        await on(pilot, app, MainScreen)
        await pilot.press("ctrl+c")

    assert drive(client, driven) == 130
    reached(lambda: deployment.connections.open == 0)


def test_a_log_is_folded_again_at_another_width(deployment: Deployment, client: Client) -> None:
    """
    No line is cut, the end stays in view, and else the line at the top stays at the top.
    """
    [agent] = add(deployment, "api")
    long = "".join(f"<{number:03}>" for number in range(60))  # 300 columns
    agent.push_logs(
        [*(f"earlier {number:03}" for number in range(100)), f"\x1b[1m{long}\x1b[0m", "end"]
    )

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "api.main")
        await pilot.press("l")
        await on(pilot, app, LogScreen)
        await sees(pilot, app, "<000>", "<059>", "end")
        await pilot.resize_terminal(60, 30)
        narrow = await sees(pilot, app, "<000>", "<059>", "end")
        await pilot.resize_terminal(200, 30)
        await sees(pilot, app, "<000>", "<059>", "earlier 099", "end")
        rows = [line for line in narrow.split("\n") if "<0" in line]
        assert len(rows) == 6
        assert "".join(row.strip(" ▁▂▃▄▅▆▇█") for row in rows).replace(" ", "") == long
        app.screen.query_one(FoldedText).scroll_to(y=41, animate=False)
        await sees(pilot, app, "earlier 040")
        await pilot.resize_terminal(60, 30)
        await sees(pilot, app, "earlier 040")
        assert "earlier 039" not in "\n".join(seen(app))

    drive(client, driven)


def test_of_many_lines_the_newest_are_kept() -> None:
    """
    What a person reads stays in view while older lines are removed.
    """

    class One(App[None]):
        def compose(self) -> ComposeResult:
            yield FoldedText(max_lines=100)

    async def run() -> None:
        app = One()
        async with app.run_test(size=(40, 10)) as pilot:
            view = app.query_one(FoldedText)
            view.append(Text(f"line {number:03}") for number in range(100))
            await pilot.pause()
            view.scroll_to(y=50, animate=False)
            await pilot.pause()
            view.append(Text(f"line {number:03}") for number in range(100, 120))
            await pilot.pause()
            assert (view.scroll_offset.y, view.virtual_size.height) == (30, 100)
            assert view.render_line(0).text.startswith("line 050")
            await pilot.resize_terminal(40, 12)  # as wide as before
            assert view.render_line(0).text.startswith("line 050")
            view.scroll_end(animate=False)
            await pilot.pause()
            await pilot.resize_terminal(40, 5)
            await pilot.pause()
            assert view.is_vertical_scroll_end
            view.append([Text("w" * 100, "bold"), Text("あ" * 30), Text("")])
            await pilot.pause()
            assert view.is_vertical_scroll_end
            bold = [strip for strip in map(view.render_line, range(5)) if "w" in strip.text]
            assert [str(each._segments[0].style).split()[0] for each in bold] == ["bold"] * 2
            assert view.virtual_size.height == 97 + 3 + 2 + 1

    asyncio.run(run())


def place_of(agents: list[EmbeddedAgent], app: Dashboard) -> int:
    """
    Return which of *agents* is under the cursor.
    """
    selected = main(app).table.selected
    return [str(agent.id) for agent in agents].index(selected)


def main(app: Dashboard) -> MainScreen:
    """
    Return the screen with the table, which is above.
    """
    assert isinstance(app.screen, MainScreen)
    return app.screen


def test_the_cursor_moves_by_keys(deployment: Deployment, client: Client) -> None:
    """
    The table scrolls with the cursor, which stops at the first and the last row.
    """
    agents = add(deployment, *(f"w{number}" for number in range(20)))

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "20 agents", "line of w0")
        table = main(app).table
        height = table.size.height
        assert height == 9
        await pilot.press("down", "down", "up")
        assert place_of(agents, app) == 1
        await pilot.press("pagedown")
        assert place_of(agents, app) == 1 + height
        await sees(pilot, app, f"w{1 + height}.main")
        await pilot.press("end", "down")
        assert place_of(agents, app) == 19
        assert "w0.main" not in await sees(pilot, app, "w19.main")
        assert table.in_view == [str(agent.id) for agent in agents[-height:]]
        await pilot.press("pageup", "pageup", "pageup", "up", "home")
        assert place_of(agents, app) == 0
        await sees(pilot, app, "w0.main")

    drive(client, driven, size=(80, 12))


def test_the_cursor_stays_on_its_agent(deployment: Deployment, client: Client) -> None:
    """
    It follows its agent where the order changes; the mouse moves it, and opens its agent.
    """
    agents = add(deployment, *(f"w{number}" for number in range(20)))

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "20 agents", "line of w0")
        await pilot.press("r")
        await sees(pilot, app, "Agent ▲", "w0.main")
        assert place_of(agents, app) == 0
        await pilot.press("home")
        await pilot.click("#agents", offset=(3, 2))
        assert place_of(agents, app) == 17
        await pilot.press("s", "s")  # by metadata: all shares differ
        agents[17].set_metadata("cpu", "1%")
        await sees(pilot, app, "w17.main", "CPU Usage 1% ")
        assert place_of(agents, app) == 17
        await pilot.press("slash", *"w12", "enter")
        await sees(pilot, app, "1 of 20 agents")
        assert place_of(agents, app) == 12
        await pilot.click("#agents", offset=(3, 5))  # below the last row
        assert main(app).table.selected
        await pilot.click("#agents", offset=(3, 0))
        await on(pilot, app, AgentScreen)

    drive(client, driven, size=(80, 12))


@pytest.mark.parametrize("size", [(120, 30), (40, 20), (10, 5)])
def test_hostile_values_break_no_layout(
    size: tuple[int, int], deployment: Deployment, client: Client
) -> None:
    """
    Every line of every screen has the width of the terminal, and no control is in it.
    """
    [agent] = add(deployment, "dev")
    agent.set_metadata("bad[red]\x1b[31m", HOSTILE[:2000])
    agent.set_metadata("error", "", HOSTILE[:2000])
    agent.set_ports([port(1, HOSTILE)])
    agent.push_logs([HOSTILE, f"{HOSTILE}\r\n\t\u4e2d\u6587"])

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await pilot.pause(0.15)
        for key, kind in (("", MainScreen), ("enter", AgentScreen), ("l", LogScreen)):
            if key:
                await pilot.press(key)
            await on(pilot, app, kind)
            reached_lines = seen(app)
            await pilot.pause(0.15)
            reached_lines += seen(app)
            for strip in app.screen._compositor.render_strips():
                assert strip.cell_length == size[0]
            for line in reached_lines:
                assert line.isprintable(), line
        await pilot.resize_terminal(63, 17)
        await pilot.pause(0.2)
        assert {strip.cell_length for strip in app.screen._compositor.render_strips()} == {63}

    drive(client, driven, size=size)


def test_no_agents_are_no_empty_table(deployment: Deployment, client: Client) -> None:
    """
    The screen says what is missing, its keys do nothing, and the first agent appears by itself.
    """

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "0 agents", "No agent is running (query 'owner:me')")
        await pilot.press("enter", "l", "t", "down", "end", "home", "pageup")
        assert isinstance(app.screen, MainScreen)
        app.screen.table.action_open()
        # An agent may vanish between the key and its message.
        app.screen.table.post_message(AgentTable.Opened())
        await pilot.pause()
        assert isinstance(app.screen, MainScreen)
        add(deployment, "dev")
        await sees(pilot, app, "1 agent ", "line of dev")

    drive(client, driven, selection=Selection("owner:me"))


def test_an_agent_that_disappears_stays_for_a_while(deployment: Deployment, client: Client) -> None:
    """
    Its row says that it is gone, and its screen keeps the last state.
    """
    agent, _ = add(deployment, "dev", "web")

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "line of dev")
        await pilot.press("enter")
        await on(pilot, app, AgentScreen)
        build = agent.build.workspace.start_build(transition="stop")
        build.complete()
        await sees(pilot, app, "○ gone")
        await pilot.press("escape")
        await sees(pilot, app, "○ gone", "line of dev", "1 ready")

    drive(client, driven, pace=attrs.evolve(CALM, gone=3600.0))


def test_problems_are_shown_on_every_screen(deployment: Deployment, client: Client) -> None:
    """
    Three lines have room, and the others are counted; they go with their reasons.
    """
    add(deployment, "dev")

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "line of dev")
        for number in range(5):
            app.board.put_notice(f"source {number}", f"problem {number} [red]x[/red]\x1b[2J")
        shown = ("problem 0 [red]x[/red]\\x1b[2J", "(and 2 more) problem 2")
        await sees(pilot, app, *shown)
        await pilot.press("l")
        await on(pilot, app, LogScreen)
        await sees(pilot, app, *shown)
        for number in range(5):
            app.board.put_notice(f"source {number}", "")
        until = time.monotonic() + SECONDS
        while "problem" in "\n".join(seen(app)):
            assert time.monotonic() < until
            await pilot.pause(0.02)
        await pilot.press("f5", "question_mark", "q")

    assert drive(client, driven) == 0


def test_a_terminal_needs_a_terminal(deployment: Deployment, client: Client) -> None:
    """
    Where the application cannot leave the screen, it says so, on each of its screens.
    """
    add(deployment, "dev")

    async def driven(pilot: Pilot[int], app: Dashboard) -> None:
        await sees(pilot, app, "line of dev")
        for key, kind in (("", MainScreen), ("enter", AgentScreen), ("l", LogScreen)):
            if key:
                await pilot.press(key)
            await on(pilot, app, kind)
            app.board.put_notice("terminal", "")
            await pilot.press("t")
            await sees(pilot, app, "no terminal can be opened here")

    drive(client, driven)


@pytest.mark.parametrize(
    ("colours", "light"), [("0;15", True), ("0;default;7", True), ("15;0", False), ("", False)]
)
def test_the_theme_follows_the_terminal(
    colours: str,
    light: bool,
    deployment: Deployment,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Some terminals report their colours in a variable.
    """
    assert is_light(colours) is light
    monkeypatch.setenv("COLORFGBG", colours)
    with dashboard(client, Selection(), QUICK) as app:
        assert (app.theme == "textual-light") is light


@pytest.mark.parametrize("total", range(1, 300, 7))
def test_columns_fill_the_width(total: int) -> None:
    """
    No column is without width, and none is outside of a terminal that is not tiny.
    """
    found = widths(total)
    assert all(width > 0 for width in found.values())
    assert sum(found.values()) + 2 * len(found) <= max(total, 16)
