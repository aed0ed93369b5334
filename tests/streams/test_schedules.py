"""
Whole streams over sockets, through random schedules of writers, drops and restarts.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import attrs
import pytest
from effort import times
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soak import Plan, soak

from coder_agents import Client, LogStream, Reconnect, StreamOptions
from coder_agents.testing import Deployment, EmbeddedAgent, PendingLogs

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

SETTLE = 0.25
LONG = 60.0  # seconds; far more than anything takes
OPTIONS = StreamOptions(
    reconnect=Reconnect(initial=0.001, maximum=0.01, give_up_after=60), settle=SETTLE
)
BREAKS = ("drop", "reset", "cut", "close", "rolling_restart")


@attrs.define
class Writing:
    """
    Lines that have their ids: when they took them, and when they were committed.
    """

    pending: PendingLogs
    taken: float
    committed: float | None = None

    def commit(self) -> None:
        assert self.pending.commit()
        self.committed = time.monotonic()

    @property
    def in_time(self) -> bool:
        """
        Whether they were committed soon enough to be promised, with a margin for clocks.
        """
        return self.committed is not None and self.committed - self.taken < SETTLE * 0.8


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """
    One deployment for all schedules; each has an agent of its own.
    """
    with Deployment(log_limit=1 << 40) as made:
        yield made


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("commit"), st.integers(0, 5)),
        st.tuples(st.just("skip"), st.integers(1, 50)),
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("break"), st.sampled_from(BREAKS)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=25,
)


class Schedule:
    """
    Carries steps out against one agent, with a stream beside it.
    """

    def __init__(self, deployment: Deployment, agent: EmbeddedAgent) -> None:
        self.deployment = deployment
        self.agent = agent
        self.writings: list[Writing] = []
        self.yielded: list[int] = []
        self.late = 0.0

    def take(self, count: int) -> None:
        lines = [f"line {number}" for number in range(count)]
        taken = time.monotonic()  # before they do, as this process may be held up in between
        self.writings.append(Writing(self.agent.begin_logs(lines), taken))

    def open_writings(self) -> list[Writing]:
        return [writing for writing in self.writings if writing.committed is None]

    def commit(self, which: int) -> None:
        waiting = self.open_writings()
        if waiting:
            waiting[which % len(waiting)].commit()

    def step(self, stream: LogStream, what: str, how: int | str) -> None:
        if what == "take":
            self.take(int(how))
        elif what == "commit":
            self.commit(int(how))
        elif what == "skip":
            self.deployment.skip_log_ids(int(how))
        elif what == "read":
            self.read(stream, int(how))
        elif what == "restart":
            self.deployment.restart()
        else:
            options = {"code": 1001} if how == "close" else {}
            self.deployment.faults.add(str(how), route="logs_follow", after=1, **options)

    def read(self, stream: LogStream, most: int) -> None:
        for _ in range(most):
            if (log := stream.poll(0.005)) is not None:
                self.yielded.append(log.id)

    def commit_all(self) -> None:
        """
        Commit what is open, and let no more faults happen.
        """
        while self.open_writings():
            self.commit(0)
        self.deployment.faults.clear()

    def promised(self) -> set[int]:
        """
        Return the ids that were committed in time.
        """
        timely = [writing.pending.ids for writing in self.writings if writing.in_time]
        return set(itertools.chain.from_iterable(timely))

    def finish(self, stream: LogStream, promised: set[int]) -> None:
        """
        Read until *promised* has come, however long a busy machine takes, and then until the stream has been
        quiet for long: nothing may come twice.
        """
        until = time.monotonic() + LONG
        while not promised <= set(self.yielded) and time.monotonic() < until:
            self.read(stream, 1)
        while (log := stream.poll(SETTLE * 2)) is not None:
            self.yielded.append(log.id)

    def check(self) -> None:
        committed = {number for writing in self.writings for number in writing.pending.ids}
        assert len(self.yielded) == len(set(self.yielded))
        assert set(self.yielded) <= committed
        assert self.promised() <= set(self.yielded)


@settings(
    max_examples=times(5, 20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_each_line_comes_once_whatever_happens(
    deployment: Deployment, steps: list[tuple[str, int | str]]
) -> None:
    """
    Those committed in time all come, and none comes twice.
    """
    agent = deployment.add_agent(f"agent-{len(deployment.agents)}")
    schedule = Schedule(deployment, agent)
    with deployment.client() as client:
        with client.agent(agent.id).follow_logs(options=OPTIONS) as stream:
            for what, how in steps:
                schedule.step(stream, what, how)
            schedule.commit_all()
            schedule.finish(stream, schedule.promised())
        schedule.check()


@settings(
    max_examples=times(4, 20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, stops=st.lists(st.integers(0, 24), max_size=3))
def test_bookmarks_go_on_whatever_happens(
    deployment: Deployment, steps: list[tuple[str, int | str]], stops: list[int]
) -> None:
    """
    A stream that is left and opened again from its bookmark is one stream.
    """
    agent = deployment.add_agent(f"agent-{len(deployment.agents)}")
    schedule = Schedule(deployment, agent)
    with deployment.client() as client:
        seen = client.agent(agent.id)
        stream = seen.follow_logs(options=OPTIONS)
        for number, (what, how) in enumerate(steps):
            schedule.step(stream, what, how)
            if number in stops:
                stream.close()
                stream = reopened(client, agent, stream.bookmark)
        schedule.commit_all()
        schedule.finish(stream, schedule.promised())
        stream.close()
        schedule.check()


def reopened(client: Client, agent: EmbeddedAgent, bookmark: str) -> LogStream:
    """
    Go on from *bookmark*; faults that wait may break the first connection, too.
    """
    return client.agent(agent.id).follow_logs(bookmark, options=OPTIONS)


def test_a_short_soak_loses_and_repeats_nothing() -> None:
    """
    A dozen drops and more, a thousand lines and more, three writers that commit late.
    """
    plan = Plan(lines=times(1_200, 6_000), drops=times(12, 60), rate=2_500, settle=0.3, late=0.25)
    report = soak(plan)
    assert report.committed == plan.lines
    assert report.repeated == 0
    # A machine that is too busy to commit in time breaks the promise's condition, not the promise.
    assert report.lost == 0 or report.latest >= plan.settle
    assert report.reconnects > 0
    assert report.late > 0
