"""
Checks for late lines: requests beside the stream, which may fail or hang and disturb nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from paced import paced
from peer import Conversation, serving

from coder_agents import Client, StreamEnd
from coder_agents.testing import Deployment, EmbeddedAgent, Fault

from .conftest import agent_at, logs
from .playing import (
    CHECKING,
    LONG,
    ON_TIME,
    QUICK,
    add_agents,
    found,
    poll_until,
    routes,
    streams_gone,
)

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

# A hanging check is worth a test only where nothing else ends it soon.
PATIENT = (60, 60)

# Dials that nobody answers hold up the reader, each longer than the one before it.
HANGING = paced(attrs.evolve(CHECKING, settle=0.05), check_dial=0.05, check_retry=1.0)

# No line is late.
IN_TIME = attrs.evolve(CHECKING, settle=0.05)

# A line that is late by less than this has to be found.
UNHURRIED = attrs.evolve(CHECKING, settle=1)

Hang = Callable[[Deployment], contextlib.AbstractContextManager[Callable[[], bool]]]


def fault(kind: str, *, route: str = "logs", **options: Any) -> Hang:
    """
    Return what lets each check meet a fault, and tells whether one has.
    """

    @contextlib.contextmanager
    def hang(deployment: Deployment) -> Iterator[Callable[[], bool]]:
        met = deployment.faults.add(kind, route=route, times=None, **options)
        deployment.connections.close_idle()  # the check is to make its own
        yield lambda: met.struck > 0
        deployment.faults.clear()

    return hang


@contextlib.contextmanager
def never_accepted(deployment: Deployment) -> Iterator[Callable[[], bool]]:
    """
    Let each check wait for a connection that nobody answers.
    """
    with deployment.unreachable():
        deployment.connections.close_idle()
        begun = time.monotonic()
        # The check is due; that it connects can be seen by nobody.
        yield lambda: time.monotonic() > begun + 0.3


HANGS: dict[str, Hang] = {
    "never answered": fault("silence", at="request"),
    "half a head": fault("cut", part="head", at=20, seconds=600),
    "half an answer": fault("cut", at=1, seconds=600),
    "a byte a minute": fault("drip", at="request", pause=60),
    "accepted and then nothing": fault("silence", route="connection"),
    "never accepted": never_accepted,
}


@pytest.fixture(params=HANGS)
def hang(request: pytest.FixtureRequest) -> Hang:
    """
    Each way in which a check can hang, in turn.
    """
    return HANGS[request.param]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """
    A deployment, plain and over TLS.
    """
    with Deployment(tls=request.param, ping_interval=0.2) as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent of it.
    """
    return deployment.add_agent()


def only_one_stream(deployment: Deployment) -> bool:
    """
    Whether the log was followed over one connection alone.
    """
    return len(routes(deployment, "logs_follow")) == 1


def test_a_check_that_hangs_delays_no_line(
    deployment: Deployment, embedded: EmbeddedAgent, hang: Hang
) -> None:
    """
    Lines come as they are written, over the same connection, while the check waits.
    """
    with deployment.client(timeout=PATIENT, stream_options=HANGING) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            with hang(deployment) as hangs:
                embedded.push_logs(["first"])
                assert poll_until(stream, hangs)
                for number in range(20):
                    embedded.push_logs([f"line {number}"])
                    began = time.monotonic()
                    log = stream.poll(ON_TIME)
                    assert log is not None
                    assert log.output == f"line {number}"
                    assert time.monotonic() - began < ON_TIME
            assert stream.stats.reconnects == 0
            assert stream.end is None
    assert only_one_stream(deployment)


def test_a_check_that_hangs_does_not_hold_up_a_poll(
    deployment: Deployment, embedded: EmbeddedAgent, hang: Hang
) -> None:
    """
    poll(0.05) and poll(0) return on time, again and again.
    """
    with deployment.client(timeout=PATIENT, stream_options=HANGING) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            with hang(deployment) as hangs:
                embedded.push_logs(["first"])
                assert poll_until(stream, hangs)
                for timeout in [0.05, 0] * 3:
                    began = time.monotonic()
                    assert stream.poll(timeout) is None
                    assert time.monotonic() - began < ON_TIME
            assert stream.stats.reconnects == 0


