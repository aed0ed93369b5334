"""
Requests that wait for their turn, in every way in which the client sends requests.
"""

from __future__ import annotations

import copy
import logging
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import cast

import pytest
from driving import InThread, body_of, open_source, reached, received
from paced import paced

from coder_agents import (
    Agent,
    Client,
    ConflictError,
    RateLimitError,
    Reconnect,
    RequestTimeoutError,
    StreamOptions,
)
from coder_agents.jobs.loan import Loan
from coder_agents.jobs.shell import ControlShell
from coder_agents.streams.reconnect import Outage
from coder_agents.streams.reconnecting import ReconnectingConnection
from coder_agents.terminal.attachment import Attachment, TerminalRequest
from coder_agents.testing import Deployment, Metadata, RateLimit
from coder_agents.transport import (
    HTTP,
    ClosedError,
    DocumentSource,
    DroppedError,
    Interest,
    KeptRequest,
    Pace,
    PolledSource,
    Source,
    WakeableHTTP,
)
from coder_agents.transport.retry_after import retry_after

PAGE = "<html><title>Too many</title></html>"  # a proxy's


def at_pace(client: Client, pace: Pace | None = None) -> Client:
    """
    Return a client whose requests wait for their turn, as those of a call over several agents.
    """
    twin = copy.copy(client)
    twin._http = WakeableHTTP.like(client._http, pace=pace or Pace(first_pause=0.02))
    return twin


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment with one agent that has metadata.
    """
    with Deployment() as made:
        agent = made.add_agent(metadata=[Metadata("CPU", "cpu")])
        agent.wait_started()
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client whose requests wait for their turn.
    """
    with deployment.client() as made, at_pace(made) as twin:
        yield twin


def first_line(agent: Agent) -> object:
    """
    Return the end of a stream of the log, with its stored lines.
    """
    with agent.follow_logs() as stream:
        return stream.poll(0.01)


def first_ports(agent: Agent) -> object:
    """
    Return the first list of ports.
    """
    with agent.watch_listening_ports() as stream:
        return stream.poll(30)


def typed(agent: Agent) -> object:
    """
    Return what a terminal shows.
    """
    with agent.terminal("echo typed; sleep 60") as terminal:
        return terminal.read(30)


def attach(agent: Agent) -> None:
    """
    Attach to a new terminal.
    """
    attachment = Attachment(agent._http, agent.id, TerminalRequest(reconnect_id=uuid.uuid4()))
    try:
        attachment.open()
    finally:
        attachment.close()


WAYS: list[tuple[str, Callable[[Agent], object]]] = [
    ("agent", lambda agent: agent.refresh()),
    ("logs", lambda agent: agent.logs()),
    ("watch_metadata", lambda agent: agent.metadata()),
    ("logs_follow", first_line),
    ("listening_ports", lambda agent: agent.listening_ports()),
    ("listening_ports", first_ports),
    ("pty", lambda agent: agent.run("true", check=True)),
    ("pty", typed),
]


@pytest.mark.parametrize(("route", "way"), WAYS)
def test_a_refused_request_is_sent_again(
    deployment: Deployment, client: Client, route: str, way: Callable[[Agent], object]
) -> None:
    """
    No call fails because of a 429, be it the deployment's or the page of a proxy, and nothing is
    sent before the end of the pause.
    """
    agent = client.agent("dev")
    deployment.requests.clear()
    deployment.faults.add("refuse", route=route, status=429, message="Slow down.")
    deployment.faults.add("refuse", route=route, status=429, body=PAGE)
    way(agent)
    assert len([each for each in deployment.requests if each.route == route]) >= 3


def test_a_request_that_changes_something_is_sent_again(
    deployment: Deployment, client: Client
) -> None:
    """
    A POST that was refused with 429 was not executed, so it is executed once.
    """
    workspace = client.workspace("dev")
    deployment.faults.add("refuse", route="create_build", status=429, times=2)
    before = workspace.latest_build.build_number
    client.stop_workspace("dev")
    assert client.workspace("dev").latest_build.build_number == before + 1


