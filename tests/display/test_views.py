"""
The live views over an embedded deployment.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from driving import interrupt_starts, reached, signalled_when_waiting

from coder_agents import Agent, Client, CoderError, NotFoundError, Reconnect, StreamOptions
from coder_agents.display import LogsView, MetadataView, TopView, ViewEnd, agent_states, cells, live
from coder_agents.display.canvas import Content, LineCanvas
from coder_agents.display.top import TopContent
from coder_agents.testing import Deployment, EmbeddedAgent

from .conftest import HOSTILE, item, unread_agent

JSON = {"Content-Type": "application/json"}
GONE = '{"message": "Agent doesn\'t exist with that id, or you do not have access to it."}'
SHORT = StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.05, give_up_after=0.2))


def stop() -> None:
    """
    Press Ctrl-C.
    """
    raise KeyboardInterrupt


class Pipe(io.StringIO):
    """
    A pipe whose reader acts, once each, when it has read a text: so no test depends on a duration.
    """

    def __init__(self, reactions: dict[str, Callable[[], object]]) -> None:
        super().__init__()
        self._reactions = reactions

    def write(self, text: str) -> int:
        """
        Keep *text*, and act.
        """
        count = super().write(text)
        for wanted in [each for each in self._reactions if each in self.getvalue()]:
            self._reactions.pop(wanted)()
        return count


class SmallTerminal(Pipe):
    """
    A terminal whose user acts like the reader of a pipe.
    """

    def isatty(self) -> bool:
        """
        Return True.
        """
        return True

    @property
    def last(self) -> list[str]:
        """
        The lines of the last drawing.
        """
        return (
            self.getvalue()
            .split("A\r")[-1]
            .replace("\x1b[K", "")
            .replace("\x1b[J", "")
            .splitlines()
        )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let terminals have 50 columns and 6 lines.
    """
    for name, value in (("COLUMNS", "50"), ("LINES", "6"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def nothing_is_left(deployment: Deployment) -> Iterator[None]:
    """
    After each test no thread of a view runs, and no connection but kept ones is open.
    """
    yield
    threads = [each.name for each in threading.enumerate() if "coder-agents" in each.name]
    assert threads == []
    reached(lambda: deployment.connections.open == deployment.connections.idle)


def test_metadata_is_shown_as_it_changes(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    A pipe gets a line for each new value, and the view has the last state.
    """
    out = Pipe({"28%": lambda: embedded.set_metadata("cpu", "30%"), "30%": stop})
    view = agent.metadata_view(file=out)
    assert isinstance(view, MetadataView)
    first, second = out.getvalue().splitlines()
    assert first.endswith("  CPU  28%")
    assert second.endswith("  CPU  30%")
    assert [each.result.value for each in view.items] == ["30%", ""]
    heading, _, _, cpu, disk = str(view).splitlines()
    assert heading == "Metadata of dev.main · stopped"
    assert cpu.split() == ["CPU", "30%", "0", "s"]
    assert disk.split() == ["Disk", "pending"]
    assert "<td" in view._repr_html_()


def test_ctrl_c_ends_a_metadata_view(agent: Agent) -> None:
    """
    The view returns with its last state, and its connection is closed.
    """
    with signalled_when_waiting():
        view = agent.metadata_view(file=io.StringIO())
    assert view.end is ViewEnd.INTERRUPTED


def test_ctrl_c_ends_a_view_of_logs(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    The view returns with the lines that came, and its connection is closed; also while it connects.
    """
    embedded.push_logs(["hello"])
    with signalled_when_waiting():
        view = agent.logs_view(file=io.StringIO())
    assert view.end is ViewEnd.INTERRUPTED
    view = agent.logs_view(file=Pipe({"hello": stop}))
    assert view.end is ViewEnd.INTERRUPTED
    assert [log.output for log in view.logs] == ["hello"]


def test_ctrl_c_ends_top(client: Client, agent: Agent) -> None:
    """
    The view returns, and its threads and connections have ended.
    """
    with signalled_when_waiting():
        view = client.top(file=io.StringIO())
    assert view.end is ViewEnd.INTERRUPTED


def test_a_view_that_cannot_begin_raises_the_error_of_its_stream(client: Client) -> None:
    """
    An agent that is not there is reported as by the stream itself.
    """
    with pytest.raises(NotFoundError):
        unread_agent(client).metadata_view(file=io.StringIO())
    with pytest.raises(NotFoundError):
        unread_agent(client).logs_view(file=io.StringIO())


def test_a_view_whose_stream_gives_up_raises_its_error(
    agent: Agent, deployment: Deployment
) -> None:
    """
    The view shows that the stream connects again; once the stream gives up, so does the view.
    """
    tries: list[str] = []
    options = StreamOptions(
        reconnect=SHORT.reconnect, on_reconnect=lambda reason, *_: tries.append(reason)
    )
    deployment.faults.add("reset", route="watch_metadata", after=1)
    for _ in range(100):
        deployment.faults.add("html", route="watch_metadata", status=502)
    with pytest.raises(CoderError):
        agent.metadata_view(file=io.StringIO(), options=options)
    assert tries


def test_a_view_of_logs_shows_that_it_connects_again(
    agent: Agent, embedded: EmbeddedAgent, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While the connection is down, the heading shows the try; afterwards it shows that the view is live,
    although no line has come.
    """
    embedded.push_logs(["hello"])
    for kind in ("reset", "html", "html"):
        options = {"after": 1} if kind == "reset" else {"status": 502}
        deployment.faults.add(kind, route="logs_follow", **options)
    tries: list[int] = []
    drawn: list[str] = []

    def draw(canvas: LineCanvas, content: Content) -> None:
        drawn.append(content.lines()[0])
        if tries and content.status == "live":
            stop()

    monkeypatch.setattr(LineCanvas, "draw", draw)
    options_of_stream = StreamOptions(
        reconnect=Reconnect(initial=0.5, maximum=0.5),
        on_reconnect=lambda reason, attempt, seconds: tries.append(attempt),
    )
    view = agent.logs_view(file=io.StringIO(), options=options_of_stream)
    assert view.end is ViewEnd.INTERRUPTED
    assert tries == [1, 2, 3]
    assert [log.output for log in view.logs] == ["hello"]
    assert any("· connecting again, try " in heading for heading in drawn)


def test_a_view_continues_after_a_drop(
    agent: Agent, embedded: EmbeddedAgent, deployment: Deployment
) -> None:
    """
    The change comes over the next connection, and nobody has to give a function for reconnects.
    """
    fault = deployment.faults.add("reset", route="watch_metadata", after=1)
    out = Pipe({"28%": lambda: embedded.set_metadata("cpu", "30%"), "30%": stop})
    options = StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.05))
    view = agent.metadata_view(file=out, options=options)
    assert view.end is ViewEnd.INTERRUPTED
    assert fault.struck == 1


@pytest.mark.parametrize("method", ["metadata_view", "logs_view"])
@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"seconds": -1}, ValueError), ({"file": "x"}, TypeError), ({"options": 1}, TypeError)],
)
def test_impossible_arguments_are_refused_before_a_request(
    agent: Agent,
    deployment: Deployment,
    method: str,
    arguments: dict[str, Any],
    error: type[Exception],
) -> None:
    """
    The error is raised before anything is sent.
    """
    before = len(deployment.requests)
    with pytest.raises(error):
        getattr(agent, method)(**arguments)
    with pytest.raises((TypeError, ValueError)):
        agent.logs_view(0)
    assert len(deployment.requests) == before


def test_a_view_of_logs_keeps_the_newest_lines(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    A pipe gets every line, and the view has as many as *tail*; levels are named.
    """
    embedded.push_logs([f"line {number}" for number in range(30)])
    embedded.push_logs(["broken"], level="error")
    out = Pipe({"broken": stop})
    view = agent.logs_view(tail=5, file=out)
    assert isinstance(view, LogsView)
    assert [log.output for log in view.logs] == [*(f"line {n}" for n in range(26, 30)), "broken"]
    assert len(out.getvalue().splitlines()) == 5
    heading, *_, last = str(view).splitlines()
    assert heading == "Log of dev.main · stopped"
    assert last.endswith("error  broken")


def test_earlier_lines_are_counted(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    A burst of more lines than the view looks at together loses none of them.
    """
    embedded.push_logs(["first"])
    lines = [f"line {number}" for number in range(2500)]
    out = Pipe({"first": lambda: embedded.push_logs(lines), "line 2499": stop})
    view = agent.logs_view(tail=3, file=out)
    assert len(out.getvalue().splitlines()) == 2501
    assert str(view).startswith("Log of dev.main · 2,498 earlier lines")


def test_a_view_of_a_log_that_ends_returns(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    A newer build ends the log, and so the view.
    """
    embedded.new_build()
    view = agent.logs_view(file=io.StringIO())
    assert view.end is ViewEnd.ENDED


def test_hostile_lines_do_no_harm(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    Colours stay on a terminal, and all else that a script can print is shown by its code.
    """
    embedded.push_logs([f"\x1b[31mred\x1b[m {HOSTILE}", "x" * 100_000], level="error")
    view = agent.logs_view(file=Pipe({"xxx": stop}))
    text, markup = str(view), view._repr_html_()
    assert "\x1b[31mred" in text
    assert "\x1b[2J" not in text
    assert "\\x1b[2J" in text
    assert "<b>$" not in markup
    assert "\x1b" not in markup
    assert max(map(len, text.splitlines())) < 1200


def test_hostile_metadata_does_no_harm(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    Names, values and errors are one line each, cut, and escaped in both forms.
    """
    embedded.set_metadata(HOSTILE * 20, HOSTILE + "\n" + "y" * 100_000, error=HOSTILE)
    view = agent.metadata_view(file=Pipe({"28%": stop}))
    text, markup = str(view), view._repr_html_()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<b>" not in markup
    assert max(map(len, text.splitlines())) < 200


@pytest.mark.usefixtures("small")
def test_a_long_value_hides_no_problem(
    agent: Agent, client: Client, embedded: EmbeddedAgent
) -> None:
    """
    In a narrow terminal the widest columns are cut, so all columns are there.
    """
    embedded.set_metadata("cpu", "y" * 200, error="exit 1")
    for show in (agent.metadata_view, client.top):
        out = SmallTerminal({"yyy": stop})
        show(file=out)
        _, head, _, row, *_ = out.last
        assert head.split()[-1] == "Problem"
        assert row.endswith(("exit 1", "pending"))
        assert all(len(line) < 50 for line in out.last)


@pytest.mark.usefixtures("small")
def test_a_low_terminal_shows_the_newest_lines_of_a_log(
    agent: Agent, embedded: EmbeddedAgent
) -> None:
    """
    Those that do not fit are the oldest ones.
    """
    embedded.push_logs([f"line {number}" for number in range(9)])
    out = SmallTerminal({"line 8": stop})
    agent.logs_view(file=out)
    heading, hidden, *shown = out.last
    assert heading.startswith("Log of dev.main")
    assert hidden.startswith("… ")
    assert [line.rpartition("  ")[-1] for line in shown] == ["line 6", "line 7", "line 8"]


def test_top_shows_all_agents(client: Client, deployment: Deployment, agent: Agent) -> None:
    """
    Each agent has a row with its state and its metadata, or with the error.
    """
    shop_agent = deployment.add_agent(workspace="shop")
    shop_agent.set_metadata("load", "0.5")
    out = Pipe({"28%": lambda: shop_agent.set_metadata("load", "0.7"), "load: 0.7": stop})
    view = client.top(file=out)
    assert isinstance(view, TopView)
    assert [each.label for each in view.agents] == ["dev.main", "shop.main"]
    heading, columns, _, dev, shop = str(view).splitlines()
    assert heading == "2 agents, 2 connected · stopped"
    assert {"Agent", "Status", "Lifecycle", "CPU", "load"} <= set(columns.split())
    assert "28%" in dev
    assert "0.7" in shop
    assert "shop.main" in view._repr_html_()
    assert len(view.failures) == 0


@pytest.mark.parametrize("name", ["coder-agents-watch", "coder-agents-states"])
def test_top_is_stopped_as_a_thread_starts(
    client: Client, agent: Agent, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """
    A thread that does not run yet cannot be waited for.
    """
    with monkeypatch.context() as patched:
        interrupt_starts(patched, name)
        assert client.top(file=io.StringIO()).end is ViewEnd.INTERRUPTED


def test_a_value_is_one_line_in_each_view(
    client: Client, agent: Agent, embedded: EmbeddedAgent
) -> None:
    """
    A carriage return, several lines, a tab and colours do not become codes, and break no table.
    """
    values = {"load: 1\r\nmem: 2\r\n": "load: 1 ⏎ mem: 2", "\x1b[31mred\x1b[0m\t1\r\n": "red 1"}
    for value, shown in values.items():
        embedded.set_metadata("cpu", value)
        table = str(client.top([agent], file=Pipe({shown: stop})))
        assert len(table.splitlines()) == 4
        assert shown in table
        assert shown in str(agent.metadata_view(file=Pipe({shown: stop})))


def test_top_appends_a_line_for_each_agent_that_changed(
    client: Client, deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    A pipe gets no line for an agent that is as it was.
    """
    shop = deployment.add_agent(workspace="shop")
    shop.set_metadata("load", "0")
    out = Pipe(
        {
            "CPU: 28%": lambda: shop.set_metadata("load", "1"),
            "load: 1": lambda: shop.set_metadata("load", "2"),
            "load: 2": stop,
        }
    )
    client.top(file=out)
    lines = out.getvalue().splitlines()
    assert len(lines) == len(set(lines))
    assert "dev.main  connected  ready  CPU: 28%  Disk: " in lines


def test_top_shows_the_error_of_an_agent(
    client: Client, agent: Agent, embedded: EmbeddedAgent
) -> None:
    """
    An agent that cannot be read affects no other agent.
    """
    missing = unread_agent(client)
    out = Pipe({"exist": lambda: embedded.set_metadata("cpu", "30%"), "30%": stop})
    view = client.top([agent, missing, agent], file=out)
    assert [each.label for each in view.agents] == [missing.label, "dev.main"]
    assert list(view.failures) == [missing]
    assert "404: Agent doesn't exist" in str(view)
    assert "30%" in str(view)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let the states of agents be read twenty times a second.
    """
    monkeypatch.setattr(agent_states, "PAUSE", 0.05)
    monkeypatch.setattr(agent_states, "_PAUSE_PER_AGENT", 0.0)


def test_top_follows_new_builds(client: Client, embedded: EmbeddedAgent, often: None) -> None:
    """
    The agent of the next build takes the place of the agent of the last one.
    """
    newer: list[EmbeddedAgent] = []

    def build() -> None:
        newer.append(embedded.new_build())
        newer[0].set_metadata("cpu", "99%")

    view = client.top(file=Pipe({"28%": build, "99%": stop}))
    assert [each.id for each in view.agents] == [newer[0].id]


def test_top_reads_given_agents_again(
    client: Client, agent: Agent, embedded: EmbeddedAgent, often: None
) -> None:
    """
    Their states are current.
    """
    view = client.top([agent], file=Pipe({"28%": embedded.disconnect, "disconnected": stop}))
    assert agent.status == "disconnected"
    assert str(view).startswith("1 agent, 0 connected")


@pytest.mark.parametrize("is_given", [True, False])
def test_top_shows_that_states_cannot_be_read(
    client: Client,
    agent: Agent,
    embedded: EmbeddedAgent,
    deployment: Deployment,
    often: None,
    monkeypatch: pytest.MonkeyPatch,
    is_given: bool,
) -> None:
    """
    During an outage the heading names the error, and the last states stay; after it they are read again.
    """
    headings: list[str] = []

    def break_down() -> None:
        for _ in range(8):
            deployment.faults.add("html", route="agent", status=502)
            deployment.faults.add("html", route="workspaces", status=502)

    class Watching(LineCanvas):
        def draw(self, content: Content) -> None:
            headings.append(content.lines()[0])
            super().draw(content)
            if "cannot be read" in "".join(headings[:-1]) and "live" in headings[-1]:
                stop()

    monkeypatch.setattr(live, "canvas_for", Watching)
    view = client.top([agent] if is_given else None, file=Pipe({"28%": break_down}))
    assert "502" in "".join(headings)
    assert [each.label for each in view.agents] == ["dev.main"]


def test_top_shows_a_given_agent_that_is_gone(
    client: Client, agent: Agent, deployment: Deployment, often: None
) -> None:
    """
    A state that will not be read any more is the error of its agent, not of the view.
    """
    for _ in range(100):
        deployment.faults.add("refuse", route="agent", status=404, headers=JSON, body=GONE)
    out = Pipe({"exist": stop})
    view = client.top([agent], file=out)
    assert list(view.failures) == [agent]


def test_top_refuses_what_are_no_agents(client: Client, agent: Agent) -> None:
    """
    One agent in place of several is an error that shows what to write.
    """
    one: Any = agent
    with pytest.raises(TypeError, match=r"pass \[agent\]"):
        client.top(one)


def test_top_ignores_what_comes_late_from_an_agent_that_is_gone(client: Client) -> None:
    """
    A thread may still have read a list or an error when the agent leaves the table.
    """
    content, gone = TopContent(), unread_agent(client)
    content.set_items(gone, [item()])
    content.set_failure(gone, ZeroDivisionError())
    assert content.rows() == []


def test_an_error_is_one_safe_line() -> None:
    """
    That of a refusal begins with the status.
    """
    refusal = NotFoundError("GET /x: 404", status_code=404, message="No\x1b[2J such agent.\n")
    assert cells.error_text(refusal) == "404: No\\x1b[2J such agent."
    assert cells.error_text(CoderError("cut off\x1b[2J")) == "cut off\\x1b[2J"
    assert cells.error_text(CoderError("x" * 100_000), width=9) == "xxxxxxxx…"


@pytest.mark.parametrize(
    ("age", "shown"),
    [(None, None), (5, "5 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_an_age_is_short(age: int | None, shown: str | None) -> None:
    """
    It is in the largest unit of which there are two.
    """
    assert cells.age_of(item(age=age)) == shown


def test_a_problem_is_named() -> None:
    """
    An error comes first, then that an item is pending or stale.
    """
    assert cells.problem_of(item(error="exit 1\n")) == "exit 1"
    assert cells.problem_of(item(at=None, age=None)) == "pending"
    assert cells.problem_of(item(age=100)) == "stale"
    assert cells.problem_of(item()) == ""
