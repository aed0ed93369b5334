"""
How streams end by an error, and what they do not end by.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from coder_agents import (
    Agent,
    AuthenticationError,
    Client,
    CoderError,
    DecodeError,
    MessageTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    Reconnect,
    ServerError,
    StreamEnd,
    StreamError,
    StreamOptions,
    TransportError,
)
from coder_agents.testing import Deployment, EmbeddedAgent

from .playing import LONG, QUICK, add_agents, found, poll_until, routes

pytestmark = pytest.mark.unmeasured

# Gives up soon, but not before it has tried again.
BRIEF = attrs.evolve(
    QUICK, reconnect=Reconnect(initial=0.01, maximum=0.02, give_up_after=0.3), idle_timeout=600
)
RAISING = attrs.evolve(QUICK, reconnect=None)


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment.
    """
    with Deployment(metadata_interval=0.05) as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent of it with two lines.
    """
    made = deployment.add_agent(workspace="w0")
    made.push_logs(["one", "two"])
    return made


Break = Callable[[Deployment], object]


def refused(status: int, **options: Any) -> Break:
    """
    Return what drops the stream and refuses each try to connect again.
    """

    def act(deployment: Deployment) -> None:
        deployment.faults.add("drop", route="logs_follow", after=1)
        deployment.faults.add("refuse", route="logs_follow", status=status, times=None, **options)

    return act


def broken(kind: str, **options: Any) -> Break:
    """
    Return what lets a message or the connection be broken after the backlog.
    """
    return lambda deployment: deployment.faults.add(
        kind, route="logs_follow", after=1, times=None, **options
    )


def dropped_into(kind: str, **options: Any) -> Break:
    """
    Return what drops the stream, and lets each try to connect again meet a fault.
    """

    def act(deployment: Deployment) -> None:
        deployment.faults.add("drop", route="logs_follow", after=1)
        deployment.faults.add(kind, route="logs_follow", times=None, **options)

    return act


ENDS: list[tuple[str, Break, StreamOptions, type[CoderError]]] = [
    ("401", refused(401, message="who are you"), QUICK, AuthenticationError),
    ("403", refused(403, message="no"), QUICK, PermissionDeniedError),
    ("429", refused(429, message="slow down"), BRIEF, RateLimitError),
    ("500", refused(500, message="oh"), BRIEF, ServerError),
    ("503", refused(503), BRIEF, ServerError),
    ("never back", dropped_into("drop", at="request"), BRIEF, TransportError),
    ("reset again and again", dropped_into("reset", at="request"), BRIEF, TransportError),
    ("a page again and again", dropped_into("html", status=200), BRIEF, CoderError),
    ("a drop", broken("drop"), RAISING, StreamError),
    ("a reset", broken("reset"), RAISING, CoderError),
    ("1000", broken("close", code=1000), RAISING, StreamError),
    ("1001", broken("close", code=1001), RAISING, StreamError),
    ("1008", broken("close", code=1008), QUICK, StreamError),
    ("no JSON", broken("invalid_json"), QUICK, DecodeError),
    ("no UTF-8", broken("invalid_utf8"), QUICK, DecodeError),
    ("no log", broken("replace", text='[{"id": "x"}]'), QUICK, DecodeError),
    (
        "too large",
        broken("oversize", size=200_000),
        attrs.evolve(QUICK, max_message_size=100_000),
        MessageTooLargeError,
    ),
    ("silence", broken("silence"), attrs.evolve(RAISING, idle_timeout=0.3), CoderError),
]


@pytest.mark.parametrize(
    ("act", "options", "kind"), [each[1:] for each in ENDS], ids=[each[0] for each in ENDS]
)
def test_an_error_that_ends_a_log_has_its_bookmark(
    deployment: Deployment,
    embedded: EmbeddedAgent,
    act: Break,
    options: StreamOptions,
    kind: type[CoderError],
) -> None:
    """
    It says where to continue, whatever its class, and nothing is lost or repeated there.
    """
    act(deployment)
    with deployment.client(stream_options=options) as client:
        agent = client.agent(embedded.id)
        got = []
        with pytest.raises(kind) as raised:
            with agent.follow_logs() as stream:
                while True:
                    got.append(next(stream).output)
                    if len(got) == 2:
                        embedded.push_logs(["three"])
        error: Any = raised.value
        assert got == ["one", "two"]
        assert error.last_id == stream.last_id == 2
        assert error.bookmark == stream.bookmark
        assert stream.end in (StreamEnd.FAILED, StreamEnd.GAVE_UP)
        deployment.faults.clear()
        embedded.push_logs(["four"])
        with agent.follow_logs(after=error.bookmark) as again:
            assert [next(again).output, next(again).output] == ["three", "four"]


# A connection of one of several that is refused with 429 waits for its turn.
OF_SEVERAL = [each for each in ENDS if each[0] != "429"]


@pytest.mark.measured
@pytest.mark.parametrize(
    ("act", "options", "kind"),
    [each[1:] for each in OF_SEVERAL],
    ids=[each[0] for each in OF_SEVERAL],
)
def test_the_failure_of_one_of_several_has_its_bookmark(
    deployment: Deployment,
    embedded: EmbeddedAgent,
    act: Break,
    options: StreamOptions,
    kind: type[CoderError],
) -> None:
    """
    The error that is kept of an agent, and the one its callback gets, say where to continue.
    """
    act(deployment)
    told: list[tuple[Agent, Any]] = []
    with deployment.client(stream_options=options) as client:
        (agent,) = found(client, [embedded])
        with client.follow_logs(
            [agent], on_failure=lambda agent, error: told.append((agent, error))
        ) as stream:
            assert [next(stream).log.output for _ in range(2)] == ["one", "two"]
            embedded.push_logs(["three"])
            assert next(stream, None) is None
        error: Any = stream.failures[agent.id]
        assert isinstance(error, kind)
        assert error.last_id == 2
        assert error.bookmark == stream.bookmarks[agent.id]
        assert told == [(agent, error)]
        deployment.faults.clear()
        with agent.follow_logs(after=error.bookmark) as again:
            assert next(again).output == "three"


@pytest.mark.parametrize("waiting", [False, True])
def test_an_error_before_the_first_line_has_a_bookmark_too(
    deployment: Deployment, embedded: EmbeddedAgent, waiting: bool
) -> None:
    """
    It is where the stream was to begin; for a poll as for next.
    """
    deployment.faults.add("invalid_json", route="logs_follow")
    with deployment.client(stream_options=QUICK) as client:
        with client.agent(embedded.id).follow_logs(after=1) as stream:
            with pytest.raises(DecodeError) as raised:
                stream.poll(LONG) if waiting else next(stream)
        error: Any = raised.value
        assert error.bookmark == stream.bookmark
        assert error.last_id == stream.last_id
        deployment.faults.clear()
        with client.agent(embedded.id).follow_logs(after=error.bookmark) as again:
            assert next(again).output == "two"


def test_an_error_across_builds_has_a_bookmark(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    It is one of the agent whose log was followed at last.
    """
    with deployment.client(stream_options=QUICK) as client:
        (agent,) = found(client, [embedded])
        with pytest.raises(AuthenticationError) as raised:
            with agent.follow_logs(across_builds=True) as stream:
                assert [next(stream).output for _ in range(2)] == ["one", "two"]
                refused(401, message="who are you")(deployment)
                deployment.restart()
                next(stream)
        error: Any = raised.value
        assert (error.last_id, error.bookmark) == (stream.last_id, stream.bookmark)


