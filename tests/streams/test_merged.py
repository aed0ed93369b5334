"""
The logs of several agents, followed together, over real sockets.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import random
import re
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import attrs
import pytest
from driving import signalled_when_waiting
from effort import times
from hypothesis import given
from hypothesis import strategies as st
from paced import paced

from coder_agents import (
    Agent,
    AgentLog,
    Client,
    CoderError,
    MergedLogStream,
    NotFoundError,
    Reconnect,
    ServerError,
    StreamEnd,
    StreamError,
    StreamOptions,
    TransportError,
)
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams.merged_position import in_order_of_ids
from coder_agents.testing import Deployment, EmbeddedAgent, Script

from .playing import poll_until
from .test_stream import open_sockets

RELEASES = ("2.24", "2.31", "2.35")
LONG = 60.0  # seconds; more than anything here takes
QUICK = paced(
    StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.1, give_up_after=LONG), settle=0),
    second_try=0.02,
    third_try=0.1,
    max_leaving=LONG,  # so that no thread is left, however slow the machine
)
RAISING = StreamOptions(reconnect=None, settle=0)
THREADS = "coder-agents-connect"


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment.
    """
    with Deployment() as made:
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it, whose streams come back quickly and check nothing.
    """
    with deployment.client(stream_options=QUICK) as made:
        yield made


def add(deployment: Deployment, count: int) -> list[EmbeddedAgent]:
    """
    Add *count* agents, each in a workspace of its own: ``w0`` and so on.
    """
    return [deployment.add_agent(workspace=f"w{number}") for number in range(count)]


def found(client: Client, count: int) -> list[Agent]:
    """
    Return them as the client finds them.
    """
    return [client.agent(f"w{number}") for number in range(count)]


def take(stream: MergedLogStream[Agent], count: int) -> list[str]:
    """
    Return the next *count* items as text.
    """
    return [str(stream.poll(LONG)) for _ in range(count)]


def threads() -> list[str]:
    """
    Return the names of the threads that connect.
    """
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if name.startswith(THREADS)]


@contextlib.contextmanager
def nothing_left(deployment: Deployment, client: Client) -> Iterator[None]:
    """
    Check that what is done meanwhile leaves no socket and no thread.
    """

    def sockets() -> set[int]:
        client._http.session.close()  # those of its REST calls are not meant
        return open_sockets(client)

    gone_by = time.monotonic() + LONG
    before = sockets()
    yield
    deployment.faults.clear()
    # A close waits for the threads half a second, in which a busy machine may run none of them; and the
    # deployment's sockets go once it has noticed.
    while threads() or not sockets() <= before:
        assert time.monotonic() < gone_by
        time.sleep(0.01)


class Writers:
    """
    Threads that write lines to all the agents, some of them late.
    """

    def __init__(self, agents: list[EmbeddedAgent], batches: int, late: float) -> None:
        self.committed: dict[uuid.UUID, list[int]] = {agent.id: [] for agent in agents}
        self._agents = agents
        self._late = late
        self._threads = [
            threading.Thread(target=self._write, args=(seed, batches)) for seed in range(2)
        ]

    def start(self) -> None:
        """
        Begin to write.
        """
        for thread in self._threads:
            thread.start()

    def _write(self, seed: int, batches: int) -> None:
        chance = random.Random(seed)
        pending: list[tuple[float, EmbeddedAgent, Any]] = []
        for number in range(batches):
            agent = chance.choice(self._agents)
            batch = agent.begin_logs([f"{seed} {number}", "and more"])
            pending.append((time.monotonic() + chance.random() * self._late, agent, batch))
            pending = self._commit(pending, time.monotonic())
            time.sleep(0.001)
        while pending:
            time.sleep(0.01)
            pending = self._commit(pending, time.monotonic())

    def _commit(
        self, pending: list[tuple[float, EmbeddedAgent, Any]], now: float
    ) -> list[tuple[float, EmbeddedAgent, Any]]:
        for when, agent, batch in pending:
            if when <= now:
                assert batch.commit()
                self.committed[agent.id] += batch.ids
        return [each for each in pending if each[0] > now]

    def done(self) -> bool:
        """
        Whether all is written.
        """
        return not any(thread.is_alive() for thread in self._threads)


def count(ids: dict[uuid.UUID, list[int]]) -> int:
    """
    Return how many lines there are of all agents.
    """
    return sum(map(len, ids.values()))


def read_all(stream: MergedLogStream[Agent], writers: Writers) -> dict[uuid.UUID, list[int]]:
    """
    Return the ids of each agent's lines that came, when all have, and a second more.
    """
    came: dict[uuid.UUID, list[int]] = {agent_id: [] for agent_id in writers.committed}
    until = time.monotonic() + 2 * LONG
    quiet_at = None
    while quiet_at is None or time.monotonic() < quiet_at:
        assert time.monotonic() < until, "lines are lost"
        item = stream.poll(0.1)
        if item is not None:
            came[item.agent.id].append(item.log.id)
        elif quiet_at is None and writers.done() and count(came) >= count(writers.committed):
            quiet_at = time.monotonic() + 1
    return came


AGENTS = times(10, 50)
BATCHES = AGENTS * 10


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_is_lost_or_comes_twice(release: str) -> None:
    """
    Many agents are followed through drops of every kind, while writers commit late.
    """
    options = attrs.evolve(QUICK, settle=2)  # ten times what a line is late
    with Deployment(release=release, ping_interval=0.5) as deployment:
        agents = add(deployment, AGENTS)
        for agent in agents:
            agent.push_logs(["before"])
        faults = [
            deployment.faults.add(kind, route="logs_follow", after=after, times=times)
            for kind, after, times in itertools.product(
                ("drop", "reset", "cut", "close"), (1, 2), (AGENTS // 5,)
            )
        ]
        with deployment.client(stream_options=options) as client:
            writers = Writers(agents, BATCHES, late=0.2)
            for agent in agents:
                writers.committed[agent.id] += [
                    log.id for log in client.agent(agent.id).logs() if log.output == "before"
                ]
            with client.follow_logs(found(client, AGENTS)) as stream:
                writers.start()
                came = read_all(stream, writers)
                stats, bookmarks = stream.stats, stream.bookmarks
            assert stream.failures == {}
    assert {key: sorted(ids) for key, ids in came.items()} == {
        key: sorted(ids) for key, ids in writers.committed.items()
    }
    assert stats.items == count(came) == AGENTS + 4 * BATCHES
    # Some strike a connection that a look for late lines takes the place of.
    assert sum(fault.struck for fault in faults) >= AGENTS
    assert stats.reconnects >= AGENTS // 2
    assert stats.late > 0
    assert set(bookmarks) == {agent.id for agent in agents}


def test_a_late_line_of_a_quiet_agent_comes() -> None:
    """
    It is looked for when it is time, though no socket has anything.
    """
    options = attrs.evolve(QUICK, settle=0.2)
    with (
        Deployment(ping_interval=1000) as deployment,
        deployment.client(stream_options=options) as client,
    ):
        agents = add(deployment, 2)
        late = agents[0].begin_logs(["late"])
        agents[0].push_logs(["in time"])
        with client.follow_logs(found(client, 2)) as stream:
            assert take(stream, 1) == ["w0.main | in time"]
            late.commit()
            assert take(stream, 1) == ["w0.main | late"]
            assert stream.stats.late == 1


def test_what_is_there_comes_by_id(deployment: Deployment, client: Client) -> None:
    """
    Whichever agent a line is of; then come the new ones.
    """
    agents = add(deployment, 5)
    chance = random.Random(1)
    for number in range(200):
        chance.choice(agents).push_logs([f"line {number}"])
    with client.follow_logs(found(client, 5)) as stream:
        batch = next(stream.batches())
        assert [item.log.output for item in batch] == [f"line {number}" for number in range(200)]
        assert stream.poll(0) is None
        for number in (3, 0, 4):
            agents[number].push_logs(["new"])
            assert take(stream, 1) == [f"w{number}.main | new"]


def test_it_is_a_generator_of_lines_with_their_agents(
    deployment: Deployment, client: Client
) -> None:
    """
    The very agents that were given.
    """
    agents = add(deployment, 2)
    agents[1].push_logs(["one", "two"])
    given = found(client, 2)
    with client.follow_logs(iter(given)) as stream:
        first = next(stream)
        assert first == AgentLog(given[1], first.log)
        assert first.agent is given[1]
        assert str(next(stream)) == "w1.main | two"
        assert repr(stream) == "<MergedLogStream of the logs of 2 agents, 2 items, open>"
        assert (stream.end, len(stream.ends)) == (None, 0)
    with client.follow_logs(given[:1]) as alone:
        assert "the logs of 1 agent, " in repr(alone)
    assert stream.end is StreamEnd.CLOSED
    assert set(stream.ends.values()) == {StreamEnd.CLOSED}
    assert list(stream) == []


def test_a_label_and_a_line_are_safe_to_print() -> None:
    """
    They are safe whoever named the workspace, and whatever a script printed.
    """

    @attrs.define
    class Named:
        id: uuid.UUID
        label: str

    item = AgentLog(Named(uuid.uuid4(), "dev.main"), WorkspaceAgentLog(output="a\rb\x1b[2J"))
    assert str(item) == "dev.main | b\\x1b[2J"


def test_an_agents_label_is_its_name_in_its_workspace(
    deployment: Deployment, client: Client
) -> None:
    """
    Alone where the workspace is not known; what moves a cursor is shown.
    """
    embedded = deployment.add_agent("gpu", workspace="dev")
    assert client.agent("dev").label == "dev.gpu"
    agent = client.agent(embedded.id)
    assert agent.label == "gpu"
    agent._data = attrs.evolve(agent.data, name="g\rpu")
    assert agent.label == "g\\x0dpu"


def test_no_agents_are_no_lines(client: Client) -> None:
    """
    The iteration is over at once, without an error.
    """
    stream = client.follow_logs([])
    assert list(stream) == []
    assert stream.end is StreamEnd.ALL_ENDED
    assert (stream.stats.items, len(stream.failures), len(stream.bookmarks)) == (0, 0, 0)


def test_filters_are_those_of_one_log_for_each_log_by_itself(
    deployment: Deployment, client: Client
) -> None:
    """
    The tail is of each agent's lines; of what comes later each line comes that passes.
    """
    agents = add(deployment, 2)
    for agent in agents:
        agent.push_logs(["one", "two", "three"])
        agent.push_logs(["no space left"], level="error")
    followed = found(client, 2)
    with client.follow_logs(followed, tail=2) as stream:
        assert sorted(take(stream, 4)) == [
            f"w{number}.main | {line}" for number in range(2) for line in ("no space left", "three")
        ]
    with client.follow_logs(followed, tail=0, level="warn", grep=re.compile("space")) as stream:
        # What is written before the first answers is among the lines that tail=0 skips.
        members = stream._core.engine.members  # type: ignore[attr-defined]
        assert poll_until(stream, lambda: all(each.feed.answered for each in members)) == []
        agents[0].push_logs(["space"])
        agents[0].push_logs(["disk"], level="error")
        agents[1].push_logs(["no space, again"], level="error")
        assert take(stream, 1) == ["w1.main | no space, again"]
        bookmarks = stream.bookmarks
    first = followed[0].logs()[0].id
    with client.follow_logs(followed, before=first + 1, since=timedelta(hours=1)) as stream:
        assert take(stream, 1) == ["w0.main | one"]
    agents[0].push_logs(["last"])
    with client.follow_logs(followed, after=bookmarks, grep="last") as stream:
        assert take(stream, 1) == ["w0.main | last"]


def sources_of(deployment: Deployment) -> None:
    """
    Add three agents: two that have a script *Tools*, which has printed something, and one without.
    """
    for number, name in enumerate(("Tools", "Tools", "Other")):
        script = Script(f"echo of {name}", name)
        deployment.add_agent(workspace=f"w{number}", scripts=[script]).wait_started()


def test_a_source_has_to_be_one_of_some_agent_and_others_yield_nothing(
    deployment: Deployment, client: Client
) -> None:
    """
    The name that no agent has is refused, with the names that there are.
    """
    sources_of(deployment)
    agents = found(client, 3)
    with client.follow_logs(agents, source=iter(["Tools"])) as stream:
        assert sorted(take(stream, 2)) == ["w0.main | of Tools", "w1.main | of Tools"]
        deployment.agents[2].push_logs(["of none"])
        assert stream.poll(0.1) is None
    with pytest.raises(ValueError, match=r"no source 'Missing'; its sources are: .*'Tools'"):
        client.follow_logs(agents, source="Missing")
    assert list(client.follow_logs([], source="Missing")) == []


def test_an_agent_that_does_not_list_a_source_yet_is_read_again(
    deployment: Deployment, client: Client
) -> None:
    """
    A source is listed with its first line, which may have come since; what fails then matters only
    where the name is known to nobody.
    """
    sources_of(deployment)
    agents = found(client, 3)
    for agent in agents[:2]:
        agent._data = attrs.evolve(agent.data, log_sources=())
    deployment.faults.add("refuse", route="agent", status=503, message="busy")
    with deployment.client(retries=0, stream_options=QUICK) as other:
        again = found(other, 3)
        again[0]._data = attrs.evolve(again[0].data, log_sources=())
        with other.follow_logs(again, source="Tools") as stream:
            assert take(stream, 1) == ["w1.main | of Tools"]
        deployment.faults.add("refuse", route="agent", status=503, message="busy")
        with pytest.raises(ServerError, match="busy"):
            other.follow_logs(again, source="Missing")
    with client.follow_logs(agents, source="Tools") as stream:
        assert sorted(take(stream, 2)) == ["w0.main | of Tools", "w1.main | of Tools"]


def test_bad_arguments_are_refused_before_any_request(
    deployment: Deployment, client: Client
) -> None:
    """
    Each with what is wrong.
    """
    (embedded,) = add(deployment, 1)
    agent = client.agent("w0")
    deployment.requests.clear()
    follow: Any = client.follow_logs
    cases: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
        (["w0"], {}, TypeError, "class Agent, not str"),
        ([agent, agent], {}, ValueError, "w0.main .* is listed twice"),
        ([agent], {"on_failure": 1}, TypeError, "on_failure must be a function or None, not int"),
        ([agent], {"after": {uuid.UUID(int=7): 1}}, ValueError, "none of the agents"),
        ([agent], {"after": {agent: 1}}, TypeError, "the keys of after .* agent.id, not Agent"),
        ([agent], {"after": {str(embedded.id): 1}}, TypeError, "the keys of after .*, not str"),
        ([agent], {"after": 0}, TypeError, "after must be a mapping .*, not int"),
        ([agent], {"after": "1:x"}, TypeError, "MergedLogStream.bookmarks is, not str"),
        ([agent], {"after": {embedded.id: "1:x"}}, ValueError, "neither a bookmark"),
        ([agent], {"after": {embedded.id: -1}}, ValueError, "after"),
        ([agent], {"level": "loud"}, ValueError, "level must be one of .* not 'loud'"),
        ([agent], {"tail": -1}, ValueError, "tail must be 0 or more"),
        ([agent], {"source": "No", "on_failure": 1}, TypeError, "on_failure must be a function"),
        (
            [agent],
            {"source": "No", "after": {embedded.id: "1:x"}},
            ValueError,
            "neither a bookmark",
        ),
    ]
    for arguments, named, error, match in cases:
        with pytest.raises(error, match=match):
            follow(arguments, **named)
    with Client("http://127.0.0.1:1", "token-of-another") as other:
        with pytest.raises(ValueError, match="belongs to another deployment"):
            other.follow_logs([agent])
    client.close()
    with pytest.raises(RuntimeError, match="client is closed"):
        client.follow_logs([agent])
    assert list(deployment.requests) == []


def test_one_that_cannot_be_opened_is_told_and_the_others_go_on(
    deployment: Deployment, client: Client
) -> None:
    """
    Once to *on_failure*, and in `failures`.
    """
    agents = add(deployment, 2)
    child = agents[0].add_subagent("web")
    given = [client.agent(child.id), *found(client, 2)[1:]]
    child.delete()
    agents[1].push_logs(["one"])
    told: list[tuple[Agent, CoderError]] = []
    with client.follow_logs(given, on_failure=lambda *words: told.append(words)) as stream:
        assert [agent for agent, _ in told] == given[:1]
        assert isinstance(told[0][1], NotFoundError)
        assert take(stream, 1) == ["w1.main | one"]
        assert dict(stream.failures) == {given[0]: told[0][1]}
        assert dict(stream.ends) == {given[0]: StreamEnd.FAILED}
    assert len(told) == 1


def test_one_that_fails_later_is_told_and_the_others_go_on(deployment: Deployment) -> None:
    """
    The error has a bookmark after what was yielded of it; its lines are not lost to those who
    continue.
    """
    agents = add(deployment, 3)
    for agent in agents:
        agent.push_logs(["one"])
    deployment.faults.add("close", route="logs_follow", after=1, code=1001)
    with deployment.client(stream_options=RAISING) as client:
        told: list[tuple[Agent, CoderError]] = []
        given = found(client, 3)
        with client.follow_logs(given, on_failure=lambda *words: told.append(words)) as stream:
            assert sorted(take(stream, 3)) == [f"w{number}.main | one" for number in range(3)]
            while not told:
                assert stream.poll(0.05) is None
            ((failed, error),) = told
            assert isinstance(error, StreamError)
            assert error.bookmark == stream.bookmarks[failed.id]
            for embedded in agents:
                embedded.push_logs(["two"])
            others = [agent.label for agent in given if agent is not failed]
            assert sorted(take(stream, 2)) == [f"{label} | two" for label in others]
            assert stream.poll(0.1) is None
        with client.follow_logs(given, after=stream.bookmarks) as again:
            assert take(again, 1) == [f"{failed.label} | two"]
            assert again.poll(0.1) is None


def test_failures_that_nobody_hears_of_are_logged(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """
    When the last has failed the iteration ends without an error, but each failure is a warning.
    """
    add(deployment, 2)
    deployment.faults.add("close", route="logs_follow", after=1, code=1001, times=2)
    with deployment.client(stream_options=RAISING) as client:
        stream = client.follow_logs(found(client, 2))
        assert list(stream) == []
        assert stream.end is StreamEnd.ALL_ENDED
        assert set(stream.ends.values()) == {StreamEnd.FAILED}
        assert len(stream.failures) == 2
        texts = [f"{agent.label} is not followed any more" for agent in stream.failures]
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert all(any(text in each for each in warnings) for text in texts)
    assert len(warnings) == 2


def test_failures_that_somebody_hears_of_are_not_logged(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What to do about them is up to *on_failure* then.
    """
    add(deployment, 2)
    deployment.faults.add("close", route="logs_follow", after=1, code=1001, times=2)
    with deployment.client(stream_options=RAISING) as client:
        told: list[Agent] = []
        given = found(client, 2)
        assert list(client.follow_logs(given, on_failure=lambda a, _: told.append(a))) == []
    assert set(told) == set(given)
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