def test_urllib3_does_not_sleep_beside_the_pace(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A GET through the session of requests is sent again by the pace alone, which other requests
    share; after 503 it is sent again by urllib3, as ever.
    """
    with deployment.client() as made:
        pace = Pace(first_pause=0.02)
        http = HTTP(made._http.settings, pace=pace)
        deployment.faults.add("refuse", route="me", status=429, headers={"Retry-After": "1"})
        with caplog.at_level(logging.INFO, "coder_agents"):
            assert b"tester" in http.call("GET", "/users/me")
        assert "the next one is sent in 1.0 s" in caplog.text
        deployment.faults.add("refuse", route="me", status=503, headers={"Retry-After": "0"})
        assert b"tester" in http.call("GET", "/users/me")
        deployment.faults.add("refuse", route="me", status=409, message="no")
        with pytest.raises(ConflictError):
            http.call("GET", "/users/me")
        http.close()


def test_without_a_pace_a_refusal_is_an_error(deployment: Deployment) -> None:
    """
    The calls of one agent are as before.
    """
    deployment.faults.add("refuse", route="agent", status=429, message="Slow down.", times=None)
    with deployment.client() as client, pytest.raises(RateLimitError, match=r"Slow down\."):
        client.agent("dev").refresh()


def test_many_threads_under_a_limit(deployment: Deployment) -> None:
    """
    All calls of sixteen threads succeed, in their number and no more, and the refused requests are
    fewer than the accepted ones.
    """
    limit = RateLimit(20, window=0.3, retry_after=False)
    with Deployment(rate_limit=limit) as limited, limited.client() as made, at_pace(made) as client:
        with ThreadPoolExecutor(16) as pool:
            names = list(pool.map(lambda _: client.me().username, range(100)))
        assert names == 100 * ["tester"]
        refused = limited.rate_limited["me"]
        assert len(limited.requests) == 100 + refused
        assert 0 < refused < 100


def test_a_burst_begins_no_more_connections_than_the_rate(deployment: Deployment) -> None:
    """
    Thirty requests at fifty in a second take more than half a second.
    """
    with deployment.client() as made, at_pace(made, Pace(50)) as client:
        began = time.monotonic()
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: client.me(), range(30)))
        assert time.monotonic() - began >= 29 / 50 * 0.99


@pytest.mark.parametrize(
    ("route", "call"),
    [
        ("me", lambda client: client.me()),
        ("create_build", lambda client: client.stop_workspace("dev")),
        ("watch_metadata", lambda client: client.agent("dev").metadata(timeout=None)),
        ("logs_follow", lambda client: client.agent("dev").follow_logs()),
        ("pty", lambda client: attach(client.agent("dev"))),
    ],
    ids=["GET", "POST", "events", "WebSocket", "terminal"],
)
def test_closing_wakes_a_thread_that_waits_for_its_turn(
    deployment: Deployment, client: Client, route: str, call: Callable[[Client], object]
) -> None:
    """
    A deployment that requests an hour keeps no thread from ending at once.
    """
    pace = client._http.pace
    assert pace is not None
    deployment.faults.add(
        "refuse", route=route, status=429, headers={"Retry-After": "3600"}, times=None
    )
    caller = InThread(lambda: call(client))
    reached(lambda: pace.pause > 0)
    client.close()
    assert caller.ended() is not None


def test_the_time_until_its_turn_is_not_the_deployments(
    deployment: Deployment, client: Client
) -> None:
    """
    A time-out that is shorter than the pause is for the answer alone, and still holds for that.
    """
    agent = client.agent("dev")
    deployment.faults.add(
        "refuse", route="watch_metadata", status=429, headers={"Retry-After": "1"}
    )
    assert len(agent.metadata(timeout=0.9)) == 1
    deployment.faults.add("refuse", route="watch_metadata", status=429)
    deployment.faults.add("delay", route="watch_metadata", seconds=30)
    with pytest.raises(RequestTimeoutError, match=r"within the time-out of 0\.3 seconds"):
        agent.metadata(timeout=0.3)


def test_the_opening_of_one_of_several_logs_waits(deployment: Deployment) -> None:
    """
    A log whose connection is refused with 429 is followed like the others, then and later, and no
    try to connect again is reported.
    """
    agents = [deployment.add_agent(f"a{number}") for number in range(3)]
    reported: list[object] = []
    options = paced(StreamOptions(on_reconnect=lambda *each: reported.append(each)))
    with deployment.client(stream_options=options) as client:
        client._http._paces[0] = Pace(first_pause=0.02)
        deployment.faults.add("refuse", route="logs_follow", status=429, body=PAGE, times=2)
        followed = [agent for agent in client.agents() if agent.name != "main"]
        with client.follow_logs(followed) as stream:
            assert not stream.failures
            for agent in agents:
                agent.push_logs(["before"])
            assert {next(stream).agent.name for _ in agents} == {"a0", "a1", "a2"}
            deployment.faults.add("drop", route="logs_follow", after=2, times=1)
            deployment.faults.add("refuse", route="logs_follow", status=429, times=2)
            for agent in agents:
                agent.push_logs(["after"])
            assert {next(stream).agent.name for _ in agents} == {"a0", "a1", "a2"}
            assert not stream.failures
    assert len(reported) <= 1  # the drop


def test_the_calls_of_a_client_over_several_agents_share_a_pace(deployment: Deployment) -> None:
    """
    The pause after a refusal is that of all of them; a copy of the client has a pace of its own.
    """
    with deployment.client() as client:
        pace = client._http.pace_of_several
        assert client._http.pace_of_several is pace
        assert client._http.pace is None
        twin = WakeableHTTP.like(client._http, pace=pace)
        assert twin.pace_of_several is twin.pace is pace
        twin.close()


def test_a_check_waits_for_its_turn(deployment: Deployment, client: Client) -> None:
    """
    A request over a kept connection waits, and its refusal makes the others wait.
    """
    http, pace = client._http, client._http.pace
    assert pace is not None
    deployment.faults.add("refuse", route="me", status=429, headers={"Retry-After": "1"})
    first = KeptRequest(http.kept, "/users/me", max_message_size=100_000)
    assert first.may_connect()
    with pytest.raises(RateLimitError):
        body_of(first)
    first.free()
    assert pace.pause > 0
    second = KeptRequest(http.kept, "/users/me", max_message_size=100_000)
    assert second.receive(10) is None
    assert not second.lent_out
    assert not second.may_connect()
    interest = second.interest()
    assert interest is not None
    assert interest.fileno is None
    assert interest.until > time.monotonic()
    assert b"tester" in body_of(second)
    second.free()


def test_a_request_that_is_given_up_leaves_no_gap(deployment: Deployment) -> None:
    """
    The request after it takes its turn.
    """
    with deployment.client() as made, at_pace(made, Pace(0.2)) as client:
        client.me()
        waiting = KeptRequest(client._http.kept, "/users/me", max_message_size=100_000)
        assert waiting.receive(10) is None
        waiting.free()
        later = KeptRequest(client._http.kept, "/users/me", max_message_size=100_000)
        assert later.receive(10) is None
        assert client._http.pace is not None
        interest = later.interest()
        assert interest is not None
        assert interest.until - time.monotonic() < 5.1
        later.free()


def test_a_poll_ends_in_time_while_its_connection_waits(
    deployment: Deployment, client: Client
) -> None:
    """
    A stream whose new connection is refused for an hour returns from `poll` as ever, and closes at
    once.
    """
    pace = client._http.pace
    assert pace is not None
    [agent] = client.agents()
    with agent.follow_logs() as stream:
        deployment.faults.add(
            "refuse", route="logs_follow", status=429, headers={"Retry-After": "3600"}, times=None
        )
        deployment.restart()
        reached(lambda: stream.poll(0.02) is None and pace.pause > 0)
        assert stream.poll(0) is None
        assert stream.poll(0.02) is None
        assert stream.end is None


def test_a_polled_document_counts_the_time_until_its_turn(
    deployment: Deployment, client: Client
) -> None:
    """
    The time is that of the current request, and nothing between two requests.
    """
    deployment.faults.add("refuse", route="me", status=429)
    http = client._http
    source = PolledSource(
        lambda: DocumentSource(http, "/users/me", idle_timeout=30.0, max_message_size=100_000),
        interval=60.0,
    )
    assert source.waited == 0
    open_source(source)
    assert source.waited > 0
    assert b"tester" in received(source)
    assert source.waited == 0
    source.free()


def test_a_copy_of_the_client_has_a_pace_of_its_own(client: Client) -> None:
    """
    A pickled object has the same rate, and nothing else of the pace.
    """
    http = HTTP(client._http.settings, pace=Pace(7))
    assert http.pace_of_several is http.pace
    copied = pickle.loads(pickle.dumps(http))
    assert copied.pace is not http.pace
    assert copied.pace.rate == 7
    http.close()
    copied.close()


class Waited(Source[bytes]):
    """
    A source that has waited for its turn for an hour, and breaks.
    """

    waited = 3600.0
    received = 0

    def send_request(self, timeout: float) -> None:
        raise DroppedError("broken")

    def answered(self) -> bool:
        raise NotImplementedError

    def receive(self) -> bytes | None:
        raise NotImplementedError

    def interest(self) -> Interest | None:
        raise NotImplementedError

    def wake(self) -> None:
        raise NotImplementedError

    def free(self) -> None:
        pass

    def close(self) -> None:
        """
        Stand for a control shell that is closed.
        """


def test_the_time_until_its_turn_is_no_outage() -> None:
    """
    A stream, and a command, that waited for an hour do not give up because of the hour.
    """
    connection = ReconnectingConnection[bytes](
        Waited,
        what="a stream",
        options=StreamOptions(reconnect=Reconnect(give_up_after=10)),
        connect_timeout=1,
    )
    connection.outage = Outage(since=time.monotonic() - 3601)
    with pytest.raises(DroppedError) as broken:
        connection.receive()
    connection.disconnected(broken.value)
    loan = Loan()
    loan.shell = cast(ControlShell, Waited())
    loan.drop()
    loan.shell = cast(ControlShell, Waited())
    loan.outage = Outage(since=7.0)
    loan.drop()
    assert loan.outage.since == 3607


def date(seconds: float) -> str:
    """
    Return a date so many seconds after the year began, as HTTP writes it.
    """
    return format_datetime(
        datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds), usegmt=True
    )


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17),
        ({"retry-after": " 17 "}, 17),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": date(90), "date": date(30)}, 60),
        ({"retry-after": date(90), "date": date(100)}, 0),
        ({"retry-after": date(90)}, 0),
        ({"retry-after": date(90), "date": "yesterday"}, 0),
        ({"retry-after": date(90).replace("GMT", "-0000"), "date": date(30)}, 60),
        ({"retry-after": date(90), "date": "Wed, 01 Jan 99999999999 00:00:00 GMT"}, 0),
        ({"retry-after": "17", "date": date(30)}, 17),
    ],
)
def test_the_requested_pause(headers: dict[str, str], seconds: float | None) -> None:
    """
    A date counts from the answer's own date: the clock of the server may be years away from ours.
    """
    assert retry_after(headers) == seconds


def test_a_closed_client_sends_nothing_in_its_turn(deployment: Deployment) -> None:
    """
    Several threads that wait for their turn all end, each without a request.
    """
    with deployment.client() as made:
        client = at_pace(made, Pace(0.1))
        client.me()
        before = len(deployment.requests)
        waiting = threading.Barrier(4)

        def call() -> object:
            waiting.wait()
            return client.me()

        callers = [InThread(call) for _ in range(3)]
        waiting.wait()
        client.close()
        assert [type(caller.ended()) for caller in callers] == 3 * [ClosedError]
        assert len(deployment.requests) == before
