"""
The threads that read the deployment.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator

import attrs
import pytest
from driving import reached

from coder_agents import AgentNotFoundError, Client, CoderError, WorkspaceNotFoundError
from coder_agents.cli.top.board import AgentState, Board
from coder_agents.cli.top.feeds import BoardFeeds
from coder_agents.cli.top.live import FollowedLog, FollowedMetadata
from coder_agents.cli.top.logs import LastLines
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.cli.top.selection import Selection
from coder_agents.scheduling.workers import Workers, described
from coder_agents.testing import Deployment, Metadata
from coder_agents.transport import ClosedError

from .conftest import QUICK
from .states import port

OWN = Selection()


@contextlib.contextmanager
def feeding(
    client: Client, selection: Selection = OWN, pace: DashboardPace = QUICK
) -> Iterator[tuple[BoardFeeds, Board]]:
    """
    Run the feeds in a ``with`` block; all their threads and connections end with it.
    """
    board = Board(gone_for=pace.gone)
    feeds = BoardFeeds(client, selection, board, pace)
    try:
        feeds.list_first()
        feeds.start()
        yield feeds, board
    finally:
        assert feeds.close()


def only(board: Board) -> AgentState:
    """
    Return the only state.
    """
    [state] = board.states.values()
    return state


def test_everything_about_an_agent_is_read(deployment: Deployment, client: Client) -> None:
    """
    Metadata, ports and the log are on the board, and stay up to date; nothing is open afterwards.
    """
    agent = deployment.add_agent(metadata=[Metadata("CPU", "cpu", interval=1)])
    agent.set_metadata("cpu", "5%")
    agent.set_ports([port(3000)])
    agent.push_logs(["one", "two"])
    with feeding(client) as (_, board):
        reached(lambda: only(board).metadata and only(board).ports and only(board).log)
        state = only(board)
        assert state.metadata[0].result.value == "5%"
        assert state.ports == (port(3000),)
        assert state.log is not None
        assert state.log.output == "two"
        agent.set_metadata("cpu", "7%")
        agent.open_port(8080)
        agent.push_logs(["three"])
        reached(lambda: len(only(board).histories["cpu"].readings) == 2)
        reached(lambda: len(only(board).ports or ()) == 2)
        reached(lambda: getattr(only(board).log, "output", "") == "three")
        agent.disconnect()
        reached(lambda: only(board).word == "disconnected" and only(board).ports is None)
        assert only(board).problems == {}
    reached(lambda: deployment.connections.open == 0)


def test_an_agent_that_is_not_connected_has_no_ports(
    deployment: Deployment, client: Client
) -> None:
    """
    Where it was connected when it was listed, the deployment says so; afterwards, it is not requested.
    """
    embedded = deployment.add_agent()
    embedded.set_ports([port(3000)])
    board = Board()
    feeds = BoardFeeds(client, OWN, board, QUICK)
    feeds.list_first()
    feeds._read_ports(only(board))
    assert only(board).ports == (port(3000),)
    embedded.disconnect()
    assert only(board).is_connected
    feeds._read_ports(only(board))
    assert only(board).ports is None
    assert only(board).problems == {}
    feeds.list_first()
    assert not only(board).is_connected
    feeds._read_ports(only(board))
    assert only(board).ports is None
    assert [each.route for each in deployment.requests].count("listening_ports") == 2
    assert feeds.close()


def test_agents_come_and_go(deployment: Deployment, client: Client) -> None:
    """
    A new agent's log is followed, too, and no line is read twice for that.
    """
    first = deployment.add_agent(workspace="one")
    first.push_logs(["old"])
    with feeding(client) as (_, board):
        reached(lambda: only(board).log)
        second = deployment.add_agent(workspace="two")
        second.push_logs(["new"])
        reached(lambda: len(board.states) == 2 and board.states[second.id].log)
        newer = first.new_build()
        reached(lambda: first.id not in board.states and newer.id in board.states)


def test_a_deployment_that_is_away_is_said_and_survived(
    deployment: Deployment, client: Client
) -> None:
    """
    The notice goes with the outage, and reading continues.
    """
    agent = deployment.add_agent()
    with feeding(client) as (_, board):
        reached(lambda: only(board).ports is not None)
        outage = threading.Thread(target=lambda: deployment.restart(down=0.5))
        outage.start()
        reached(lambda: any("no list of agents" in text for text in board.notices))
        outage.join()
        reached(lambda: not board.notices)
        agent.set_metadata("cpu", "9%")
        reached(lambda: only(board).metadata)
        reached(lambda: not only(board).problems)


@pytest.mark.parametrize(
    ("route", "what"),
    [("listening_ports", "ports"), ("watch_metadata", "metadata"), ("logs_follow", "log")],
)
def test_a_read_that_fails_is_noted_with_its_agent(
    route: str, what: str, deployment: Deployment, client: Client
) -> None:
    """
    The other agent is read as before, and the reason goes when a later read succeeds.
    """
    bad, good = (deployment.add_agent(workspace=name) for name in ("bad", "good"))
    for agent in (bad, good):
        agent.set_metadata("cpu", "1%")
        agent.push_logs(["line"])
    deployment.faults.add("refuse", route=route, times=None, status=403, containing=str(bad.id))
    with feeding(client) as (_, board):
        reached(lambda: "403" in board.states[bad.id].problems.get(what, ""))
        reached(lambda: board.states[good.id].metadata and board.states[good.id].log)
        reached(lambda: board.states[good.id].ports is not None)
        deployment.faults.clear()
        if what == "log":  # which is tried again where the agents change
            deployment.add_agent(workspace="new")
            bad.push_logs(["later"])
        reached(lambda: not board.states[bad.id].problems)
        assert not board.notices


def test_logs_that_cannot_be_followed_are_a_notice(deployment: Deployment, client: Client) -> None:
    """
    The thread tries again, and the notice goes with the reason.
    """
    deployment.add_agent().push_logs(["line"])
    deployment.faults.add("refuse", route="logs_follow", times=None, status=403)
    with feeding(client) as (_, board):
        reached(lambda: any(text.startswith("the logs: ") for text in board.notices))
        deployment.faults.clear()
        reached(lambda: only(board).log)
        reached(lambda: not board.notices)


def test_logs_that_have_ended_wait_for_others(deployment: Deployment, client: Client) -> None:
    """
    They are not requested again and again, and the wait ends with the dashboard.
    """
    agent = deployment.add_agent()
    with feeding(client, pace=attrs.evolve(QUICK, agents=3600.0)) as (feeds, _):
        reached(lambda: feeds._logs._stream)
        agent.new_build()
        reached(lambda: feeds._logs._stream is None)


def test_logs_that_are_not_wanted_any_more_when_they_open_are_closed(
    deployment: Deployment, client: Client
) -> None:
    """
    The agents may change while the thread connects.
    """
    one, two = (deployment.add_agent(workspace=name) for name in ("one", "two"))
    for agent in (one, two):
        agent.push_logs(["line"])
    board = Board()
    board.list_agents(listed := list(client.agents()))
    logs = LastLines(client, board, QUICK)
    held = deployment.faults.add("delay", route="logs_follow", seconds=3600)
    logs.follow([agent for agent in listed if agent.id == one.id], ())
    workers = Workers("coder-agents-top", board.put_notice, retry=QUICK.retry)
    workers.start("the logs", logs.step)
    assert held.wait_struck(timeout=30)
    logs.follow([agent for agent in listed if agent.id == two.id], ())
    held.release()
    reached(lambda: board.states[two.id].log)
    assert board.states[one.id].log is None
    workers.closing.set()
    logs.close()
    assert workers.join(30)


def test_an_agent_that_disconnects_meanwhile_has_no_ports(
    deployment: Deployment, client: Client
) -> None:
    """
    That is no problem: the next list shows the reason.
    """
    agent = deployment.add_agent()
    agent.set_ports([port(3000)])
    with feeding(client, pace=attrs.evolve(QUICK, agents=3600.0)) as (_, board):
        reached(lambda: only(board).ports)
        agent.disconnect()
        reached(lambda: only(board).ports is None)
        assert "ports" not in only(board).problems


def test_a_broken_connection_is_a_reason_to_list_the_agents(
    deployment: Deployment, client: Client
) -> None:
    """
    The list shows whether the deployment is away; an agent that is not on the board is skipped.
    """
    deployment.add_agent(workspace="one")
    with feeding(client, pace=attrs.evolve(QUICK, agents=3600.0)) as (feeds, board):
        feeds._metadata.keep([uuid.uuid4(), *board.states])
        deployment.add_agent(workspace="two")
        deployment.faults.add("reset", route="listening_ports", at="request")
        reached(lambda: len(board.states) == 2)


def test_of_too_many_agents_the_logs_in_view_are_followed(
    deployment: Deployment, client: Client
) -> None:
    """
    The limit holds for connections, and other logs are followed when a person scrolls to them.
    """
    agents = [deployment.add_agent(workspace=f"w{number}") for number in range(4)]
    for agent in agents:
        agent.push_logs(["line"])
    pace = attrs.evolve(QUICK, max_logs=2)
    with feeding(client, pace=pace) as (feeds, board):
        feeds.show([agents[3].id])
        reached(lambda: board.states[agents[3].id].log)
        feeds.show([agents[3].id, agents[0].id, agents[1].id])
        reached(lambda: sum(state.log is not None for state in board.states.values()) >= 2)
        feeds.show([agents[1].id])
        reached(lambda: board.states[agents[1].id].log)
        assert sum(state.log is not None for state in board.states.values()) <= 3


def test_the_first_list_has_to_succeed(deployment: Deployment, client: Client) -> None:
    """
    A wrong token and a name without agent are errors of the command, not of the dashboard.
    """
    with pytest.raises(WorkspaceNotFoundError):
        with feeding(client, Selection.of(None, ["none"])):
            pass
    with Client(deployment.url, "0" * 10 + "-" + "a" * 22) as stranger:
        with pytest.raises(CoderError):
            with feeding(stranger):
                pass


def test_a_name_that_leads_to_no_agent_any_more_is_a_notice(
    deployment: Deployment, client: Client
) -> None:
    """
    Its agent is gone, and the other agents are read on.
    """
    deployment.add_agent(workspace="one")
    deployment.add_agent(workspace="two")
    with feeding(client, Selection.of(None, ["one", "two"])) as (_, board):
        build = deployment.workspace("one").start_build(transition="stop")
        build.complete()
        reached(lambda: any("one is stopped" in text for text in board.notices))
        reached(lambda: len(board.states) == 1)


def test_a_refresh_reads_the_list_now(deployment: Deployment, client: Client) -> None:
    """
    The pause until the next list is an hour otherwise.
    """
    deployment.add_agent(workspace="one")
    with feeding(client, pace=attrs.evolve(QUICK, agents=3600.0)) as (feeds, board):
        deployment.add_agent(workspace="two")
        feeds.refresh()
        reached(lambda: len(board.states) == 2)


def test_closing_leaves_nothing_while_nothing_answers(
    deployment: Deployment, client: Client
) -> None:
    """
    Threads that connect, and threads that wait for an answer, end at once.
    """
    for number in range(4):
        deployment.add_agent(workspace=f"w{number}")
    deployment.faults.add("silence", route="watch_metadata", times=None)
    deployment.faults.add("delay", route="listening_ports", times=None, seconds=3600)
    with feeding(client) as (_, board):
        reached(lambda: any(state.log is None for state in board.states.values()))
        with deployment.unreachable():
            pass
    deployment.faults.clear()


def test_a_screen_follows_one_agent(deployment: Deployment, client: Client) -> None:
    """
    The log comes in order and in parts, the metadata goes to the board, and closing ends both.
    """
    agent = deployment.add_agent()
    agent.push_logs(["one", "two", "three"])
    agent.set_metadata("cpu", "1%")
    idle = attrs.evolve(QUICK, metadata=3600.0)
    with feeding(client, pace=idle) as (feeds, board):
        log = FollowedLog(only(board).agent, tail=2)
        metadata = FollowedMetadata(only(board).agent, board)
        feeds.follow(log)
        feeds.follow(metadata)
        reached(lambda: only(board).metadata)
        lines: list[str] = []

        def taken() -> int:
            lines.extend(each.output for each in log.take(1))
            return len(lines)

        reached(lambda: taken() == 2)
        assert lines == ["two", "three"]
        agent.set_metadata("cpu", "2%")
        reached(lambda: len(only(board).histories["cpu"].readings) == 2)
        log.close()
        metadata.close()
        reached(lambda: log.ending and metadata.ending)


def test_a_log_that_cannot_be_followed_says_why(deployment: Deployment, client: Client) -> None:
    """
    It is the deployment's reason.
    """
    deployment.add_agent()
    deployment.faults.add("refuse", route="logs_follow", status=403)
    [agent] = client.agents()
    log = FollowedLog(agent, tail=2)
    log.follow()
    assert "403" in log.ending


def test_what_is_closed_before_it_is_open_is_not_read(
    deployment: Deployment, client: Client
) -> None:
    """
    A person may leave a screen at once.
    """
    deployment.add_agent().push_logs(["line"])
    [agent] = client.agents()
    log = FollowedLog(agent, tail=2)
    log.close()
    log.follow()
    assert log.take(9) == []
    assert log.ending


def test_an_error_of_a_thread_is_shown_until_it_succeeds() -> None:
    """
    Any exception is shown, with its class where the text alone says little.
    """
    board = Board()
    workers = Workers("coder-agents-top", board.put_notice, retry=QUICK.retry)
    outcomes: list[Exception | None] = [ValueError("no"), KeyError(), None]
    met: list[list[str]] = []
    may_end = threading.Event()

    def step() -> None:
        met.append(board.notices)
        if not outcomes:
            may_end.wait(30)
            raise ClosedError
        if (error := outcomes.pop(0)) is not None:
            raise error

    workers.start("reader", step)
    reached(lambda: len(met) == 4)
    assert met == [[], ["reader: ValueError: no"], ["reader: KeyError"], []]
    assert not workers.join(0)
    may_end.set()
    assert workers.join(30)


def test_an_error_while_the_threads_end_is_not_shown() -> None:
    """
    A request that begins after its client was closed fails, and that is nobody's problem.
    """
    reported: list[tuple[str, str]] = []
    workers = Workers("test", lambda *each: reported.append(each), retry=QUICK.retry)

    def step() -> None:
        workers.closing.set()
        raise RuntimeError("the client is closed")

    workers.start("reader", step)
    assert workers.join(30)
    assert reported == []


def test_a_thread_that_runs_once_shows_its_error() -> None:
    """
    The error of one run goes with the next.
    """
    board = Board()
    workers = Workers("coder-agents-top", board.put_notice, retry=QUICK.retry)
    workers.run("reader", lambda: 1 / 0)
    assert workers.join(30)
    assert board.notices == ["reader: ZeroDivisionError: division by zero"]
    workers.run("reader", lambda: None)
    assert workers.join(30)
    assert board.notices == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (AgentNotFoundError("no agent\n\x1b[2J", workspace=None, agents=()), r"no agent \x1b[2J"),
        (RuntimeError(), "RuntimeError"),
        (CoderError(""), "CoderError"),
    ],
)
def test_an_error_is_one_safe_line(error: Exception, text: str) -> None:
    """
    Names in an error's text come from others.
    """
    assert described(error) == text
