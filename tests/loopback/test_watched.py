"""
Ports and containers, watched, against each release of the embedded deployment.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from paced import paced

from coder_agents import (
    Agent,
    AgentNotConnectedError,
    ConflictError,
    ContainerStarted,
    ContainerStopped,
    DevcontainerAdded,
    DevcontainerChanged,
    DevcontainerError,
    DevcontainerNotFoundError,
    DevcontainerRemoved,
    DevcontainerTimeoutError,
    NotFoundError,
    PortClosed,
    PortOpened,
    Reconnect,
    RequestTimeoutError,
    StreamOptions,
    UnsupportedError,
)
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
)
from coder_agents.testing import Deployment, EmbeddedAgent

OFTEN = 0.02
QUICK = paced(
    StreamOptions(reconnect=Reconnect(initial=0.02, maximum=0.05)), devcontainer_read=OFTEN
)
STATUS = WorkspaceAgentDevcontainerStatus

MADE = WorkspaceAgentContainer(
    id="c1", name="ctr", labels={"devcontainer.local_folder": "/home/coder/dev"}, running=True
)
DEV = WorkspaceAgentDevcontainer(
    id=uuid.UUID(int=1),
    name="dev",
    workspace_folder="/home/coder/dev",
    status=STATUS.RUNNING,
    container=MADE,
)


@pytest.fixture
def dev(embedded: EmbeddedAgent) -> Iterator[EmbeddedAgent]:
    """
    The agent with a devcontainer.
    """
    embedded.set_containers([MADE])
    embedded.set_devcontainers([DEV])
    yield embedded
    embedded.containers.close()


def test_ports_are_watched(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    The list at once, then after each change.
    """
    embedded.set_ports([])
    with agent.watch_listening_ports(interval=OFTEN) as stream:
        assert next(stream) == []
        assert stream.poll(5 * OFTEN) is None
        embedded.open_port(8000, "python")
        assert [port.process_name for port in next(stream)] == ["python"]
        embedded.close_port(8000)
        changes = stream.changes()
        assert isinstance(next(changes), PortClosed)
        embedded.open_port(3000)
        assert isinstance(next(changes), PortOpened)


def test_containers_are_watched(agent: Agent, embedded: EmbeddedAgent, release: str) -> None:
    """
    The state at once, then after each change; what the release can do is remembered.
    """
    with agent.watch_containers(interval=OFTEN) as stream:
        assert next(stream).containers == ()
        embedded.set_containers([WorkspaceAgentContainer(id="a", name="a")])
        assert [c.id for c in next(stream).containers] == ["a"]
        assert stream.poll(5 * OFTEN) is None
    assert agent._capabilities.containers_watch is (release != "2.24")
    with agent.watch_containers(interval=OFTEN) as stream:
        assert [c.id for c in next(stream).containers] == ["a"]


def test_a_release_without_a_watch_is_asked_for_it_once(
    deployment: Deployment, agent: Agent, release: str
) -> None:
    """
    A client asks for it once in its life.
    """
    for _ in range(2):
        agent.watch_containers().close()
    asked = [each for each in deployment.requests if each.target.endswith("/containers/watch")]
    assert len(asked) == (1 if release == "2.24" else 2)


