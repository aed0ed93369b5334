"""
Containers that a watch does not report, agents that have none, and agents that switch all off.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from paced import paced

from coder_agents import (
    Agent,
    Client,
    ContainerStarted,
    ContainerStopped,
    DevcontainersDisabledError,
    NotFoundError,
    Reconnect,
    StreamOptions,
    UnsupportedCallError,
)
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
)
from coder_agents.testing import Deployment, EmbeddedAgent
from coder_agents.testing.releases import find_release

OFTEN = 0.02
QUICK = paced(StreamOptions(reconnect=Reconnect(initial=0.02, maximum=0.05)), check_retry=0.05)
WEB = WorkspaceAgentContainer(id="web", name="web", running=True)
DEV = WorkspaceAgentDevcontainer(
    id=uuid.UUID(int=1), name="dev", status=WorkspaceAgentDevcontainerStatus.RUNNING
)


@pytest.fixture
def watched() -> Iterator[Deployment]:
    """
    A deployment whose containers can be watched.
    """
    with Deployment(ping_interval=0.1) as made:
        yield made


@pytest.fixture
def client(watched: Deployment) -> Iterator[Client]:
    """
    A client of it, which tries nothing again by itself.
    """
    with watched.client(retries=0, stream_options=QUICK) as made:
        yield made


def count(deployment: Deployment, route: str) -> int:
    """
    Return how many requests of *route* the deployment got.
    """
    return sum(request.route == route for request in deployment.requests)


def ids(state: Any) -> list[str]:
    """
    Return the ids of the containers of *state*.
    """
    return [each.id for each in state.containers]


def test_a_container_that_starts_or_stops_alone_is_seen(
    agent: Agent, embedded: EmbeddedAgent
) -> None:
    """
    A watch does not report it, whatever the release; the list beside the watch does.
    """
    with agent.watch_containers(interval=OFTEN) as stream:
        changes: Any = stream.changes()
        embedded.set_containers([WEB])
        change = next(changes)
        assert isinstance(change, ContainerStarted)
        assert change.container.id == "web"
        embedded.set_containers([attrs.evolve(WEB, running=False, status="exited")])
        assert isinstance(next(changes), ContainerStopped)


def test_the_list_is_read_beside_the_watch_and_takes_no_other_connection_each_time(
    watched: Deployment, client: Client
) -> None:
    """
    One connection is kept for it, and the watch stays the one that it was.
    """
    agent = client.agent(watched.add_agent().id)
    with agent.watch_containers(interval=OFTEN) as stream:
        next(stream)
        accepted = watched.connections.accepted
        while count(watched, "containers") < 5:
            assert stream.poll(OFTEN) is None
        stats = stream.stats
    assert watched.connections.accepted <= accepted + 1
    assert count(watched, "containers_watch") == 1
    assert (stats.reconnects, stats.items) == (0, 1)
    assert stats.checks >= 4


def test_the_list_is_not_read_soon_where_nobody_wants_that(
    watched: Deployment, client: Client
) -> None:
    """
    The default is 30 seconds, and each state of the watch is as good as a list.
    """
    embedded = watched.add_agent()
    with client.agent(embedded.id).watch_containers() as stream:
        next(stream)
        assert stream.poll(0.2) is None
        embedded.set_devcontainers([DEV])
        assert len(next(stream).devcontainers) == 1
    assert count(watched, "containers") == 0


def test_a_list_that_does_not_come_holds_up_no_watch(watched: Deployment, client: Client) -> None:
    """
    What the watch reports meanwhile comes at once.
    """
    embedded = watched.add_agent()
    with client.agent(embedded.id).watch_containers(interval=OFTEN) as stream:
        next(stream)
        fault = watched.faults.add("silence", route="containers", at="request", times=None)
        while not fault.struck:
            assert stream.poll(OFTEN) is None
        embedded.set_devcontainers([DEV])
        state = stream.poll(60)
        assert state is not None
        assert len(state.devcontainers) == 1
        assert stream.stats.reconnects == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "refuse", "status": 503},
        {"kind": "replace", "text": "[]"},
        {"kind": "drop"},
    ],
    ids=lambda fault: str(fault["kind"]),
)
def test_a_list_that_cannot_be_had_ends_nothing(
    watched: Deployment, client: Client, fault: dict[str, Any]
) -> None:
    """
    It is read again later; the watch stays open.
    """
    embedded = watched.add_agent()
    with client.agent(embedded.id).watch_containers(interval=OFTEN) as stream:
        next(stream)
        added = watched.faults.add(route="containers", **fault)
        embedded.set_containers([WEB])
        state = stream.poll(60)
        assert state is not None
        assert ids(state) == ["web"]
        assert (added.struck, stream.stats.reconnects) == (1, 0)


def test_a_list_that_is_older_than_a_state_of_the_watch_is_dropped(
    watched: Deployment, client: Client
) -> None:
    """
    It was requested before, and came later: nothing goes back to what it was.
    """
    embedded = watched.add_agent()
    with client.agent(embedded.id).watch_containers(interval=0.2) as stream:
        next(stream)
        fault = watched.faults.add("split", route="containers", seconds=0.5)
        embedded.set_containers([WEB])
        while not fault.struck:
            assert stream.poll(0.01) is None
        embedded.set_containers([])
        embedded.set_devcontainers([DEV])
        state = next(stream)
        assert (ids(state), len(state.devcontainers)) == ([], 1)
        lists = count(watched, "containers")
        while count(watched, "containers") < lists + 2:
            assert stream.poll(0.05) is None


def test_what_waits_in_the_watch_comes_before_a_list(watched: Deployment, client: Client) -> None:
    """
    The watch is read to its end before a list is taken, also after pings, however long nobody has
    read.
    """
    embedded = watched.add_agent()
    with client.agent(embedded.id).watch_containers(interval=OFTEN) as stream:
        next(stream)
        embedded.set_containers([WEB])
        fault = watched.faults.add("split", route="containers", seconds=0.6)
        while not fault.struck:
            assert stream.poll(0) is None
        time.sleep(0.4)  # in which pings come
        embedded.set_containers([])
        embedded.set_devcontainers([DEV])
        time.sleep(0.6)  # in which the rest of the list comes
        state = next(stream)
        assert (ids(state), len(state.devcontainers)) == ([], 1)


def test_a_closed_stream_leaves_no_list_open(watched: Deployment, client: Client) -> None:
    """
    None is left also where one is being read, by a reader that waits.
    """
    embedded = watched.add_agent()
    fault = watched.faults.add("silence", route="containers", at="request", times=None)
    with client.agent(embedded.id).watch_containers(interval=OFTEN) as stream:
        next(stream)
        while not fault.struck:
            assert stream.poll(OFTEN) is None
    assert list(stream) == []
    fault.release()


def test_closing_wakes_a_reader_whose_list_does_not_come(
    watched: Deployment, client: Client
) -> None:
    """
    The reader ends, whatever it waits for.
    """
    agent = client.agent(watched.add_agent().id)
    fault = watched.faults.add("silence", route="containers", at="request", times=None)
    with agent.watch_containers(interval=OFTEN) as stream:
        next(stream)
        found: list[Any] = []
        reader = threading.Thread(target=lambda: found.extend(stream))
        reader.start()
        assert fault.wait_struck()
        stream.close()
        reader.join(60)
        assert not reader.is_alive()
    assert found == []
    fault.release()


def test_a_break_that_nobody_was_there_to_see_is_expected(
    watched: Deployment, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is logged for those who debug, as that of every stream.
    """
    embedded = watched.add_agent()
    agent, absent = client.agent(embedded.id), paced(QUICK, long_absence=0.0)
    with caplog.at_level(logging.INFO), agent.watch_containers(options=absent) as stream:
        next(stream)
        watched.restart()
        embedded.set_devcontainers([DEV])
        assert len(next(stream).devcontainers) == 1
        assert stream.stats.reconnects == 1
    assert "connecting again" not in caplog.text


