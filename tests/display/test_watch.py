"""
The watch of several agents' metadata, over an embedded deployment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from driving import reached

from coder_agents import Agent, Client, Reconnect, StreamOptions
from coder_agents.display.watch import Items, MetadataWatch
from coder_agents.testing import Deployment

from .conftest import unread_agent


class Seen:
    """
    What a watch has told.
    """

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.failures: list[Exception] = []

    def items(self, agent: Agent, items: Items) -> None:
        """
        Note that *items* came from *agent*.
        """
        self.labels.add(agent.label)

    def failure(self, agent: Agent, error: Exception) -> None:
        """
        Note the *error* of *agent*.
        """
        self.failures.append(error)


def running() -> int:
    """
    Return how many threads watch.
    """
    return sum(each.name == "coder-agents-watch" for each in threading.enumerate())


@pytest.fixture
def seen() -> Seen:
    """
    Nothing so far.
    """
    return Seen()


@pytest.fixture(autouse=True)
def nothing_is_left(deployment: Deployment) -> Iterator[None]:
    """
    After each test no thread watches, and no connection but kept ones is open.
    """
    yield
    reached(lambda: running() == 0)
    reached(lambda: deployment.connections.open == deployment.connections.idle)


@pytest.fixture
def watch(seen: Seen, nothing_is_left: None) -> Iterator[MetadataWatch]:
    """
    A watch that tells what is `seen`, and is closed after the test.
    """
    made = MetadataWatch(on_items=seen.items, on_failure=seen.failure)
    yield made
    made.close()


def test_many_agents_share_a_few_threads(
    deployment: Deployment, client: Client, seen: Seen, watch: MetadataWatch
) -> None:
    """
    Each of them is heard, though there are more agents than threads.
    """
    for number in range(10):
        deployment.add_agent(workspace=f"dev{number}").set_metadata("cpu", "1")
    agents = list(client.agents())
    for agent in agents:
        watch.add(agent)
    assert running() == 8
    reached(lambda: seen.labels == {agent.label for agent in agents})
    assert seen.failures == []


def test_an_agent_that_is_dropped_is_not_watched_any_more(
    deployment: Deployment, agent: Agent, client: Client, seen: Seen, watch: MetadataWatch
) -> None:
    """
    Its connection ends; dropping it again, or an agent that was never watched, does nothing.
    """
    watch.add(agent)
    reached(lambda: seen.labels)
    watch.drop(agent)
    reached(lambda: deployment.connections.open == deployment.connections.idle)
    watch.drop(agent)
    watch.drop(unread_agent(client))
    assert seen.failures == []


def test_an_error_after_the_end_is_not_told(
    deployment: Deployment, agent: Agent, seen: Seen
) -> None:
    """
    Who has stopped the watch does not want to hear of it any more.
    """
    stopped = threading.Event()

    def stop_and_fail(*_: object) -> None:
        ended.stop()
        stopped.set()
        raise ZeroDivisionError

    options = StreamOptions(reconnect=Reconnect(initial=0.01), on_reconnect=stop_and_fail)
    ended = MetadataWatch(on_items=seen.items, on_failure=seen.failure, options=options)
    deployment.faults.add("reset", route="watch_metadata", after=1)
    ended.add(agent)
    assert stopped.wait(60)
    ended.close()
    reached(lambda: running() == 0)
    assert seen.failures == []