@pytest.mark.parametrize(("count", "notes"), [(1, 0), (3, 2), (15, 11)])
def test_where_all_fail_at_once_the_first_error_is_raised(
    deployment: Deployment,
    client: Client,
    count: int,
    notes: int,
) -> None:
    """
    The others' are its notes, not more than a screen of them.
    """
    add(deployment, count)
    agents = found(client, count)
    deployment.faults.add("html", route="logs_follow", times=None)
    told: list[Agent] = []
    with nothing_left(deployment, client), pytest.raises(CoderError) as raised:
        client.follow_logs(agents, on_failure=lambda agent, _: told.append(agent))
    assert told == agents
    assert str(agents[0].id) in str(raised.value)
    assert len(getattr(raised.value, "__notes__", [])) == notes


def test_agents_whose_logs_end_are_left(deployment: Deployment, client: Client) -> None:
    """
    Each with its reason; with the last the iteration ends.
    """
    agents = add(deployment, 2)
    for agent in agents:
        agent.push_logs(["one"])
    followed = found(client, 2)
    stream = client.follow_logs(followed)
    assert len(take(stream, 2)) == 2
    agents[0].new_build()
    while not stream.ends:
        assert stream.poll(0.05) is None
    assert dict(stream.ends) == {followed[0]: StreamEnd.NOT_IN_LATEST_BUILD}
    agents[1].push_logs(["two"])
    assert take(stream, 1) == ["w1.main | two"]
    agents[1].new_build()
    assert list(stream) == []
    assert stream.end is StreamEnd.ALL_ENDED
    assert stream.failures == {}