@pytest.fixture
def old(watched: Deployment) -> EmbeddedAgent:
    """
    An agent that was not restarted since its deployment was updated.
    """
    embedded = watched.add_agent(release="2.24")
    embedded.set_devcontainers([DEV])
    return embedded


def test_an_old_agent_behind_a_newer_deployment_is_polled(
    watched: Deployment, client: Client, old: EmbeddedAgent
) -> None:
    """
    It has no watch, which is found out once in a client's life, and for that agent alone.
    """
    agent = client.agent(old.id)
    with agent.watch_containers(interval=OFTEN) as stream:
        assert next(stream).devcontainers == (DEV,)
        old.set_containers([WEB])
        assert ids(next(stream)) == ["web"]
        assert stream.stats.checks == 0
    with client.agent(old.id).watch_containers(interval=OFTEN) as stream:
        assert ids(next(stream)) == ["web"]
    assert count(watched, "containers_watch") == 1
    assert agent.wait_devcontainer("dev").name == "dev"
    newer = watched.add_agent("newer")
    client.agent(newer.id).watch_containers().close()
    assert client.capabilities.containers_watch is True
    assert client.capabilities.agents_without_watch == {old.id}
    assert count(watched, "containers_watch") == 2


@pytest.mark.parametrize("breaks", ["away", "replaced"])
def test_an_agent_that_was_updated_is_watched(
    watched: Deployment, client: Client, old: EmbeddedAgent, breaks: str
) -> None:
    """
    An agent that is away, or a deployment, may come back with another release.
    """
    with client.agent(old.id).watch_containers(interval=OFTEN) as stream:
        next(stream)
        old.containers.release = find_release("2.31")
        if breaks == "away":
            old.disconnect()
            assert stream.poll(0.3) is None
            old.connect()
        else:
            watched.faults.add("refuse", route="containers", status=502, body="<html>")
        while count(watched, "containers_watch") < 2:
            stream.poll(OFTEN)
        old.set_devcontainers([])
        assert next(stream).devcontainers == ()


