"""
What the tests of broken streams share: options that lose no time, and waiting for events.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from holding import holds_within
from paced import PacedOptions

from coder_agents import Agent, Client, Reconnect
from coder_agents.streams.pauses import Pauses
from coder_agents.testing import Deployment, EmbeddedAgent

LONG = 90.0
"""
Seconds that an event is waited for; it takes a fraction of one where nothing is wrong.
"""

ON_TIME = 40.0
"""
Seconds that nothing here may be late by, however slow the machine; what would be wrong takes 60.
"""

QUICK = PacedOptions(
    reconnect=Reconnect(initial=0.01, maximum=0.05, give_up_after=LONG),
    settle=0,
    idle_timeout=600,
    pauses=Pauses(
        second_try=0.02,
        third_try=0.1,
        build_read=0.02,
        max_build_read=0.1,
        max_stable_read=0.1,
        check_retry=0.05,
        check_lent=0.02,
    ),
)
"""
Streams that reconnect at once and make no check.
"""

CHECKING = attrs.evolve(QUICK, settle=0.2)
"""
The same, with checks soon after the last line.
"""


def add_agents(deployment: Deployment, count: int) -> list[EmbeddedAgent]:
    """
    Add *count* agents, each in a workspace of its own: ``w0`` and so on.
    """
    return [deployment.add_agent(workspace=f"w{number}") for number in range(count)]


def found(client: Client, agents: list[EmbeddedAgent]) -> list[Agent]:
    """
    Return *agents* as the client finds them by name, so that it knows their workspaces.
    """
    return [client.agent(f"{each.build.workspace.name}.{each.name}") for each in agents]


def eventually(holds: Callable[[], object], timeout: float = LONG) -> bool:
    """
    Wait until *holds* is true; return whether it is.
    """
    return holds_within(timeout, holds)


def poll_until(stream: Any, holds: Callable[[], object], timeout: float = LONG) -> list[Any]:
    """
    Read *stream* until *holds* is true; return what came meanwhile.
    """
    came = []
    until = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        item = stream.poll(0.02)
        if item is not None:
            came.append(item)
    return came


def streams_open(deployment: Deployment) -> int:
    """
    Return how many connections are open, but for those that are kept for another request.
    """
    connections = deployment.connections
    return connections.open - connections.idle


def streams_gone(deployment: Deployment) -> bool:
    """
    Wait until no stream is connected; return whether none is.
    """
    return eventually(lambda: streams_open(deployment) == 0)


def routes(deployment: Deployment, route: str) -> list[Any]:
    """
    Return the requests of a route so far.
    """
    return [each for each in list(deployment.requests) if each.route == route]


@contextmanager
def no_collection() -> Iterator[None]:
    """
    Let the garbage collector not run meanwhile: only references free what is free.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