@pytest.mark.parametrize("why", ["again", "check", "workspace"])
def test_a_connection_that_hangs_holds_up_no_other_agent(
    deployment: Deployment, client: Client, why: str
) -> None:
    """
    It may be made to continue, to look for late lines, or to read the workspace. It is waited for
    elsewhere, and closing the stream wakes that, too.
    """
    agents = add(deployment, 2)
    given = found(client, 2)
    options = paced(QUICK, first_answers=0.5)
    options = attrs.evolve(options, settle=0.2 if why == "check" else 0)
    if why == "again":
        deployment.faults.add("drop", route="logs_follow", after=1)
    with nothing_left(deployment, client), client.follow_logs(given, options=options) as stream:
        assert stream.poll(0) is None
        route = {"workspace": "workspace", "check": "logs"}.get(why, "logs_follow")
        hangs = deployment.faults.add("silence", route=route, at="request", times=None)
        if why == "workspace":
            agents[0].new_build()
        elif why == "check":
            agents[0].push_logs(["line"])
            take(stream, 1)
        while not hangs.struck:
            stream.poll(0.02)
        for _ in range(3):
            for embedded in agents:
                embedded.push_logs(["line"])
            assert take(stream, 1)[0].endswith(" | line")
        while stream.poll(0) is not None:
            pass
        assert threads()