@pytest.mark.parametrize("kind", ["metadata", "containers"])
def test_an_error_of_a_stream_without_ids_has_none(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str
) -> None:
    """
    The attributes are there, and None.
    """
    embedded.set_metadata("key", "value")
    embedded.set_containers([])
    route = "watch_metadata" if kind == "metadata" else "containers_watch"
    deployment.faults.add("reset", route=route, after=1)
    deployment.faults.add("refuse", route=route, status=401, message="who", times=None)
    with deployment.client(stream_options=QUICK) as client:
        agent = client.agent(embedded.id)
        with pytest.raises(AuthenticationError) as raised:
            with agent.watch_metadata() if kind == "metadata" else agent.watch_containers() as s:
                for _ in s:
                    pass
    error: Any = raised.value
    assert (error.last_id, error.bookmark) == (None, None)


# Pauses.


class Pauses:
    """
    Notes the pauses before tries to connect again; can be waited for.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, reason: str, attempt: int, delay: float) -> None:
        """
        Note one.
        """
        self.seconds.append(delay)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after", ["301", "86400"])
def test_a_long_retry_after_does_not_end_a_stream(
    deployment: Deployment, embedded: EmbeddedAgent, status: int, retry_after: str
) -> None:
    """
    With default options the pause is as long as is left until the stream gives up.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    deployment.faults.add(
        "refuse", route="logs_follow", status=status, headers={"Retry-After": retry_after}
    )
    pauses = Pauses()
    with deployment.client(stream_options=StreamOptions(on_reconnect=pauses)) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            poll_until(stream, lambda: len(pauses.seconds) == 2)
            assert stream.poll(0.3) is None
            assert stream.end is None
    assert 200 < pauses.seconds[1] <= 300