def test_lines_of_several_agents_are_not_delayed(deployment: Deployment, hang: Hang) -> None:
    """
    The lines of all agents come, however many checks hang.
    """
    # More than there are kept connections; over TLS one more than one is enough.
    agents = add_agents(deployment, 10 if deployment.ca_file is None else 2)
    with deployment.client(timeout=PATIENT, stream_options=HANGING) as client:
        with client.follow_logs(found(client, agents)) as stream:
            with hang(deployment) as hangs:
                for each in agents:
                    each.push_logs(["first"])
                poll_until(stream, lambda: stream.stats.items == len(agents) and hangs())
                for number in range(3):
                    for each in agents:
                        each.push_logs([f"line {number}"])
                    began = time.monotonic()
                    lines = [stream.poll(ON_TIME) for _ in agents]
                    assert {str(line.log.output) for line in lines if line} == {f"line {number}"}
                    assert len({line.agent.id for line in lines if line}) == len(agents)
                    assert time.monotonic() - began < ON_TIME
            assert stream.stats.reconnects == 0
            assert not stream.failures
    assert len(routes(deployment, "logs_follow")) == len(agents)


def test_pings_are_answered_while_a_check_hangs() -> None:
    """
    The server gets a pong for each ping that it sends meanwhile.
    """
    check_hangs = threading.Event()
    pongs = 0

    def follow(conversation: Conversation) -> None:
        nonlocal pongs
        conversation.accept_websocket()
        conversation.text(logs(1))
        assert check_hangs.wait(LONG)
        for _ in range(5):
            conversation.ping(b"ping")
            frame = b""
            while len(frame) < 10:  # two bytes, a mask of four, the payload
                frame += conversation.sock.recv(10 - len(frame))
            assert frame[0] == 0x8A
            pongs += 1
        conversation.text(logs(2))
        conversation.until_gone()

    def check(conversation: Conversation) -> None:
        assert b" HTTP/1.1" in conversation.read_head()
        check_hangs.set()
        conversation.until_gone()

    with serving(follow, check) as peer:
        agent = agent_at(peer.url, options=CHECKING, timeout=PATIENT)
        with agent.follow_logs() as stream:
            assert [next(stream).id, next(stream).id] == [1, 2]
            assert stream.stats.reconnects == 0
    assert pongs == 5


def test_a_late_line_is_found_after_a_check_that_hung(
    deployment: Deployment, embedded: EmbeddedAgent, hang: Hang
) -> None:
    """
    What hangs is given up after the read time-out, and the next check finds the line.
    """
    soon = paced(CHECKING, check_dial=0.05)
    with deployment.client(timeout=(60, 0.5), stream_options=soon) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            with hang(deployment) as hangs:
                late = embedded.begin_logs(["late"])
                embedded.push_logs(["in time"])
                came = poll_until(stream, hangs)
                assert [log.output for log in came] == ["in time"]
                late.commit()
                assert stream.poll(0.1) is None
            assert [log.output for log in poll_until(stream, lambda: stream.stats.items == 2)] == [
                "late"
            ]
            assert stream.stats.late == 1
            assert stream.stats.reconnects == 0
    assert only_one_stream(deployment)


