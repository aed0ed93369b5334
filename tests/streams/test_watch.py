"""
Waiting for many sockets and moments at once.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from coder_agents.streams.watch import Watch
from coder_agents.transport import Wait

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def watch() -> Iterator[Watch[str]]:
    """
    A watch, which is closed twice in the end.
    """
    made: Watch[str] = Watch()
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


def for_reading(sock: socket.socket, until: float = math.inf) -> Wait:
    """
    Return the wait for something to read.
    """
    return Wait(sock.fileno(), writable=False, until=until)


def test_a_socket_is_due_when_it_has_something(watch: Watch[str], pair: Pair) -> None:
    """
    Once: it is not watched any more then, until it is added again.
    """
    watch.add("a", for_reading(pair[0]))
    assert (watch.due(0), len(watch)) == ([], 1)
    pair[1].send(b"x")
    assert (watch.due(math.inf), len(watch)) == (["a"], 0)
    assert watch.due(0) == []
    watch.add("a", for_reading(pair[0]))
    assert watch.due(math.inf) == ["a"]


def test_a_socket_is_due_when_it_takes_something(watch: Watch[str], pair: Pair) -> None:
    """
    Where that is what is wanted.
    """
    watch.add("a", Wait(pair[0].fileno(), writable=True, until=math.inf))
    assert watch.due(math.inf) == ["a"]


def test_a_moment_is_due_when_it_has_come(watch: Watch[str], pair: Pair) -> None:
    """
    With or without a socket; the soonest ends the wait.
    """
    watch.add("never", for_reading(pair[0]))
    watch.add("soon", Wait(None, writable=False, until=time.monotonic() + 0.1))
    watch.add("now", for_reading(pair[1], until=0.0))
    assert watch.due(math.inf) == ["now"]
    assert watch.due(math.inf) == ["soon"]
    assert len(watch) == 1


def test_a_key_is_due_once_though_both_its_socket_and_its_moment_are(
    watch: Watch[str], pair: Pair
) -> None:
    """
    And only keys are told.
    """
    watch.add("a", for_reading(pair[0], until=0.0))
    pair[1].send(b"x")
    watch.alarm.ring()
    assert watch.due(math.inf) == ["a"]


def test_an_alarm_ends_the_wait_that_is_on_and_the_next_one(watch: Watch[str]) -> None:
    """
    However often it was rung; after that nothing is left of it.
    """
    threading.Timer(0.1, watch.alarm.ring).start()
    assert watch.due(math.inf) == []
    for _ in range(100_000):  # more than it takes
        watch.alarm.ring()
    assert watch.due(math.inf) == []
    assert watch.due(time.monotonic() + 0.05) == []
