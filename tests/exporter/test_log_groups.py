"""
The streams of logs while agents come and go.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from driving import InThread, reached

from coder_agents import Agent, Client
from coder_agents.exporter.log_groups import LogGroups
from coder_agents.exporter.observed import Observed
from coder_agents.exporter.pace import ExporterPace
from coder_agents.scheduling.workers import Workers
from coder_agents.testing import Deployment, EmbeddedAgent

from .conftest import QUICK


class Followed:
    """
    Groups that run in threads, and what they report.
    """

    def __init__(self, client: Client, pace: ExporterPace) -> None:
        self.client = client._wakeable()
        self.observed = Observed()
        self.reasons: list[str] = []
        self.workers = Workers("coder-agents-exporter", self._report, retry=pace.retry)
        self.groups = LogGroups(self.client, self.workers, self.observed, pace)

    def _report(self, name: str, reason: str) -> None:
        if reason:
            self.reasons.append(reason)

    def list_agents(self, *embedded: EmbeddedAgent) -> None:
        """
        List these agents, as a read of the list does.
        """
        wanted = {agent.id for agent in embedded}
        agents = [agent for agent in self.client.agents() if agent.id in wanted]
        self.groups.list_agents(agents, self.observed.list_agents(agents))

    def lines(self, agent: EmbeddedAgent) -> int:
        """
        Return how many lines of *agent* were counted, without those of `count_from_now`.
        """
        return self._count(agent, "info")

    def count_from_now(self, *embedded: EmbeddedAgent) -> None:
        """
        List these agents as the first ones, and wait until new lines of their logs are counted.
        """
        self.list_agents(*embedded)
        for agent in embedded:
            reached(lambda: agent.push_logs(["."], level="trace") and self._traces(agent))  # noqa: B023

    def _traces(self, agent: EmbeddedAgent) -> int:
        return self._count(agent, "trace")

    def _count(self, agent: EmbeddedAgent, level: str) -> int:
        names = self.observed._names.get(agent.id)
        counts = None if names is None else self.observed._lines.get(names)
        return 0 if counts is None else counts[level]

    @property
    def sizes(self) -> list[int]:
        """
        How many agents each stream follows, in ascending order.
        """
        return sorted(len(group.agents) for group in self.groups._groups)


@contextlib.contextmanager
def following(client: Client, pace: ExporterPace = QUICK) -> Iterator[Followed]:
    """
    Run groups in a ``with`` block; all their threads and connections end with it.
    """
    followed = Followed(client, pace)
    followed.workers.start("the logs", followed.groups.step)
    try:
        yield followed
    finally:
        followed.workers.closing.set()
        followed.groups.close()
        followed.client.close()
        assert followed.workers.join(30)
        assert followed.sizes == []


def agents_of(deployment: Deployment, count: int) -> list[EmbeddedAgent]:
    """
    Return new agents, each with a line in its log.
    """
    agents = [deployment.add_agent(workspace=f"w{number}") for number in range(count)]
    for agent in agents:
        agent.push_logs(["before"])
    return agents


def test_new_agents_open_few_logs_again(deployment: Deployment, client: Client) -> None:
    """
    While agents come one by one, no line is lost or counted twice, there are few streams, and no log
    is opened more often than the logarithm.
    """
    count = 12
    agents = agents_of(deployment, count)
    with following(client) as followed:
        followed.count_from_now(agents[0])
        for number in range(count):
            followed.list_agents(*agents[: number + 1])
            reached(lambda: sum(followed.sizes) == number + 1)  # noqa: B023 (waits for it)
            assert len(followed.sizes) <= 4
            for agent in agents[: number + 1]:
                agent.push_logs(["line"])
        # Of the first agent, the line that was there before is not counted.
        expected = {agent.id: count - number + (number > 0) for number, agent in enumerate(agents)}
        reached(lambda: {agent.id: followed.lines(agent) for agent in agents} == expected)
        opened = [each.target for each in deployment.requests if each.route == "logs_follow"]
        for agent in agents:
            assert 1 <= sum(str(agent.id) in path for path in opened) <= 5
        assert followed.reasons == []


def test_an_agent_that_comes_back_continues(deployment: Deployment, client: Client) -> None:
    """
    Lines that were stored while the agent was not listed are counted once it is listed again.
    """
    one, two, three = agents_of(deployment, 3)
    # No log has ended by itself: none of them waits before it is followed again.
    with following(client, attrs.evolve(QUICK, again=3600.0)) as followed:
        followed.count_from_now(one, two)
        one.push_logs(["a"])
        reached(lambda: followed.lines(one) == 1)
        followed.list_agents(two)
        # A new agent closes the stream of both, which is not larger, and the gone agent is dropped.
        deployment_agents = [two, three, deployment.add_agent(workspace="new")]
        followed.list_agents(*deployment_agents)
        reached(lambda: followed.sizes == [3])
        one.push_logs(["b", "c"])
        followed.list_agents(one, *deployment_agents)
        reached(lambda: followed.lines(one) == 3)
        assert followed.lines(two) == 0
        assert followed.lines(three) == 1


def test_a_forgotten_agent_begins_again(deployment: Deployment, client: Client) -> None:
    """
    The position in the log is forgotten together with the counts.
    """
    [one, two] = agents_of(deployment, 2)
    with following(client) as followed:
        followed.list_agents(one)
        reached(lambda: followed.sizes == [1])
        followed.list_agents(two)  # whose stream absorbs that of the first one
        reached(lambda: followed.groups._bookmarks and followed.sizes == [1])
        followed.groups.list_agents([], forgotten=[one.id])
        assert one.id not in followed.groups._bookmarks
        followed.list_agents(one, two)
        reached(lambda: followed.lines(one) == 1)


def test_a_log_that_ends_is_followed_again_later(deployment: Deployment, client: Client) -> None:
    """
    While its agent is listed, a log that has ended is opened again after a pause, and its lines are
    counted once.
    """
    one, two = agents_of(deployment, 2)
    with following(client) as followed:
        agents: list[Agent] = list(client.agents())
        followed.count_from_now(one, two)
        one.push_logs(["a"])
        reached(lambda: followed.lines(one) == 1)
        deployment.workspace("w0").start_build("stop").complete()

        def ended() -> bool:
            followed.groups.list_agents(agents)
            opened = [each.target for each in deployment.requests if each.route == "logs_follow"]
            return sum(str(one.id) in path for path in opened) >= 5

        reached(ended)
        two.push_logs(["b"])
        reached(lambda: followed.lines(two) == 1)
        assert followed.lines(one) == 1


def test_logs_that_fail_are_tried_again_and_counted(deployment: Deployment, client: Client) -> None:
    """
    Where no log can be followed, the reason is reported, and the logs follow once it has gone.
    """
    agents = agents_of(deployment, 2)
    deployment.faults.add("refuse", route="logs_follow", times=4, status=403)
    with following(client) as followed:
        followed.list_agents(*agents)
        reached(lambda: followed.sizes == [2])
        assert "403" in followed.reasons[0]
        errors = followed.observed.snapshot().errors
        assert errors["logs", "PermissionDeniedError"] == 4


def test_no_log_is_opened_while_the_deployment_is_away(
    deployment: Deployment, client: Client
) -> None:
    """
    The logs are opened once the list of agents can be read again.
    """
    agents = agents_of(deployment, 1)
    with following(client) as followed:
        followed.groups.hold()
        followed.list_agents(*agents)
        followed.groups.list_agents(client.agents())
        assert "logs_follow" not in {each.route for each in deployment.requests}
        followed.groups.release()
        reached(lambda: followed.sizes == [1])


def test_a_stream_that_opens_at_the_end_is_closed(deployment: Deployment, client: Client) -> None:
    """
    The groups may be closed while a thread connects.
    """
    agents = agents_of(deployment, 1)
    held = deployment.faults.add("delay", route="logs_follow", seconds=3600)
    followed = Followed(client, QUICK)
    followed.list_agents(*agents)
    step = InThread(followed.groups.step)
    assert held.wait_struck(timeout=30)
    followed.groups.close()
    held.release()
    assert step.ended() is None
    assert followed.workers.join(30)
    assert followed.sizes == []
    followed.client.close()


def test_the_counts_of_streams_that_have_ended_are_kept(
    deployment: Deployment, client: Client
) -> None:
    """
    A new stream does not reset the reconnects, and late lines are counted.
    """
    one, two = agents_of(deployment, 2)
    with following(client) as followed:
        deployment.faults.add("reset", route="logs_follow", after=1)
        followed.count_from_now(one)
        late = one.begin_logs(["late"])
        one.push_logs(["early"])
        reached(lambda: followed.lines(one) == 1)
        late.commit()
        reached(lambda: followed.groups.health.reconnects == 1 and followed.lines(one) == 2)
        assert followed.groups.health.late == 1
        followed.list_agents(one, two)
        reached(lambda: followed.sizes == [2])
        assert attrs.astuple(followed.groups.health) == (2, 1, 1)


def test_logs_follow_once_the_system_has_threads_again(
    deployment: Deployment, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A stream whose thread cannot be started is closed, and its logs are opened again: no log is counted
    as followed that nobody reads.
    """
    start = threading.Thread.start
    refused: list[threading.Thread] = []

    def limited(self: threading.Thread) -> None:
        if "lines of logs" in self.name and not refused:
            refused.append(self)
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    [one, two] = agents_of(deployment, 2)
    with following(client) as followed:
        followed.count_from_now(one)
        assert "can't start new thread" in followed.reasons[0]
        followed.list_agents(one, two)  # the new stream absorbs the first one
        one.push_logs(["a"])
        reached(lambda: followed.sizes == [2] and followed.lines(one) == followed.lines(two) == 1)


def test_a_bug_is_reported(deployment: Deployment, client: Client) -> None:
    """
    A thread that ends by another error than the deployment's is no silence, and its logs are opened again
    after a pause only.
    """
    [one] = agents_of(deployment, 1)
    with following(client, attrs.evolve(QUICK, again=3600.0)) as followed:
        broken: Any = lambda *_, **__: 1 / 0  # noqa: E731
        followed.observed.count_lines = broken  # type: ignore[method-assign]
        followed.list_agents(one)
        reached(lambda: one.push_logs(["x"]) and "ZeroDivisionError" in str(followed.reasons))
        reached(lambda: one.id in followed.groups._again_at)
        assert followed.sizes == []
