"""
Waiting for many sockets and moments at once.
"""

from __future__ import annotations

import math
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from selectors import EVENT_READ, EVENT_WRITE

import pytest

from coder_agents.streams.poller import Poller, single_selector
from coder_agents.transport import Interest

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=[single_selector, selectors.DefaultSelector])
def poller(request: pytest.FixtureRequest) -> Iterator[Poller[str]]:
    """
    A poller over either kind of selector, which is closed twice in the end.
    """
    made: Poller[str] = Poller(request.param())
    yield made
    made.close()
    made.close()
    made.alarm.ring()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """
    Two sockets that are connected.
    """
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def for_reading(sock: socket.socket, until: float = math.inf) -> Interest:
    """
    Return the interest in something to read.
    """
    return Interest(sock.fileno(), EVENT_READ, until)


def at(moment: float) -> Interest:
    """
    Return the interest in a moment alone.
    """
    return Interest(None, 0, moment)


def test_a_socket_is_due_as_long_as_it_has_something(poller: Poller[str], pair: Pair) -> None:
    """
    It is due until its key is dropped.
    """
    poller.set("a", [for_reading(pair[0])])
    assert (poller.wait(0), len(poller)) == ([], 1)
    pair[1].send(b"x")
    assert poller.wait(math.inf) == ["a"]
    assert poller.wait(0) == ["a"]
    poller.drop("a")
    assert (poller.wait(0), len(poller)) == ([], 0)


def test_a_socket_is_due_when_it_takes_something(poller: Poller[str], pair: Pair) -> None:
    """
    Where that is what is wanted, and no longer where it is not.
    """
    poller.set("a", [Interest(pair[0].fileno(), EVENT_READ | EVENT_WRITE, math.inf)])
    assert poller.wait(math.inf) == ["a"]
    poller.set("a", [for_reading(pair[0])])
    assert poller.wait(0) == []


def test_a_key_may_have_two_sockets(poller: Poller[str], pair: Pair) -> None:
    """
    Either makes it due, and both make it due once.
    """
    poller.set("a", [for_reading(pair[0]), for_reading(pair[1])])
    pair[0].send(b"x")
    assert poller.wait(math.inf) == ["a"]
    pair[1].send(b"x")
    assert poller.wait(math.inf) == ["a"]


def test_a_moment_is_due_when_it_has_come(poller: Poller[str], pair: Pair) -> None:
    """
    It is due with or without a socket; the soonest ends the wait.
    """
    poller.set("never", [for_reading(pair[0])])
    poller.set("soon", [at(time.monotonic() + 0.1), at(math.inf)])
    poller.set("now", [for_reading(pair[1], until=0.0)])
    assert poller.wait(math.inf) == ["now"]
    assert poller.wait(math.inf) == ["soon"]


def test_a_moment_that_was_put_off_is_not_due_before(poller: Poller[str]) -> None:
    """
    It is put off though the wait for the first one has begun; one that was brought forward is due
    sooner.
    """
    begin = time.monotonic()
    poller.set("a", [at(begin + 0.05)])
    poller.set("a", [at(begin + 0.2)])
    found: list[str] = []
    while not found:
        found = poller.wait(math.inf)
    assert time.monotonic() >= begin + 0.2
    poller.set("a", [at(begin + 3600)])
    poller.set("a", [at(0.0)])
    assert poller.wait(math.inf) == ["a"]


def test_a_moment_of_a_key_that_was_dropped_is_not_due(poller: Poller[str]) -> None:
    """
    This holds whatever was waited for under the key.
    """
    poller.set("a", [at(0.0)])
    poller.drop("a")
    assert poller.wait(time.monotonic() + 0.02) == []
    assert poller.wait(time.monotonic() + 0.02) == []


def test_a_key_is_due_once_though_both_its_socket_and_its_moment_are(
    poller: Poller[str], pair: Pair
) -> None:
    """
    Only keys are returned.
    """
    poller.set("a", [for_reading(pair[0], until=0.0)])
    pair[1].send(b"x")
    poller.alarm.ring()
    assert poller.wait(math.inf) == ["a"]


def test_a_number_that_another_socket_has_by_now_is_the_new_keys(
    poller: Poller[str], pair: Pair
) -> None:
    """
    A system gives the number of a socket that was closed to the next one that is opened.
    """
    old, peer = socket.socketpair()
    number = old.fileno()
    poller.set("old", [for_reading(old)])
    old.close()
    with socket.socket(fileno=os.dup2(pair[0].fileno(), number)) as new, peer:
        poller.set("new", [for_reading(new)])
        poller.set("old", [at(math.inf)])
        pair[1].send(b"x")
        assert poller.wait(math.inf) == ["new"]


def test_an_alarm_ends_the_wait_in_progress_and_the_next_one(poller: Poller[str]) -> None:
    """
    It may be rung any number of times; after that nothing is left of it.
    """
    threading.Timer(0.1, poller.alarm.ring).start()
    assert poller.wait(math.inf) == []
    for _ in range(10_000):  # more than it takes
        poller.alarm.ring()
    assert poller.wait(math.inf) == []
    assert poller.wait(time.monotonic() + 0.05) == []


def test_a_moment_that_is_put_off_wakes_nobody(poller: Poller[str]) -> None:
    """
    That is so for a check for late lines, which each new line puts off.
    """
    now = time.monotonic()
    poller.set("line", [Interest(None, 0, now - 1)])
    poller.set("line", [Interest(None, 0, now + 3600)])
    poller.set("other", [Interest(None, 0, now - 1)])
    poller.drop("other")
    poller.set("third", [Interest(None, 0, now + 0.05)])
    assert poller.wait(math.inf) == ["third"]
