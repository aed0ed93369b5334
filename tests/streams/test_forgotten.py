"""
Streams that nobody refers to any more: they close at once, without the garbage collector.
"""

from __future__ import annotations

import itertools
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from driving import signalled_when_waiting

from coder_agents import Client, CoderError, StreamEnd
from coder_agents.testing import Deployment, EmbeddedAgent

from .playing import (
    CHECKING,
    LONG,
    QUICK,
    add_agents,
    eventually,
    found,
    no_collection,
    poll_until,
    routes,
    streams_gone,
    streams_open,
)

pytestmark = pytest.mark.unmeasured


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """
    A deployment, plain and over TLS.
    """
    with Deployment(tls=request.param, metadata_interval=0.05) as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent of it with something of each kind.
    """
    made = deployment.add_agent(workspace="w0")
    made.push_logs(["one"])
    made.push_logs(["two"])
    made.set_metadata("key", "value")
    made.set_containers([])
    made.set_ports([])
    return made


@pytest.fixture(autouse=True)
def only_references_count() -> Iterator[None]:
    """
    Let no garbage collector run: it would close what was forgotten.
    """
    with no_collection():
        yield


@contextmanager
def warned(times: int = 1) -> Iterator[None]:
    """
    Check that so many streams are found left open meanwhile, and no other warning comes.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [each.category for each in caught] == [ResourceWarning] * times
    for each in caught:
        assert "was left open" in str(each.message)
        assert __file__ in str(each.message)  # where it was opened


def by_break(stream_of: Callable[[], Any]) -> None:
    """
    Leave a loop over a stream that has no name.
    """
    for _ in stream_of():
        break


def by_break_of_batches(stream_of: Callable[[], Any]) -> None:
    """
    The same with lists of items.
    """
    for _ in stream_of().batches():
        break


def by_a_function_that_returns(stream_of: Callable[[], Any]) -> None:
    """
    Let a local name go.
    """
    stream = stream_of()
    assert next(stream) is not None


def by_islice(stream_of: Callable[[], Any]) -> None:
    """
    Take an item through something that holds the iterator.
    """
    assert len(list(itertools.islice(stream_of(), 1))) == 1


def by_an_error_of_the_body(stream_of: Callable[[], Any]) -> None:
    """
    Leave a loop by an exception, which is caught outside.
    """
    try:
        for _ in stream_of():
            raise KeyError
    except KeyError:
        pass


def by_polling_a_temporary(stream_of: Callable[[], Any]) -> None:
    """
    Poll what has no name.
    """
    assert stream_of().poll(LONG) is not None


def by_overwriting(stream_of: Callable[[], Any]) -> None:
    """
    Let a name mean something else.
    """
    stream = stream_of()
    assert stream.poll(LONG) is not None
    assert stream.stats.items == 1
    stream = None
    assert stream is None


WAYS = [
    by_break,
    by_break_of_batches,
    by_a_function_that_returns,
    by_islice,
    by_an_error_of_the_body,
    by_polling_a_temporary,
    by_overwriting,
]


def opener(kind: str, client: Client, embedded: EmbeddedAgent) -> Callable[[], Any]:
    """
    Return what opens a stream of a kind.
    """
    (agent,) = found(client, [embedded])
    openers: dict[str, Callable[[], Any]] = {
        "logs": agent.follow_logs,
        "metadata": agent.watch_metadata,
        "containers": agent.watch_containers,
        "ports": agent.watch_listening_ports,
        "several": lambda: client.follow_logs([agent]),
        "builds": lambda: agent.follow_logs(across_builds=True),
    }
    return openers[kind]


KINDS = ["logs", "metadata", "containers", "ports", "several", "builds"]


# TLS is freed by the same code, whatever the way that leads there.
EACH_KIND = [*itertools.product([False], KINDS), (True, "logs"), (True, "several")]
EACH_WAY = [
    *itertools.product([False], KINDS, WAYS),
    *itertools.product([True], KINDS, [by_break]),
    *itertools.product([True], ["logs"], WAYS[1:]),
]


@pytest.mark.parametrize(("deployment", "kind", "forget"), EACH_WAY, indirect=["deployment"])
def test_a_forgotten_stream_is_closed_at_once(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str, forget: Any
) -> None:
    """
    The connection is gone as soon as the last reference is, and a warning names the line.
    """
    with deployment.client(stream_options=QUICK) as client:
        stream_of = opener(kind, client, embedded)
        with warned():
            forget(stream_of)
        assert streams_gone(deployment)


# What may have happened to a stream before it is forgotten.