def test_one_more_try_is_made_before_giving_up(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    After the pause that Retry-After was cut to, the stream connects and goes on.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    deployment.faults.add("refuse", route="logs_follow", status=503, headers={"Retry-After": "301"})
    pauses = Pauses()
    options = attrs.evolve(
        QUICK,
        reconnect=Reconnect(initial=0.01, maximum=0.02, give_up_after=1),
        on_reconnect=pauses,
    )
    with deployment.client(stream_options=options) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            poll_until(stream, lambda: stream.stats.reconnects == 1)
            embedded.push_logs(["three"])
            poll_until(stream, lambda: stream.stats.items == 3)
    assert pauses.seconds[1] <= 1


def test_a_stream_gives_up_after_its_time(deployment: Deployment, embedded: EmbeddedAgent) -> None:
    """
    Where each try is refused for long the error is raised, not before the time and soon after it.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    deployment.faults.add(
        "refuse", route="logs_follow", status=503, headers={"Retry-After": "301"}, times=None
    )
    options = attrs.evolve(QUICK, reconnect=Reconnect(initial=0.01, maximum=0.02, give_up_after=1))
    with deployment.client(stream_options=options) as client:
        began = time.monotonic()  # before the drop, which is seen late on a slow machine
        with client.agent(embedded.id).follow_logs() as stream:
            assert [next(stream).output for _ in range(2)] == ["one", "two"]
            with pytest.raises(ServerError):
                next(stream)
            assert time.monotonic() - began >= 1
            assert stream.end is StreamEnd.GAVE_UP
    assert len(routes(deployment, "logs_follow")) >= 3


def test_a_retry_after_that_is_short_is_kept(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    The pause is not shorter than the deployment wants, whatever the maximum of the back-off.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    deployment.faults.add("refuse", route="logs_follow", status=503, headers={"Retry-After": "1"})
    pauses = Pauses()
    with deployment.client(stream_options=attrs.evolve(QUICK, on_reconnect=pauses)) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            poll_until(stream, lambda: stream.stats.reconnects == 1)
    assert pauses.seconds[1] == 1


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.9, math.nextafter(1, 0)])
@pytest.mark.parametrize("jitter", [0, 0.25, 0.99])
def test_no_pause_is_longer_than_the_maximum(jitter: float, chance: float) -> None:
    """
    Jitter included, at each try.
    """
    policy = Reconnect(maximum=30, jitter=jitter)
    delays = [policy.delay(attempt, lambda: chance) for attempt in range(1, 100)]
    assert max(delays) <= 30
    assert min(delays) > 0


def test_no_pause_that_a_stream_makes_is_longer_than_the_maximum(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    This holds over many tries in a row.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    deployment.faults.add("refuse", route="logs_follow", status=503, times=60)
    pauses = Pauses()
    options = attrs.evolve(
        QUICK,
        reconnect=Reconnect(initial=0.001, maximum=0.02, jitter=0.99, give_up_after=LONG),
        on_reconnect=pauses,
    )
    with deployment.client(stream_options=options) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            poll_until(stream, lambda: stream.stats.reconnects == 1)
    assert len(pauses.seconds) == 61
    assert max(pauses.seconds) <= 0.02


# As a generator.


def generator() -> Iterator[int]:
    """
    Yield for ever.
    """
    while True:
        yield 1


THROWN: list[tuple[Any, ...]] = [
    (ValueError,),
    (ValueError("x"),),
    (ValueError, "x"),
    (ValueError, ("a", "b")),
    (ValueError, None),
    (ValueError, ValueError("y")),
    (ValueError, 7, None),
    (OSError, (2, "no such file")),
    (KeyError("k"), None, None),
    (KeyError("k"), "value"),
    (KeyError, UnicodeError("other")),
    (KeyboardInterrupt,),
    (GeneratorExit,),
    (7,),
    ("text", "value"),
    (int,),
]


@pytest.mark.measured
@pytest.mark.parametrize("arguments", THROWN, ids=repr)
def test_throw_is_what_it_is_for_a_generator(
    deployment: Deployment, embedded: EmbeddedAgent, arguments: tuple[Any, ...]
) -> None:
    """
    The same exception with the same arguments comes out.
    """
    made: Any = generator()
    next(made)
    with deployment.client(stream_options=QUICK) as client:
        stream: Any = client.agent(embedded.id).follow_logs()
        next(stream)
        caught: list[BaseException] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the old form, from 3.12 on
            for each in (made, stream):
                try:
                    each.throw(*arguments)
                except BaseException as error:
                    caught.append(error)
        stream.close()
        expected, found = caught
        if expected.args and isinstance(expected.args[0], OSError):
            expected = expected.args[0]  # Python 3.12 puts an error of a subclass into another one
        assert type(found) is type(expected)
        if not isinstance(expected, TypeError):
            assert found.args == expected.args
            assert stream.end is not None


# What ends a stream by its own, and what does not.


def test_1000_without_reconnecting_is_raised(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    An agent that is in the latest build has more to say: the close is a drop.
    """
    deployment.faults.add("close", route="logs_follow", after=1, code=1000)
    with deployment.client(stream_options=RAISING) as client:
        for agent in (*found(client, [embedded]), client.agent(embedded.id)):
            deployment.faults.clear()
            deployment.faults.add("close", route="logs_follow", after=1, code=1000)
            with agent.follow_logs() as stream:
                assert [next(stream).output for _ in range(2)] == ["one", "two"]
                with pytest.raises(StreamError) as raised:
                    next(stream)
                assert stream.end is StreamEnd.FAILED or stream.end is StreamEnd.GAVE_UP
                assert raised.value.bookmark == stream.bookmark


def test_1000_without_reconnecting_is_the_end_of_a_superseded_agent(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    An agent that is not in the latest build has nothing more to say.
    """
    with deployment.client(stream_options=RAISING) as client:
        (agent,) = found(client, [embedded])
        embedded.new_build()
        with agent.follow_logs() as stream:
            assert [log.output for log in stream] == ["one", "two"]
        assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD


UNDECODABLE: list[tuple[str, dict[str, Any]]] = [
    ("replace", {"text": '{"id": 7}'}),
    ("replace", {"text": "[]"}),
    ("invalid_json", {}),
    ("invalid_utf8", {}),
    ("html", {"status": 200, "title": "Sign in"}),
    ("html", {"status": 503, "title": "Maintenance"}),
    ("refuse", {"status": 500, "message": "oh"}),
    ("drop", {"at": "request"}),
    ("cut", {"at": 10}),
]


@pytest.mark.parametrize(("kind", "options"), UNDECODABLE)
def test_a_workspace_that_cannot_be_decoded_does_not_end_a_stream_across_builds(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str, options: dict[str, Any]
) -> None:
    """
    It is read again, and the log of the next build's agent follows.
    """
    failing = deployment.faults.add(kind, route="workspace", times=2, **options)
    with deployment.client(stream_options=QUICK) as client:
        (agent,) = found(client, [embedded])
        with agent.follow_logs(across_builds=True) as stream:
            assert [next(stream).output for _ in range(2)] == ["one", "two"]
            newer = embedded.new_build()
            newer.push_logs(["of the next build"])
            came = poll_until(stream, lambda: stream.stats.items == 3)
            assert [log.output for log in came] == ["of the next build"]
    assert failing.struck == 2


@pytest.mark.parametrize(("kind", "options"), UNDECODABLE)
def test_a_workspace_that_cannot_be_decoded_does_not_end_a_log(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str, options: dict[str, Any]
) -> None:
    """
    Where 1000 comes twice the workspace decides; while it cannot be read the log is followed on.
    """
    failing = deployment.faults.add(kind, route="workspace", **options)
    deployment.faults.add("rolling_restart", route="logs_follow", times=2)
    with deployment.client(stream_options=QUICK) as client:
        (agent,) = found(client, [embedded])
        with agent.follow_logs() as stream:
            poll_until(stream, lambda: failing.struck)
            embedded.push_logs(["three"])
            poll_until(stream, lambda: stream.stats.items == 3)
            assert stream.end is None


PAGES: list[tuple[int, dict[str, str]]] = [
    (200, {}),
    (401, {}),
    (403, {}),
    (404, {}),
    (302, {"Location": "/login"}),
    (503, {}),
]


@pytest.mark.parametrize(("status", "headers"), PAGES)
@pytest.mark.parametrize("kind", ["logs", "metadata", "containers", "several"])
def test_a_page_during_a_reconnect_is_a_drop(
    deployment: Deployment,
    embedded: EmbeddedAgent,
    kind: str,
    status: int,
    headers: dict[str, str],
) -> None:
    """
    It does not come from the deployment, whatever its status: the stream connects again.
    """
    embedded.set_metadata("key", "value")
    embedded.set_containers([])
    route = {"metadata": "watch_metadata", "containers": "containers_watch"}.get(
        kind, "logs_follow"
    )
    with deployment.client(stream_options=QUICK) as client:
        (agent,) = found(client, [embedded])
        opened: dict[str, Callable[[], Any]] = {
            "logs": agent.follow_logs,
            "metadata": agent.watch_metadata,
            "containers": agent.watch_containers,
            "several": lambda: client.follow_logs([agent]),
        }
        with opened[kind]() as stream:
            assert stream.poll(LONG) is not None
            page = deployment.faults.add(
                "html", route=route, status=status, title="Sign in", headers=headers, times=3
            )
            deployment.restart()
            poll_until(stream, lambda: stream.stats.reconnects == 1)
            assert stream.end is None
    assert page.struck == 3


# What reading a property costs.


def cost_per_line(deployment: Deployment, count: int, read: Callable[[Any], object]) -> float:
    """
    Return the seconds of CPU per line of reading a property at each line of a backlog.
    """
    embedded = deployment.add_agent(workspace=f"w{len(deployment.agents)}")
    embedded.push_logs(["x"] * count)
    with deployment.client(stream_options=QUICK) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            assert stream.poll(LONG) is not None
            began = time.thread_time()
            for _ in range(count - 1):
                next(stream)
                read(stream)
            taken = time.thread_time() - began
            assert stream.poll(0) is None
    return taken / count


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda stream: stream.last_id, id="last_id"),
        pytest.param(lambda stream: stream.stats, id="stats"),
    ],
)
def test_a_property_costs_the_same_at_each_line(
    deployment: Deployment, read: Callable[[Any], object]
) -> None:
    """
    A line of a backlog of 1,000 costs what one of 125 costs.
    """
    small = min(cost_per_line(deployment, 125, read) for _ in range(3))
    large = min(cost_per_line(deployment, 1_000, read) for _ in range(3))
    assert large < 3 * small


def test_properties_of_several_agents_cost_the_same_at_each_line(deployment: Deployment) -> None:
    """
    The same for the counts of a stream of several agents.
    """

    def cost(count: int) -> float:
        agents = [deployment.add_agent(workspace=f"w{len(deployment.agents)}") for _ in range(2)]
        for each in agents:
            each.push_logs(["x"] * count)
        with deployment.client(stream_options=QUICK) as client:
            with client.follow_logs(found(client, agents)) as stream:
                assert stream.poll(LONG) is not None
                began = time.thread_time()
                for _ in range(2 * count - 1):
                    next(stream)
                    assert stream.stats.items
                return (time.thread_time() - began) / count

    assert min(cost(1_000) for _ in range(2)) < 3 * min(cost(125) for _ in range(3))


def test_agents_without_a_failure_have_none(client_of: Callable[[Deployment], Client]) -> None:
    """
    What has not failed is not among the failures.
    """
    with Deployment() as deployment:
        agents = add_agents(deployment, 2)
        client = client_of(deployment)
        with client.follow_logs(found(client, agents)) as stream:
            agents[0].push_logs(["line"])
            assert stream.poll(LONG)
            assert stream.failures == {}
            assert stream.ends == {}
            assert set(stream.bookmarks) == {each.id for each in agents}


@pytest.fixture
def client_of() -> Iterator[Callable[[Deployment], Client]]:
    """
    A function that makes a client of a deployment.
    """
    made: list[Client] = []

    def make(deployment: Deployment) -> Client:
        made.append(deployment.client(stream_options=QUICK))
        return made[-1]

    yield make
    for each in made:
        each.close()