def test_lines_wait_for_an_agent_that_does_not_answer_but_not_for_long(
    deployment: Deployment, client: Client
) -> None:
    """
    What there is of it comes when it comes.
    """
    options = paced(QUICK, first_answers=0.5)
    agents = add(deployment, 2)
    for agent in agents:
        agent.push_logs(["one"])
    silent = deployment.faults.add("silence", route="logs_follow", pings=True)
    with client.follow_logs(found(client, 2), options=options) as stream:
        assert stream.poll(0) is None
        first = take(stream, 1)
        assert stream.poll(0.1) is None
        silent.release()
        assert sorted(first + take(stream, 1)) == ["w0.main | one", "w1.main | one"]


@contextlib.contextmanager
def closing(how: str, stream: MergedLogStream[Agent]) -> Iterator[None]:
    """
    Have a thread or a signal handler close *stream* soon; check that nothing hangs then.
    """
    started = time.monotonic()
    if how == "signal":
        with signalled_when_waiting(lambda *_: stream.close()):
            yield
    else:
        threading.Timer(0.2, stream.close).start()
        yield
    assert time.monotonic() - started < 40


@pytest.mark.parametrize("how", ["thread", "signal"])
@pytest.mark.parametrize("state", ["waiting", "connecting", "backing off"])
def test_close_ends_the_iteration_and_leaves_nothing(
    deployment: Deployment, client: Client, how: str, state: str
) -> None:
    """
    A thread or a signal handler may close it, twice, whatever the reader waits for.
    """
    add(deployment, 12)
    agents = found(client, 12)
    options = QUICK
    if state == "backing off":
        options = attrs.evolve(QUICK, reconnect=Reconnect(initial=60, maximum=60))
    if state != "waiting":
        deployment.faults.add("drop", route="logs_follow", after=1, times=12)
    with nothing_left(deployment, client):
        stream = client.follow_logs(agents, options=options)
        if state == "connecting":
            hangs = deployment.faults.add("silence", route="logs_follow", at="request", times=None)
            while hangs.struck < 8:
                assert stream.poll(0.02) is None
        with closing(how, stream):
            assert list(stream) == []
        assert stream.end is StreamEnd.CLOSED
        stream.close()