CHANGES: dict[str, Callable[[Agent, Any], object]] = {
    "delete_devcontainer": lambda agent, which: agent.delete_devcontainer(which),
    "recreate_devcontainer": lambda agent, which: agent.recreate_devcontainer(which),
}
SINCE = {"delete_devcontainer": "2.30", "recreate_devcontainer": "2.25"}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("which", [DEV, "dev"], ids=["itself", "name"])
def test_what_an_old_agent_cannot_do_is_told_with_its_version(
    client: Client, old: EmbeddedAgent, name: str, which: Any
) -> None:
    """
    It is the agent that lacks the call: its workspace is to be restarted.
    """
    with pytest.raises(UnsupportedCallError, match=r"this agent \(v2\.24\.0\)") as raised:
        CHANGES[name](client.agent(old.id), which)
    error = raised.value
    assert (error.call, error.since) == (f"agent.{name}()", SINCE[name])
    assert (error.agent_version, error.version) == ("v2.24.0", "v2.31.0")
    assert error.status_code == 404
    assert not isinstance(error, NotFoundError)


def test_what_an_agent_lacks_is_not_guessed(
    watched: Deployment, client: Client, old: EmbeddedAgent
) -> None:
    """
    Where the list of its containers cannot be had, the deployment's own answer is raised.
    """
    watched.faults.add("refuse", route="containers", status=503)
    with pytest.raises(NotFoundError, match="404 page not found"):
        client.agent(old.id).delete_devcontainer(DEV)


CALLS: dict[str, Callable[[Agent], object]] = {
    "containers": lambda agent: agent.containers(),
    "watch_containers": lambda agent: agent.watch_containers(),
    "wait_devcontainer": lambda agent: agent.wait_devcontainer("dev", timeout=20),
    "recreate_devcontainer": lambda agent: agent.recreate_devcontainer(DEV),
    "recreate_by_name": lambda agent: agent.recreate_devcontainer("dev"),
    "delete_devcontainer": lambda agent: agent.delete_devcontainer(DEV),
    "delete_by_name": lambda agent: agent.delete_devcontainer("dev"),
}


@pytest.mark.parametrize("call", CALLS)
def test_devcontainers_that_are_switched_off_are_one_error(
    agent: Agent, embedded: EmbeddedAgent, release: str, call: str
) -> None:
    """
    The list of containers tells it from an agent that is too old.
    """
    embedded.set_devcontainers([attrs.evolve(DEV, container=WEB)])
    embedded.containers.enabled = False
    if release == "2.24" and call == "delete_devcontainer":
        return  # the deployment itself does not have the call
    with pytest.raises(DevcontainersDisabledError, match="DEVCONTAINERS_ENABLE=true") as raised:
        CALLS[call](agent)
    assert raised.value.status_code in (403, 404)


def test_devcontainers_that_are_switched_on_again_are_watched(
    client: Client, watched: Deployment
) -> None:
    """
    The workspace's next build has another agent, of which nothing is known.
    """
    embedded = watched.add_agent()
    embedded.containers.enabled = False
    with pytest.raises(DevcontainersDisabledError):
        client.agent(embedded.id).watch_containers()
    newer = embedded.new_build()
    with client.agent(newer.id).watch_containers() as stream:
        assert next(stream).devcontainers == ()
    assert count(watched, "containers_watch") == 2