def nothing(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    Nothing went wrong.
    """
    return lambda stream: None


def drop(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    The connection was lost, and made again.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    return lambda stream: poll_until(stream, lambda: stream.stats.reconnects == 1)


def two_drops(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    That happened twice.
    """
    deployment.faults.add("drop", route="logs_follow", after=1, times=2)
    return lambda stream: poll_until(stream, lambda: stream.stats.reconnects == 2)


def refusal(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    The first try to connect again was refused.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    deployment.faults.add("refuse", route="logs_follow", status=503)
    return lambda stream: poll_until(stream, lambda: stream.stats.reconnects == 1)


def login_page(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    The first try to connect again got a page.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    deployment.faults.add("html", route="logs_follow", status=200, title="Sign in")
    return lambda stream: poll_until(stream, lambda: stream.stats.reconnects == 1)


def failed_check(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    A check for late lines was refused.
    """
    refused = deployment.faults.add("refuse", route="logs", status=500)
    return lambda stream: poll_until(stream, lambda: refused.struck)


def hanging_check(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    A check for late lines hangs.
    """
    hangs = deployment.faults.add("silence", route="logs", at="request", times=None)
    return lambda stream: poll_until(stream, lambda: hangs.struck)


def answered_check(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    A check for late lines was made.
    """
    return lambda stream: poll_until(stream, lambda: stream.stats.checks)


def hanging_reconnect(deployment: Deployment, embedded: EmbeddedAgent) -> Callable[[Any], object]:
    """
    The try to connect again hangs, and nobody waits for it any more.
    """
    deployment.faults.add("drop", route="logs_follow", after=1)
    hangs = deployment.faults.add("silence", route="logs_follow", at="request", times=None)
    return lambda stream: poll_until(stream, lambda: hangs.struck)


HISTORIES = [
    nothing,
    drop,
    two_drops,
    refusal,
    login_page,
    failed_check,
    hanging_check,
    answered_check,
    hanging_reconnect,
]


EACH_HISTORY = [
    *itertools.product([False], ["logs", "several", "builds"], HISTORIES),
    *itertools.product([True], ["logs"], HISTORIES),
]


@pytest.mark.parametrize(("deployment", "kind", "history"), EACH_HISTORY, indirect=["deployment"])
def test_a_stream_with_a_history_is_closed_at_once(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str, history: Any
) -> None:
    """
    No exception that came through keeps the stream, whatever was handled before.
    """
    options = CHECKING if "check" in history.__name__ else QUICK
    with deployment.client(stream_options=options, timeout=(60, 60)) as client:
        stream_of = opener(kind, client, embedded)
        spoil = history(deployment, embedded)

        def forget() -> None:
            stream = stream_of()
            spoil(stream)
            assert stream.end is None

        with warned():
            forget()
        assert streams_gone(deployment)


@pytest.mark.parametrize("kind", ["logs", "several"])
def test_a_stream_whose_connection_failed_once_is_closed_at_once(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str
) -> None:
    """
    The same where a connection failed before its request: in TLS where there is TLS.
    """
    fails = "tls_error" if deployment.ca_file is not None else "drop"
    with deployment.client(stream_options=QUICK) as client:
        stream_of = opener(kind, client, embedded)

        def forget() -> None:
            stream = stream_of()
            assert stream.poll(LONG)
            failing = deployment.faults.add(fails, route="connection")
            deployment.faults.add("drop", route="logs_follow", after=1)
            deployment.restart()
            poll_until(stream, lambda: failing.struck and stream.stats.reconnects)

        with warned():
            forget()
        assert streams_gone(deployment)


def test_several_agents_of_which_one_has_failed(deployment: Deployment) -> None:
    """
    The failure that is kept of one keeps neither the stream nor the others' connections.
    """
    agents = add_agents(deployment, 3)
    for each in agents:
        each.push_logs(["line"])
    deployment.faults.add("refuse", route="logs_follow", status=401, message="who are you")
    kept: list[CoderError] = []
    with deployment.client(stream_options=QUICK) as client:
        followed = found(client, agents)

        def forget() -> None:
            for _ in client.follow_logs(
                followed, on_failure=lambda agent, error: kept.append(error)
            ):
                break

        with warned():
            forget()
        assert len(kept) == 1
        assert streams_gone(deployment)
    assert eventually(
        lambda: not [each for each in threading.enumerate() if "coder-agents" in each.name]
    )


def test_failures_that_are_kept_keep_no_stream(deployment: Deployment) -> None:
    """
    Neither does the mapping of failures that a program takes from it.
    """
    agents = add_agents(deployment, 3)
    for each in agents:
        each.push_logs(["line"])
    deployment.faults.add("refuse", route="logs_follow", status=401, message="who are you")
    kept: list[Any] = []
    with deployment.client(stream_options=QUICK) as client:
        followed = found(client, agents)

        def forget() -> None:
            stream = client.follow_logs(followed)
            assert stream.poll(LONG)
            kept.append(stream.failures)
            kept.append(stream.bookmarks)
            kept.append(stream.ends)

        with warned():
            forget()
        assert len(kept[0]) == 1
        assert streams_gone(deployment)


@pytest.mark.parametrize(("deployment", "kind"), EACH_KIND, indirect=["deployment"])
def test_ctrl_c_in_a_loop_that_has_no_name_for_its_stream(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str
) -> None:
    """
    The traceback that a notebook keeps of Ctrl-C in the body keeps no stream.
    """
    kept: list[BaseException] = []
    with deployment.client(stream_options=QUICK) as client:
        stream_of = opener(kind, client, embedded)

        def interrupted_in_the_body() -> None:
            for _ in stream_of():
                raise KeyboardInterrupt

        with warned():
            try:
                interrupted_in_the_body()
            except KeyboardInterrupt as error:
                kept.append(error)
        assert kept[0].__traceback__ is not None
        assert streams_gone(deployment)


@pytest.mark.parametrize(("deployment", "kind"), EACH_KIND, indirect=["deployment"])
@pytest.mark.parametrize("batches", [False, True])
def test_ctrl_c_while_a_loop_waits(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str, batches: bool
) -> None:
    """
    The stream has ended then, whoever keeps the exception: there is nothing to warn of.
    """
    kept: list[BaseException] = []
    with deployment.client(stream_options=QUICK) as client:
        stream_of = opener(kind, client, embedded)

        def wait() -> None:
            stream = stream_of()
            with signalled_when_waiting():
                for _ in stream.batches() if batches else stream:
                    pass

        with warned(0):
            try:
                wait()
            except KeyboardInterrupt as error:
                kept.append(error)
            assert streams_gone(deployment)
        assert kept[0].__traceback__ is not None


@pytest.mark.parametrize("again", [False, True])
def test_a_stream_that_is_kept_by_the_traceback_alone(
    deployment: Deployment, embedded: EmbeddedAgent, again: bool
) -> None:
    """
    After Ctrl-C in a poll between drops, nothing is left open.
    """
    kept: list[BaseException] = []
    if again:
        deployment.faults.add("drop", route="logs_follow", after=1, times=None)
    with deployment.client(stream_options=QUICK) as client:
        stream_of = opener("logs", client, embedded)
        with warned(0):
            try:
                stream = stream_of()
                with signalled_when_waiting():
                    while True:
                        stream.poll(60)
            except KeyboardInterrupt as error:
                kept.append(error)
            assert stream.end is StreamEnd.INTERRUPTED
            del stream
            assert streams_gone(deployment)


@pytest.mark.parametrize("kind", ["logs", "metadata", "containers", "several"])
def test_an_error_that_is_kept_keeps_no_stream(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str
) -> None:
    """
    A stream that ended by an error is gone, whoever keeps the error; that is no warning.
    """
    route = {"metadata": "watch_metadata", "containers": "containers_watch"}.get(
        kind, "logs_follow"
    )
    kept: list[BaseException] = []
    with deployment.client(stream_options=attrs.evolve(QUICK, reconnect=None)) as client:
        stream_of = opener(kind, client, embedded)
        deployment.faults.add("drop", route=route, after=1)

        def fail() -> None:
            for _ in stream_of():
                pass
            raise CoderError("ended")  # several agents' logs end without an error

        with warned(0):
            try:
                fail()
            except CoderError as error:
                kept.append(error)
            assert streams_gone(deployment)
        assert kept


@pytest.mark.parametrize("status", [401, 404, 500])
@pytest.mark.parametrize(
    ("deployment", "kind"),
    [each for each in EACH_KIND if each[1] not in ("ports", "builds")],
    indirect=["deployment"],
)
def test_a_stream_that_is_never_opened_leaves_nothing(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str, status: int
) -> None:
    """
    The error of opening keeps no connection, and there is no stream to warn of.
    """
    route = {"metadata": "watch_metadata", "containers": "containers_watch"}.get(
        kind, "logs_follow"
    )
    kept: list[BaseException] = []
    with deployment.client(stream_options=QUICK) as client:
        stream_of = opener(kind, client, embedded)
        deployment.faults.add("refuse", route=route, status=status, message="no")
        with warned(0):
            try:
                stream_of()
            except CoderError as error:
                kept.append(error)
            assert streams_gone(deployment)
        assert kept


def test_a_stream_that_is_closed_properly_warns_of_nothing(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    With `with` or close there is no warning when the stream goes.
    """
    with deployment.client(stream_options=QUICK) as client:
        for kind in KINDS:
            stream_of = opener(kind, client, embedded)
            with warned(0):
                with stream_of() as stream:
                    assert next(stream) is not None
                del stream
                another = stream_of()
                another.close()
                del another
            assert streams_gone(deployment)


def test_a_forgotten_stream_frees_what_it_checked_with(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    The kept connection goes back to the client, which another stream then uses.
    """
    with deployment.client(stream_options=CHECKING) as client:
        stream_of = opener("logs", client, embedded)

        def forget() -> None:
            stream = stream_of()
            poll_until(stream, lambda: stream.stats.checks)

        for _ in range(2):
            with warned():
                forget()
        assert streams_gone(deployment)
    assert len({each.connection for each in routes(deployment, "logs")}) == 1


def test_many_forgotten_streams_leave_nothing(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    Twenty loops that break: at no time is more than one connected.
    """
    with deployment.client(stream_options=QUICK) as client:
        stream_of = opener("logs", client, embedded)
        for _ in range(20):
            with warned():
                by_break(stream_of)
            assert eventually(lambda: streams_open(deployment) == 0)