def test_a_stream_that_nobody_reads_is_closed_at_once(
    deployment: Deployment, client: Client
) -> None:
    """
    What came and was not yielded is left; the bookmarks count what was.
    """
    agents = add(deployment, 3)
    for agent in agents:
        agent.push_logs(["one", "two"])
    given = found(client, 3)
    with nothing_left(deployment, client):
        with client.follow_logs(given) as stream:
            came = take(stream, 4)
        with client.follow_logs(given, after=stream.bookmarks) as stream:
            came += take(stream, 2)
            assert stream.poll(0.1) is None
    assert came == [f"w{n}.main | {line}" for n in range(3) for line in ("one", "two")]


@pytest.mark.parametrize("when", ["opening", "reading"])
def test_ctrl_c_passes_through_and_leaves_nothing(
    deployment: Deployment, client: Client, when: str
) -> None:
    """
    It does so also while the streams are being opened and the deployment does not answer.
    """
    add(deployment, 12)
    agents = found(client, 12)
    if when == "opening":
        deployment.faults.add("silence", route="logs_follow", at="request", times=None)
    with nothing_left(deployment, client), signalled_when_waiting():
        with pytest.raises(KeyboardInterrupt):
            for _ in client.follow_logs(agents):
                pass


def test_closing_at_any_moment_is_the_end_and_no_error(
    deployment: Deployment, client: Client
) -> None:
    """
    While lines come and connections break; what was read is whole and in order.
    """
    agents = add(deployment, 4)
    chance = random.Random(3)
    given = found(client, 4)
    with nothing_left(deployment, client):
        for _ in range(times(10, 60)):
            deployment.faults.add("drop", route="logs_follow", after=1, times=2)
            stream = client.follow_logs(given)
            came: list[AgentLog[Agent]] = []
            reader = threading.Thread(target=lambda came=came, s=stream: came.extend(s))
            reader.start()
            agents[0].push_logs(["line"])
            time.sleep(chance.random() * 0.03)
            stream.close()
            reader.join(LONG)
            assert not reader.is_alive()
            assert stream.end is StreamEnd.CLOSED
            ids = [item.log.id for item in came]
            assert len(ids) == len(set(ids))


