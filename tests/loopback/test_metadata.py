"""
Metadata read once, of one agent and of many, on every release.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from peer import Conversation, serving

from coder_agents import (
    Agent,
    AuthenticationError,
    Client,
    NotFoundError,
    RequestTimeoutError,
    ServerError,
    StreamError,
    UnsupportedError,
)
from coder_agents.schema import Number
from coder_agents.testing import Deployment, EmbeddedAgent, Metadata
from coder_agents.transport import WokenTogether

JSON = {"Content-Type": "application/json", "X-Coder-Build-Version": "v9.9.9"}
NO_ROUTE: dict[str, Any] = {
    "status": 404,
    "headers": JSON,
    "body": '{"message": "Route not found."}',
}


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client(retries=0) as made:
        yield made


def add(deployment: Deployment, name: str, value: str = "28%\n") -> EmbeddedAgent:
    """
    Add a workspace with an agent, and a value that it has collected.
    """
    embedded = deployment.add_agent(workspace=name, metadata=[Metadata("Load", "load")])
    embedded.set_metadata("load", value)
    return embedded


def unread(client: Client, id: uuid.UUID) -> Agent:
    """
    Return the agent of that id without a request.
    """
    return Agent(id, client._http, client._stream_options, client._capabilities)


def value_of(items: list[Any]) -> str:
    """
    Return the value of the only item.
    """
    (item,) = items
    return str(item.result.value)


def streams(deployment: Deployment) -> list[str]:
    """
    Return the routes of metadata that were asked for, in their order.
    """
    routes = [request.route for request in deployment.requests]
    return [route for route in routes if route.startswith("watch_metadata")]


def hide_events(deployment: Deployment) -> None:
    """
    Take the route of server-sent events away.
    """
    deployment.faults.add("refuse", route="watch_metadata", times=None, **NO_ROUTE)


def test_metadata_is_read_once(deployment: Deployment, client: Client) -> None:
    """
    The state of now comes over one connection, which then ends.
    """
    embedded = deployment.add_agent(
        metadata=[Metadata("CPU", "cpu", interval=1, timeout=1), Metadata("Disk", "disk")]
    )
    embedded.set_metadata("cpu", "0.5/8 cores (6%)\n")
    agent = client.agent("dev")
    cpu, disk = agent.metadata()
    assert (cpu.description.display_name, cpu.number) == ("CPU", Number(0.5, 8, "cores"))
    assert (cpu.pending, cpu.stale) == (False, False)
    assert (disk.pending, disk.number) == (True, None)
    embedded.set_metadata("cpu", "soon\n")
    assert agent.metadata()[0].number is None
    assert streams(deployment) == ["watch_metadata"] * 2
    assert client.capabilities.metadata_sse is True


def test_metadata_is_read_over_the_websocket_where_there_are_no_events(
    deployment: Deployment, client: Client
) -> None:
    """
    Found out once, for once and for watching.
    """
    embedded = add(deployment, "dev")
    hide_events(deployment)
    agent = client.agent("dev")
    assert value_of(agent.metadata()) == "28%\n"
    with agent.watch_metadata() as stream:
        assert value_of(next(stream)) == "28%\n"
        embedded.set_metadata("load", "29%\n")
        while value_of(next(stream)) != "29%\n":
            pass
    assert streams(deployment) == ["watch_metadata", "watch_metadata_ws", "watch_metadata_ws"]
    assert client.capabilities.metadata_sse is False
    assert client.capabilities.metadata_ws is True


def test_events_that_vanish_while_they_are_watched_are_replaced(
    deployment: Deployment, client: Client
) -> None:
    """
    The deployment may be updated meanwhile: the stream continues over the WebSocket.
    """
    embedded = add(deployment, "dev")
    deployment.faults.add("drop", route="watch_metadata", after=1)
    hide_events(deployment)
    with client.agent("dev").watch_metadata() as stream:
        assert value_of(next(stream)) == "28%\n"
        embedded.set_metadata("load", "29%\n")
        while value_of(next(stream)) != "29%\n":
            pass
    assert streams(deployment) == ["watch_metadata", "watch_metadata", "watch_metadata_ws"]


def test_a_deployment_that_tells_no_metadata_is_an_error(
    deployment: Deployment, client: Client
) -> None:
    """
    It names the call that was made.
    """
    add(deployment, "dev")
    hide_events(deployment)
    deployment.faults.add("refuse", route="watch_metadata_ws", times=None, **NO_ROUTE)
    agent = client.agent("dev")
    for name in ("metadata", "watch_metadata"):
        with pytest.raises(UnsupportedError) as raised:
            getattr(agent, name)()
        assert raised.value.call == f"agent.{name}()"
        assert (raised.value.since, raised.value.version) == ("2.22", "v9.9.9")
    (failure,) = client.metadata().failures.values()
    assert isinstance(failure, UnsupportedError)
    assert failure.call == "client.metadata()"


@pytest.mark.parametrize("hidden", [False, True], ids=["events", "socket"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("silence", {}), ("silence", {"at": "request"}), ("delay", {"seconds": 60})],
    ids=["no first event", "no answer", "late answer"],
)
def test_what_does_not_come_in_time_is_a_time_out(
    deployment: Deployment, client: Client, kind: str, options: dict[str, Any], hidden: bool
) -> None:
    """
    It names the limit, which holds for all of it, whatever the route.
    """
    add(deployment, "dev")
    agent = client.agent("dev")
    if hidden:
        hide_events(deployment)
    route = "watch_metadata_ws" if hidden else "watch_metadata"
    fault = deployment.faults.add(kind, route=route, times=None, **options)
    with pytest.raises(RequestTimeoutError) as raised:
        agent.metadata(timeout=0.2)
    assert str(raised.value) == (
        f"the metadata of agent {agent.id}: nothing came within the time-out of 0.2 seconds"
    )
    assert fault.struck <= 1  # not at all where the time was over before
    deployment.faults.clear()


def test_no_time_that_is_left_is_a_time_out(client: Client, deployment: Deployment) -> None:
    """
    It is no connection that is dialled without a limit.
    """
    add(deployment, "dev")
    with pytest.raises(RequestTimeoutError, match="time-out of 1e-09 seconds"):
        client.agent("dev").metadata(timeout=1e-9)
    assert streams(deployment) == []


def test_a_shorter_time_out_of_the_settings_is_told_as_such(deployment: Deployment) -> None:
    """
    The error does not name a limit that was not reached.
    """
    embedded = add(deployment, "dev")
    deployment.faults.add("silence", route="watch_metadata", at="request")
    with deployment.client(timeout=(10, 0.2)) as client:
        with pytest.raises(RequestTimeoutError, match="no answer in time"):
            unread(client, embedded.id).metadata(timeout=60)
    deployment.faults.clear()


def test_a_connection_that_breaks_off_is_an_error(deployment: Deployment, client: Client) -> None:
    """
    Nothing is tried again: whoever asks knows best whether to.
    """
    add(deployment, "dev")
    deployment.faults.add("cut", route="watch_metadata", times=None)
    with pytest.raises(StreamError):
        client.agent("dev").metadata()
    assert streams(deployment) == ["watch_metadata"]


@pytest.mark.parametrize(
    ("timeout", "error"),
    [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError), (True, TypeError)],
)
def test_a_bad_time_out_is_refused(client: Client, timeout: Any, error: type[Exception]) -> None:
    """
    The error is raised before anything is requested.
    """
    with pytest.raises(error, match="timeout must be "):
        unread(client, uuid.uuid4()).metadata(timeout=timeout)
    with pytest.raises(error, match="timeout must be "):
        client.metadata(timeout=timeout)


def test_metadata_of_a_closed_client_is_not_read(client: Client) -> None:
    """
    It is an error of the program, not of an agent, as no stream is opened by it either.
    """
    agent = unread(client, uuid.uuid4())
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        agent.metadata()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.metadata([agent])


def test_metadata_of_many_agents_is_told_by_agent(deployment: Deployment, client: Client) -> None:
    """
    In the order in which they were asked for; each once.
    """
    for number in range(5):
        add(deployment, f"dev{number}", f"{number}%")
    agents = sorted(client.agents(), key=lambda agent: str(agent.id))
    found = client.metadata([*agents, *agents])
    assert list(found.results) == agents
    assert len(found) == 5
    assert found.failures == {}
    for agent, items in found.results.items():
        assert agent.workspace is not None
        assert value_of(items) == f"{agent.workspace.name[-1]}%"
        assert found[agent.id] is found[agent] is items
    assert repr(found) == "<Results of 5 agents>"
    assert len(streams(deployment)) == 5


def test_without_agents_the_metadata_is_that_of_ones_own(
    deployment: Deployment, client: Client
) -> None:
    """
    The agents are those that `Client.agents` returns.
    """
    mine = add(deployment, "dev")
    deployment.add_agent(workspace="other", owner="somebody")
    assert [agent.id for agent in client.metadata().results] == [mine.id]


def test_of_no_agents_there_is_no_metadata(deployment: Deployment, client: Client) -> None:
    """
    The result is empty, and no thread is started.
    """
    assert dict(client.metadata([]).results) == {}
    assert dict(client.metadata().results) == {}
    with pytest.raises(KeyError):
        client.metadata([])[uuid.uuid4()]


def test_what_fails_for_one_agent_is_not_lost_for_the_others(
    deployment: Deployment, client: Client
) -> None:
    """
    The others' metadata is there, and so is the error of each that failed.
    """
    first, last = add(deployment, "first"), add(deployment, "last")
    gone = unread(client, uuid.uuid4())
    agents = [unread(client, first.id), gone, unread(client, last.id)]
    found = client.metadata(agents, max_workers=1)
    assert [agent.id for agent in found.results] == [first.id, last.id]
    assert list(found.failures) == [gone]
    assert type(found.failures[gone]) is NotFoundError
    assert gone not in found.results
    with pytest.raises(NotFoundError):
        found[gone]
    assert repr(found) == "<Results of 3 agents, 1 failed>"


def test_failures_are_told_apart(deployment: Deployment, client: Client) -> None:
    """
    A time-out, an error of the server, a wrong token; the agents of another client, too.
    """
    embedded = add(deployment, "dev")
    stranger = Client(deployment.url, "wrong-token", retries=0)
    ids = [embedded.id, uuid.UUID(int=1), embedded.id]
    agents = [unread(client, ids[0]), unread(stranger, ids[1])]
    deployment.faults.add("silence", route="watch_metadata")
    found = client.metadata(agents[:1], timeout=0.3)
    assert [type(error) for error in found.failures.values()] == [RequestTimeoutError]
    deployment.faults.clear()
    deployment.faults.add("html", route="watch_metadata", status=502)
    found = client.metadata(agents, max_workers=1)
    assert [type(error) for error in found.failures.values()] == [ServerError, AuthenticationError]


@pytest.mark.parametrize(
    ("agents", "options", "error", "text"),
    [
        ("owner:me", {}, TypeError, "such as client.agents.. yields, not str"),
        (["dev"], {}, TypeError, "agents must be of the class Agent, not str"),
        ([], {"max_workers": 0}, ValueError, "max_workers must be 1 or more"),
        ([], {"max_workers": 1.5}, TypeError, "max_workers must be a whole number"),
    ],
)
def test_bad_arguments_are_refused(
    client: Client, agents: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    """
    The error is raised before anything is requested.
    """
    with pytest.raises(error, match=text):
        client.metadata(agents, **options)


class Crowd:
    """
    A script that tells an item of metadata once *together* conversations are there at the same
    time, and counts how many there were at most.
    """

    def __init__(self, together: int) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(together)

    def __call__(self, conversation: Conversation) -> None:
        conversation.accept_sse()
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._barrier.wait(60)
        conversation.stop.wait(0.2)  # for one more, which there shall not be
        with self._lock:
            self._now -= 1
        conversation.send_chunk(b"event: data\ndata: []\n\n")
        conversation.until_gone()


def test_no_more_agents_are_asked_at_once_than_there_are_workers() -> None:
    """
    That many are, and their threads have ended afterwards.
    """
    crowd = Crowd(4)
    with serving(crowd) as peer, Client(peer.url, "token") as client:
        agents = [unread(client, uuid.UUID(int=number)) for number in range(1, 13)]
        found = client.metadata(agents, max_workers=4)
        assert list(found.results) == agents
        assert (crowd.most, peer.accepted) == (4, 12)
    assert not [each for each in threading.enumerate() if each.name.startswith("coder-agents")]


STAGES: dict[str, Callable[[Conversation], object]] = {
    "before the answer": Conversation.read_head,
    "before the first event": Conversation.accept_sse,
}


@pytest.mark.usefixtures("ctrl_c_counts")
@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_ends_the_threads_and_their_connections(stage: str) -> None:
    """
    At once, wherever they are; nothing more is asked.
    """
    asked = threading.Barrier(3)
    gone: list[bytes] = []

    def script(conversation: Conversation) -> None:
        STAGES[stage](conversation)
        asked.wait(60)
        gone.append(conversation.until_gone())

    def interrupt() -> None:
        asked.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    with serving(script) as peer, Client(peer.url, "token") as client:
        agents = [unread(client, uuid.UUID(int=number)) for number in range(1, 9)]
        thread = threading.Thread(target=interrupt)
        thread.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.metadata(agents, timeout=60, max_workers=2)
        assert time.monotonic() - started < 40
        thread.join()
        assert peer.accepted == 2
        named = [each.name for each in threading.enumerate()]
        assert not [name for name in named if name.startswith("coder-agents")]
    assert gone == [b"", b""]


@pytest.mark.usefixtures("ctrl_c_counts")
def test_ctrl_c_ends_what_is_only_about_to_be_asked() -> None:
    """
    A connection that is made a moment later is none.
    """
    asked, gone = threading.Event(), threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.accept_sse()
        asked.set()
        conversation.until_gone()
        gone.set()

    class Late(Agent):
        def _read_metadata(self, *args: Any, **options: Any) -> Any:
            assert gone.wait(60)
            return super()._read_metadata(*args, **options)

    def interrupt() -> None:
        assert asked.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    with serving(script) as peer, Client(peer.url, "token") as client:
        quick = unread(client, uuid.UUID(int=1))
        late = Late(uuid.UUID(int=2), client._http, client._stream_options, client._capabilities)
        thread = threading.Thread(target=interrupt)
        thread.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.metadata([quick, late], timeout=60)
        assert time.monotonic() - started < 40
        thread.join()


def test_a_connection_that_comes_after_all_were_woken_is_woken() -> None:
    """
    Ctrl-C may come while another thread is about to open its own.
    """
    woken: list[str] = []

    class Connecting:
        def wake(self) -> None:
            woken.append("wake")

    connections = WokenTogether()
    early, late = Connecting(), Connecting()
    connections.add(cast("Any", early))
    assert woken == []
    connections.wake()
    connections.add(cast("Any", late))

    assert woken == ["wake", "wake"]