def test_a_broken_stream_is_mended_while_a_check_hangs(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    The check that waits does not keep the stream from reconnecting.
    """
    deployment.faults.add("silence", route="logs", at="request", times=None)
    deployment.faults.add("drop", route="logs_follow", after=3)
    with deployment.client(timeout=PATIENT, stream_options=CHECKING) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            embedded.push_logs(["one"])
            poll_until(stream, lambda: routes(deployment, "logs"))
            embedded.push_logs(["two"])
            poll_until(stream, lambda: stream.stats.items == 2)  # or the next may be in one message
            embedded.push_logs(["three"])
            poll_until(stream, lambda: stream.stats.items == 3 and stream.stats.reconnects == 1)


def test_a_stream_is_closed_at_once_while_a_check_hangs(
    deployment: Deployment, embedded: EmbeddedAgent, hang: Hang
) -> None:
    """
    Closing wakes the reader, and no connection is left, neither the stream's nor the check's.
    """
    with deployment.client(timeout=PATIENT, stream_options=HANGING) as client:
        stream = client.agent(embedded.id).follow_logs()
        with hang(deployment) as hangs:
            embedded.push_logs(["first"])
            assert poll_until(stream, hangs)
            closing = threading.Timer(0.05, stream.close)
            closing.start()
            began = time.monotonic()
            assert stream.poll(None) is None
            assert time.monotonic() - began < ON_TIME
            closing.join()
            assert stream.end is StreamEnd.CLOSED
            assert streams_gone(deployment)


FAILURES: list[tuple[str, dict[str, Any]]] = [
    ("refuse", {"status": 401, "message": "who are you"}),
    ("refuse", {"status": 403, "message": "no"}),
    ("refuse", {"status": 404, "message": "no such agent"}),
    ("refuse", {"status": 429, "message": "slow down", "headers": {"Retry-After": "1"}}),
    ("refuse", {"status": 500, "message": "oh"}),
    ("refuse", {"status": 503}),
    ("refuse", {"status": 503, "headers": {"Retry-After": "1"}, "body": "<html>"}),
    ("refuse", {"status": 204}),
    ("html", {"status": 200, "title": "Sign in"}),
    ("html", {"status": 503, "title": "Maintenance"}),
    ("redirect", {"url": "https://elsewhere.example.com/"}),
    ("replace", {"text": '{"id": 1}'}),
    ("invalid_json", {}),
    ("invalid_utf8", {}),
    ("drop", {"at": "request"}),
    ("reset", {"at": "request"}),
    ("cut", {"at": 3}),
    ("cut", {"at": 3, "reset": True}),
    ("cut", {"part": "head"}),
    ("oversize", {"size": 200_000}),
]


@pytest.mark.measured
@pytest.mark.parametrize(("kind", "options"), FAILURES)
@pytest.mark.parametrize("deployment", [False], indirect=True, ids=["plain"])
def test_a_check_that_fails_ends_nothing(
    deployment: Deployment, embedded: EmbeddedAgent, kind: str, options: dict[str, Any]
) -> None:
    """
    It is made again, and finds the late line; the stream is not touched.
    """
    failing = deployment.faults.add(kind, route="logs", times=None, **options)
    limited = attrs.evolve(CHECKING, max_message_size=100_000)
    with deployment.client(timeout=PATIENT, stream_options=limited) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            late = embedded.begin_logs(["late"])
            embedded.push_logs(["in time"])
            poll_until(stream, lambda: stream.stats.items and failing.struck)
            late.commit()
            deployment.faults.clear()
            poll_until(stream, lambda: stream.stats.items == 2)
            assert stream.stats.late == 1
            assert stream.stats.reconnects == 0
            assert stream.stats.checks >= 1
            assert stream.end is None
    assert only_one_stream(deployment)


@pytest.mark.parametrize("deployment", [True], indirect=True, ids=["tls"])
@pytest.mark.parametrize("route", ["logs", "connection"])
def test_a_check_whose_tls_fails_ends_nothing(
    deployment: Deployment, embedded: EmbeddedAgent, route: str
) -> None:
    """
    A handshake that is refused, or an answer that cannot be decrypted, is a check that failed.
    """
    with deployment.client(timeout=PATIENT, stream_options=CHECKING) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            options: dict[str, Any] = {"at": "request"} if route == "logs" else {}
            failing = deployment.faults.add("tls_error", route=route, times=None, **options)
            deployment.connections.close_idle()
            late = embedded.begin_logs(["late"])
            embedded.push_logs(["in time"])
            poll_until(stream, lambda: stream.stats.items and failing.struck)
            late.commit()
            deployment.faults.clear()
            poll_until(stream, lambda: stream.stats.items == 2)
            assert stream.stats.reconnects == 0
    assert only_one_stream(deployment)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("deployment", [False], indirect=True, ids=["plain"])
def test_a_check_is_not_repeated_before_retry_after(
    deployment: Deployment, embedded: EmbeddedAgent, status: int
) -> None:
    """
    The deployment says in how many seconds it wants to see another one.
    """
    headers = {"Retry-After": "1"}
    failing = deployment.faults.add("refuse", route="logs", status=status, headers=headers)
    with deployment.client(stream_options=CHECKING) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            began = time.monotonic()  # before the refusal, which is seen late on a slow machine
            embedded.push_logs(["line"])
            poll_until(stream, lambda: failing.struck)
            poll_until(stream, lambda: len(routes(deployment, "logs")) == 2)
            assert time.monotonic() - began >= 1
            assert stream.stats.reconnects == 0


def test_checks_use_one_connection_again(deployment: Deployment, embedded: EmbeddedAgent) -> None:
    """
    Many checks of one log go over one connection, which is not the stream's.
    """
    with deployment.client(stream_options=IN_TIME) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            for number in range(6):
                embedded.push_logs([f"line {number}"])
                checks = stream.stats.checks
                poll_until(stream, lambda: stream.stats.checks > checks)  # noqa: B023
            assert stream.stats.checks >= 6
            assert stream.stats.reconnects == 0
    used = {each.connection for each in routes(deployment, "logs")}
    assert len(used) == 1
    assert used.isdisjoint(each.connection for each in routes(deployment, "logs_follow"))


def test_checks_of_streams_one_after_the_other_share_a_connection(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    A connection that is kept belongs to the client, not to a stream.
    """
    embedded.push_logs(["line"])
    with deployment.client(stream_options=CHECKING) as client:
        for _ in range(3):
            with client.agent(embedded.id).follow_logs() as stream:
                poll_until(stream, lambda: stream.stats.checks)
    assert len({each.connection for each in routes(deployment, "logs")}) == 1


@pytest.mark.parametrize("closed", ["at the next request", "while it was idle", "by a reset"])
def test_a_kept_connection_that_was_closed_costs_nothing(
    deployment: Deployment, embedded: EmbeddedAgent, closed: str
) -> None:
    """
    The check is made on another one, and is no failure.
    """
    with deployment.client(stream_options=UNHURRIED) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            embedded.push_logs(["one"])
            poll_until(stream, lambda: stream.stats.checks)
            late = embedded.begin_logs(["late"])
            meets: Fault | None = None
            if closed == "while it was idle":
                # That of the client's own requests, too: which of them is idle first is not known.
                assert deployment.connections.wait_idle(2, timeout=LONG)
                assert deployment.connections.close_idle() == 2
            else:
                kind = "reset" if closed == "by a reset" else "drop"
                meets = deployment.faults.add(kind, route="logs", at="request", kept=True)
            embedded.push_logs(["two"])
            poll_until(stream, lambda: stream.stats.items == 2)
            late.commit()
            poll_until(stream, lambda: stream.stats.items == 3)
            assert meets is None or meets.struck == 1
            assert stream.stats.late == 1
            assert stream.stats.reconnects == 0
    assert len({each.connection for each in routes(deployment, "logs")}) >= 2
    assert only_one_stream(deployment)


def test_a_quiet_agent_costs_no_request(deployment: Deployment, embedded: EmbeddedAgent) -> None:
    """
    Where nothing was written nothing is checked, and nothing again once all is settled.
    """
    with deployment.client(stream_options=IN_TIME) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            assert stream.poll(0.3) is None
            assert not routes(deployment, "logs")
            embedded.push_logs(["line"])
            poll_until(stream, lambda: stream.stats.checks)
            checks = 0
            until = time.monotonic() + LONG
            while checks < stream.stats.checks:
                assert time.monotonic() < until
                checks = stream.stats.checks
                assert stream.poll(0.3) is None
            requested = len(deployment.requests)
            assert stream.poll(0.3) is None
            assert len(deployment.requests) == requested


@pytest.mark.parametrize("deployment", [False], indirect=True, ids=["plain"])
def test_without_settling_nothing_is_checked(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    settle=0 trusts the order of the ids.
    """
    embedded.push_logs(["line"])
    with deployment.client(stream_options=QUICK) as client:
        with client.agent(embedded.id).follow_logs() as stream:
            for number in range(3):
                assert stream.poll(LONG)
                embedded.push_logs([f"line {number}"])
            assert stream.poll(LONG)
            assert stream.poll(0.3) is None
            assert stream.stats.checks == 0
    assert not routes(deployment, "logs")


def answer(*ids: int) -> bytes:
    """
    Return the answer to a GET of a log with lines of these ids.
    """
    body = logs(*ids).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.mark.parametrize("sent_before", [0, 1, 30, -5], ids=str)
def test_a_late_answer_is_not_taken_for_the_next_one(sent_before: int) -> None:
    """
    What an abandoned connection still sends reaches nobody: that connection is closed.
    """
    second_check = threading.Event()
    abandoned = threading.Event()
    stale, right = answer(7), answer(1, 2)

    def follow(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(logs(1))
        conversation.until_gone()

    def hanging_check(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(stale[:sent_before])
        assert second_check.wait(LONG)
        with contextlib.suppress(OSError):
            conversation.send(stale[sent_before:])
        conversation.until_gone()
        abandoned.set()

    def good_check(conversation: Conversation) -> None:
        conversation.read_head()
        second_check.set()
        assert abandoned.wait(LONG)
        conversation.send(right)
        conversation.until_gone()

    with serving(follow, hanging_check, good_check) as peer:
        agent = agent_at(peer.url, options=CHECKING, timeout=(10, 0.5))
        with agent.follow_logs() as stream:
            came = poll_until(stream, lambda: stream.stats.items == 2)
            assert [log.id for log in came] == [1, 2]
            assert stream.poll(0.3) is None
            assert stream.stats.reconnects == 0


def test_two_answers_at_once_are_not_taken_for_two_checks() -> None:
    """
    What comes behind the answer of a check was asked for by nobody: the connection is left.
    """

    answered = threading.Event()

    def follow(conversation: Conversation) -> None:
        conversation.accept_websocket()
        conversation.text(logs(1))
        assert answered.wait(LONG)
        conversation.text(logs(2))
        conversation.until_gone()

    def talkative(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(answer(1) + answer(9))
        answered.set()
        conversation.until_gone()

    def good(conversation: Conversation) -> None:
        while conversation.read_head():
            conversation.head = b""
            conversation.send(answer(1, 2, 3))

    with serving(follow, talkative, good) as peer:
        agent = agent_at(peer.url, options=CHECKING, timeout=(10, 5))
        with agent.follow_logs() as stream:
            came = poll_until(stream, lambda: stream.stats.items == 3)
            assert sorted(log.id for log in came) == [1, 2, 3]
            assert stream.stats.reconnects == 0


@pytest.mark.parametrize("deployment", [False], indirect=True, ids=["plain"])
def test_many_agents_keep_few_connections(deployment: Deployment) -> None:
    """
    The checks of 30 agents go over 8 connections at most.
    """
    agents = add_agents(deployment, 30)
    deployment.faults.add("delay", route="logs", seconds=0.02, times=None)

    def checks() -> list[Any]:
        return routes(deployment, "logs")

    with deployment.client(stream_options=CHECKING) as client:
        with client.follow_logs(found(client, agents)) as stream:
            for number in range(3):
                for each in agents:
                    each.push_logs([f"line {number}"])
                poll_until(stream, lambda: stream.stats.items == len(agents) * (number + 1))  # noqa: B023
            poll_until(
                stream, lambda: len({each.target.partition("?")[0] for each in checks()}) == 30
            )
        assert len({each.connection for each in checks()}) <= 8


def test_each_agent_is_checked_once(deployment: Deployment) -> None:
    """
    An answer that settles everything leaves nothing to be requested, also among several agents.
    """
    agents = add_agents(deployment, 3)
    with deployment.client(stream_options=IN_TIME) as client:
        with client.follow_logs(found(client, agents)) as stream:
            for each in agents:
                each.push_logs(["line"])
            poll_until(stream, lambda: stream.stats.checks == 3)
            for _ in range(10):
                assert stream.poll(0.02) is None
            assert stream.stats.checks == 3
    assert len(routes(deployment, "logs")) == 3


@pytest.mark.parametrize("deployment", [False], indirect=True, ids=["plain"])
def test_streams_in_many_threads_keep_few_connections(deployment: Deployment) -> None:
    """
    The limit is the client's, however many streams it has, and each check has its own answer.
    """
    agents = add_agents(deployment, 16)
    wrong: list[object] = []

    def read(client: Client, embedded: EmbeddedAgent) -> None:
        try:
            with client.agent(embedded.id).follow_logs() as stream:
                late = embedded.begin_logs([f"late of {embedded.id}"])
                embedded.push_logs([f"line of {embedded.id}"])
                came = poll_until(stream, lambda: stream.stats.items)
                late.commit()
                came += poll_until(stream, lambda: stream.stats.items == 2)
                wrong.extend(log for log in came if str(embedded.id) not in log.output)
        except BaseException as error:
            wrong.append(error)

    with deployment.client(stream_options=UNHURRIED) as client:
        readers = [threading.Thread(target=read, args=(client, each)) for each in agents]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert not wrong
    assert len({each.connection for each in routes(deployment, "logs")}) <= 8