def test_closing_reaches_every_log(deployment: Deployment, client: Client) -> None:
    """
    Each log ends as closed.
    """
    add(deployment, 3)
    with client.follow_logs(found(client, 3)) as stream:
        assert stream.ends == {}
        stream.close()
        assert list(stream) == []
        assert list(stream.ends.values()) == [StreamEnd.CLOSED] * 3


def test_two_readers_at_once_are_refused(deployment: Deployment, client: Client) -> None:
    """
    They are refused as by generators; the first is not disturbed.
    """
    add(deployment, 2)
    stream = client.follow_logs(found(client, 2))
    reader = threading.Thread(target=list, args=(stream,))
    reader.start()
    while not stream._core.owner:
        time.sleep(0.01)
    with pytest.raises(ValueError, match="another thread is reading the stream"):
        next(stream)
    stream.close()
    reader.join(LONG)
    assert not reader.is_alive()


def test_a_stream_left_open_is_closed_with_a_warning(
    deployment: Deployment, client: Client
) -> None:
    """
    One, that says where it was opened.
    """
    add(deployment, 3)
    agents = found(client, 3)
    with nothing_left(deployment, client):
        with pytest.warns(ResourceWarning, match=r"test_merged\.py:\d+") as warned:
            client.follow_logs(agents).poll(0.1)
    assert len(warned) == 1