def test_the_changes_of_containers(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    All there is first; then what started and stopped, and what became of the devcontainers.
    """
    embedded.set_containers([MADE])
    embedded.set_devcontainers([DEV])
    failed = attrs.evolve(DEV, status=STATUS.ERROR, container=None)
    with agent.watch_containers(interval=OFTEN) as stream:
        changes: Any = stream.changes()
        assert [type(next(changes)) for _ in range(2)] == [ContainerStarted, DevcontainerAdded]
        embedded.set_devcontainers([failed])
        change = next(changes)
        assert isinstance(change, DevcontainerChanged)
        assert (change.before.status, change.devcontainer.status) == ("running", "error")
        embedded.set_containers([attrs.evolve(MADE, running=False, status="exited")])
        change = next(changes)
        assert isinstance(change, ContainerStopped)
        assert change.container.status == "exited"
        embedded.set_containers([])
        embedded.set_devcontainers([])
        assert isinstance(next(changes), DevcontainerRemoved)


def test_what_needs_a_connected_agent_says_so(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    When it is called; once a stream runs, an agent that is away is waited for.
    """
    embedded.disconnect()
    for watch in (agent.watch_listening_ports, agent.watch_containers):
        with pytest.raises(AgentNotConnectedError):
            watch()


def test_an_agent_that_comes_back_is_gone_on_with(
    deployment: Deployment, agent: Agent, embedded: EmbeddedAgent
) -> None:
    """
    No state comes twice, and the changes are those since the last one.
    """
    embedded.set_ports([])
    embedded.open_port(80)
    with agent.watch_listening_ports(interval=OFTEN, options=QUICK) as stream:
        changes = stream.changes()
        assert str(next(changes)) == "port opened: tcp 80"
        fault = deployment.faults.add("not_connected", route="listening_ports", times=3)
        embedded.open_port(81)
        assert str(next(changes)) == "port opened: tcp 81"
        assert fault.struck == 3
        assert stream.stats.reconnects >= 1


def test_the_deployment_restarts_under_a_stream(
    deployment: Deployment, agent: Agent, dev: EmbeddedAgent
) -> None:
    """
    A stream of either kind continues.
    """
    dev.set_ports([])
    with (
        agent.watch_listening_ports(interval=OFTEN, options=QUICK) as ports,
        agent.watch_containers(interval=OFTEN, options=QUICK) as containers,
    ):
        next(ports)
        next(containers)
        deployment.restart()
        dev.open_port(80)
        dev.set_containers([])
        assert [port.port for port in next(ports)] == [80]
        assert next(containers).containers == ()


@pytest.mark.parametrize("which", [DEV, DEV.id, str(DEV.id), "dev", "c1", "ctr", MADE], ids=str)
def test_one_is_recreated_however_it_is_named(agent: Agent, dev: EmbeddedAgent, which: Any) -> None:
    """
    The request takes the route that the release has, and the new container is waited for.
    """
    assert "initiated" in agent.recreate_devcontainer(which).message
    # A slow machine may see it when it is running already.
    assert agent.containers().devcontainers[0].status in ("starting", "running")
    running = agent.wait_devcontainer(which)
    assert (running.id, running.status) == (DEV.id, "running")


def test_a_second_recreation_is_a_conflict(agent: Agent, dev: EmbeddedAgent) -> None:
    """
    It is one also where the devcontainer has no container to name meanwhile.
    """
    dev.containers.recreate_seconds = 3600
    agent.recreate_devcontainer("dev")
    with pytest.raises(ConflictError):
        agent.recreate_devcontainer("dev")


@pytest.mark.parametrize("which", [DEV, DEV.id, "dev", "ctr", MADE], ids=str)
def test_one_is_deleted_however_it_is_named(
    agent: Agent, dev: EmbeddedAgent, release: str, which: Any
) -> None:
    """
    Its container is deleted with it; a release that cannot do so says so.
    """
    if release == "2.24":
        with pytest.raises(UnsupportedError):
            agent.delete_devcontainer(which)
        return
    agent.delete_devcontainer(which)
    state = agent.containers()
    assert (state.devcontainers, state.containers) == ((), ())
    with pytest.raises((NotFoundError, DevcontainerNotFoundError)):
        agent.delete_devcontainer(which)


def test_one_in_transition_cannot_be_deleted(
    agent: Agent, dev: EmbeddedAgent, release: str
) -> None:
    """
    The deployment's conflict is raised.
    """
    dev.set_devcontainers([attrs.evolve(DEV, status=STATUS.STARTING)])
    with pytest.raises(UnsupportedError if release == "2.24" else ConflictError):
        agent.delete_devcontainer("dev")


def test_one_that_runs_is_not_waited_for(agent: Agent, dev: EmbeddedAgent) -> None:
    """
    It is returned as it is.
    """
    assert agent.wait_devcontainer("ctr", timeout=None).container == MADE


def test_one_that_fails_is_an_error_with_its_text(
    agent: Agent, dev: EmbeddedAgent, release: str
) -> None:
    """
    Made safe to show in the message, as it came in the attribute; old releases say nothing.
    """
    error = "no space\x1b[2J left"
    dev.set_devcontainers([attrs.evolve(DEV, status=STATUS.STARTING, container=None)])
    failed = attrs.evolve(DEV, status=STATUS.ERROR, error=error, container=None)
    timer = threading.Timer(0.1, dev.set_devcontainers, [[failed]])
    timer.start()
    with pytest.raises(DevcontainerError) as raised:
        agent.wait_devcontainer("dev")
    timer.join()
    told = "" if release == "2.24" else error
    shown = r"no space\x1b[2J left" if told else "the deployment gives no reason"
    assert str(raised.value) == f"devcontainer 'dev' failed: {shown}"
    assert raised.value.error == told
    assert raised.value.devcontainer is not None
    assert raised.value.devcontainer.status == "error"
    assert not isinstance(raised.value, TimeoutError)


def test_one_that_hangs_is_a_time_out_that_says_where(agent: Agent, dev: EmbeddedAgent) -> None:
    """
    The error has the devcontainer as it was seen last.
    """
    dev.set_devcontainers([attrs.evolve(DEV, status=STATUS.STARTING, container=None)])
    for seconds in (0.2, 5, 60):
        with pytest.raises(TimeoutError) as raised:
            agent.wait_devcontainer("ctr", timeout=seconds)
        if "was not reported" not in str(raised.value):  # as by a busy machine
            break
    assert f"'dev' is not running after {seconds:g} seconds: it is starting" in str(raised.value)


def test_a_time_out_without_any_state_says_so(deployment: Deployment, dev: EmbeddedAgent) -> None:
    """
    There is no devcontainer to tell of; where not even a head comes, it is the request's own.
    """
    agent = deployment.client(timeout=(10, 0.2), stream_options=QUICK).agent(dev.id)
    for route in ("containers", "containers_watch"):
        deployment.faults.add("silence", route=route, times=None, pings=True)
    with pytest.raises(TimeoutError) as raised:
        agent.wait_devcontainer("dev", timeout=0.2)
    if isinstance(raised.value, DevcontainerTimeoutError):
        assert "its state was not reported" in str(raised.value)
        assert raised.value.devcontainer is None
    else:
        assert isinstance(raised.value, RequestTimeoutError)
        assert agent._capabilities.containers_watch is False


def test_one_that_vanishes_is_not_found(agent: Agent, dev: EmbeddedAgent) -> None:
    """
    One that was never there is not found either.
    """
    dev.set_devcontainers([attrs.evolve(DEV, status=STATUS.DELETING)])
    timer = threading.Timer(0.1, dev.set_devcontainers, [[]])
    timer.start()
    with pytest.raises(DevcontainerNotFoundError, match="no devcontainer 'dev'; it lists: none"):
        agent.wait_devcontainer("dev")
    timer.join()
    with pytest.raises(DevcontainerNotFoundError, match="no devcontainer 'other'"):
        agent.wait_devcontainer("other")


def test_a_wait_goes_on_through_a_drop(
    deployment: Deployment, dev: EmbeddedAgent, release: str
) -> None:
    """
    It continues as the stream does that it reads, also where the agent is away meanwhile.
    """
    breaks: list[str] = []
    # Behind a whole answer, a drop breaks only what goes on over the same connection.
    most = 1 if release == "2.24" else 2

    def note(reason: str, *_: object) -> None:
        breaks.append(reason)
        if len(breaks) == most:
            dev.set_devcontainers([DEV])

    options = attrs.evolve(QUICK, on_reconnect=note)
    agent = deployment.client(stream_options=options).agent(dev.id)
    dev.set_devcontainers([attrs.evolve(DEV, status=STATUS.STARTING)])
    route = "containers" if release == "2.24" else "containers_watch"
    dropped = deployment.faults.add("drop", route=route, after=1)
    refused = deployment.faults.add("not_connected", route=route)
    assert agent.wait_devcontainer("dev", timeout=60).status == "running"
    assert (dropped.struck, refused.struck, len(breaks)) == (1, 1, most)


def test_many_changes_are_told_in_whole(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    The reported changes lead to the present state, whenever the reads come between the changes.
    """
    embedded.set_ports([])
    embedded.open_port(9)
    with agent.watch_listening_ports(interval=0.001) as stream:
        there: set[int] = set()
        changes = stream.changes()
        for number in itertools.chain(range(10, 60), [99]):
            embedded.open_port(number)
            if number % 3 == 0 and number < 60:
                embedded.close_port(number)
        while 99 not in there:
            change = next(changes)
            if isinstance(change, PortOpened):
                there.add(change.port.port)
            else:
                there.remove(change.port.port)
        # The list that told of 99 told of all.
        while (state := stream.poll(0)) is not None:
            there = {port.port for port in state}
        assert there == {port.port for port in embedded.ports}