def test_what_happens_is_told_by_the_thread_that_reads(deployment: Deployment) -> None:
    """
    Others connect, and *on_reconnect* need not be safe among threads all the same.
    """
    add(deployment, 4)
    told: list[int] = []
    options = attrs.evolve(QUICK, on_reconnect=lambda *_: told.append(threading.get_ident()))
    deployment.faults.add("drop", route="logs_follow", after=1, times=4)
    deployment.faults.add("drop", route="logs_follow", at="request", times=4)
    with deployment.client(stream_options=options) as client:
        with client.follow_logs(found(client, 4)) as stream:
            while len(told) < 8:
                assert stream.poll(0.1) is None
    assert set(told) == {threading.get_ident()}


@pytest.mark.parametrize("moment", ["now", "later"])
def test_an_error_of_on_failure_passes_through(deployment: Deployment, moment: str) -> None:
    """
    It leaves nothing open.
    """
    add(deployment, 3)

    def raise_it(agent: Agent, error: CoderError) -> None:
        raise ZeroDivisionError

    if moment == "now":
        deployment.faults.add("html", route="logs_follow")
    else:
        deployment.faults.add("drop", route="logs_follow", after=1)
    with deployment.client(stream_options=RAISING) as client:
        agents = found(client, 3)
        with nothing_left(deployment, client), pytest.raises(ZeroDivisionError):
            for _ in client.follow_logs(agents, on_failure=raise_it):
                pass


def test_on_failure_may_raise_the_error_itself(deployment: Deployment) -> None:
    """
    One failure is the end of all then, and told as one.
    """
    add(deployment, 3)
    deployment.faults.add("drop", route="logs_follow", after=1)

    def raise_it(agent: Agent, error: CoderError) -> None:
        raise error

    with deployment.client(stream_options=RAISING) as client:
        stream = client.follow_logs(found(client, 3), on_failure=raise_it)
        with pytest.raises(StreamError):
            next(stream)
        assert list(stream) == []
    assert stream.end is StreamEnd.FAILED


def test_on_failure_may_close_the_stream(deployment: Deployment) -> None:
    """
    The iteration ends; lines of the others that had come are left.
    """
    add(deployment, 3)
    deployment.faults.add("drop", route="logs_follow", after=1)
    with deployment.client(stream_options=RAISING) as client:
        stream = client.follow_logs(found(client, 3), on_failure=lambda *_: stream.close())
        assert list(stream) == []
    assert stream.end is StreamEnd.CLOSED


def test_no_more_than_eight_threads_connect_and_none_without_need(
    deployment: Deployment, client: Client
) -> None:
    """
    This holds however many connections break at the same time.
    """
    agents = add(deployment, 30)
    with client.follow_logs(found(client, 30)) as stream:
        deployment.restart()
        while stream.stats.reconnects < 30:
            assert stream.poll(0.05) is None
            assert len(threads()) <= 8
        agents[29].push_logs(["still there"])
        assert take(stream, 1) == ["w29.main | still there"]
    assert threads() == []


def test_whole_logs_come_over_tls() -> None:
    """
    What lies in TLS or in a parser is read before anything is waited for.
    """
    with Deployment(tls=True) as deployment, deployment.client(stream_options=QUICK) as client:
        agents = add(deployment, 4)
        given = found(client, 4)
        with nothing_left(deployment, client), client.follow_logs(given) as stream:
            for number, agent in enumerate(agents):
                for each in range(20):
                    agent.push_logs([f"{number} {each} " + "x" * 900] * 50)
            counts = collections.Counter(take(stream, 4 * 20 * 50))
            assert set(counts.values()) == {50}
            assert len(counts) == 80
            assert stream.poll(0.1) is None


@pytest.mark.parametrize(("absent", "level"), [(False, logging.INFO), (True, logging.DEBUG)])
def test_a_break_is_told_quietly_only_where_nobody_was_reading(
    deployment: Deployment,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    absent: bool,
    level: int,
) -> None:
    """
    A quiet agent in a stream that is read is no neglected one.
    """
    caplog.set_level(logging.DEBUG, "coder_agents")
    add(deployment, 1)
    options = paced(QUICK, long_absence=0.3)
    with client.follow_logs(found(client, 1), options=options) as stream:
        assert stream.poll(0.1) is None
        (time.sleep if absent else stream.poll)(0.5)
        deployment.faults.clear()
        deployment.restart()
        while not (told := [r for r in caplog.records if "connecting again" in r.getMessage()]):
            assert stream.poll(0.05) is None
    assert told[0].levelno == level


def test_a_deployment_that_is_not_there_is_told() -> None:
    """
    The error of the first agent is raised.
    """
    with Deployment() as deployment:
        client = deployment.client(stream_options=QUICK)
        add(deployment, 2)
        agents = found(client, 2)
    with nothing_left(deployment, client), pytest.raises(TransportError, match=str(agents[0].id)):
        client.follow_logs(agents)


ids_of_logs = st.lists(st.lists(st.integers(1, 60), unique=True), max_size=5)


@given(each=ids_of_logs)
def test_the_order_of_lines_that_came_together(each: list[list[int]]) -> None:
    """
    Each line once and each log in its own order; where no line is late, by id.
    """
    rests = [list(ids) for ids in each]
    whole = [rests[place].pop(0) for place in in_order_of_ids(each)]
    assert not any(rests)
    if all(ids == sorted(ids) for ids in each):
        assert whole == sorted(whole)


@given(each=ids_of_logs)
def test_a_late_line_is_not_put_off(each: list[list[int]]) -> None:
    """
    It comes with the line of a higher id before it, ahead of all that are higher still.
    """
    rests = [list(ids) for ids in each]
    newest = dict.fromkeys(range(len(each)), 0)
    order = in_order_of_ids(each)
    reached = []
    for place in order:
        newest[place] = max(newest[place], rests[place].pop(0))
        reached.append(newest[place])
    assert reached == sorted(reached)
