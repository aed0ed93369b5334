"""
What the tests of terminals share: agents of an embedded deployment, and terminals that lose no time.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from holding import holds_within
from pty_client import RAW as RAW

from coder_agents import Agent, Client, Reconnect, StreamOptions
from coder_agents.terminal import Terminal
from coder_agents.terminal.buffers import TerminalLimits
from coder_agents.terminal.route import Direct
from coder_agents.terminal.terminal import open_terminal
from coder_agents.testing import Deployment, EmbeddedAgent

LONG = 40.0
"""
Seconds that an event is waited for; it takes a fraction of one where nothing is wrong.
"""

QUICK = Reconnect(initial=0.01, maximum=0.05, give_up_after=LONG)
WAITING = TerminalLimits(beginning=LONG, replay=LONG)


def eventually(holds: Callable[[], object]) -> None:
    """
    Wait until *holds* is true.
    """
    assert holds_within(LONG, holds), "it did not happen"


def read_until(terminal: Terminal, wanted: bytes) -> bytes:
    """
    Read until *wanted* has come; return all that came.
    """
    output = bytearray()
    until = time.monotonic() + LONG
    while wanted not in output:
        chunk = terminal.read(LONG)
        assert chunk, f"no {wanted!r}, but {bytes(output[-300:])!r}"
        assert time.monotonic() < until, "it did not come"
        output += chunk
    return bytes(output)


def read_all(terminal: Terminal) -> bytes:
    """
    Read to the end.
    """
    output = bytearray()
    while chunk := terminal.read(LONG):
        output += chunk
    assert chunk == b"", "it did not end"
    return bytes(output)


@attrs.frozen
class Place:
    """
    An agent, as the deployment has it and as the client sees it.
    """

    deployment: Deployment
    embedded: EmbeddedAgent
    agent: Agent

    def terminal(
        self,
        command: str = "",
        *,
        reconnect: Reconnect | None = QUICK,
        limits: TerminalLimits = WAITING,
        **options: Any,
    ) -> Terminal:
        """
        Return a terminal with other waits than those of the users.
        """
        return open_terminal(
            Direct(self.agent._http, self.agent.id),
            what="dev",
            command=command,
            reconnect=reconnect,
            limits=limits,
            **options,
        )

    def routes(self) -> int:
        """
        Return how many terminals were requested.
        """
        return sum(each.route == "pty" for each in list(self.deployment.requests))

    def ran(self, reconnect_id: uuid.UUID) -> int:
        """
        Return how many programs were started of those that may start the command of a terminal.
        """
        started = list(self.embedded.terminals.commands)
        return sum(str(reconnect_id) in each and 'mkdir "$b/$i"' in each for each in started)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """
    Fail a test that leaves a thread of a terminal running.
    """
    yield
    eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("terminal of")])


@contextlib.contextmanager
def placed(release: str = "2.31", **options: Any) -> Iterator[Place]:
    """
    Yield an agent of a deployment of a release.
    """
    with Deployment(release=release, **options) as deployment:
        embedded = deployment.add_agent(environment={"PS1": "# "})
        with Client(
            deployment.url, deployment.token, stream_options=StreamOptions(reconnect=QUICK)
        ) as client:
            yield Place(deployment, embedded, client.agent(str(embedded.id)))


@pytest.fixture(params=["2.24", "2.31"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """
    An agent of each release in turn: the one drops a terminal that has ended, the other closes it.
    """
    with placed(request.param) as made:
        yield made


@pytest.fixture
def newest() -> Iterator[Place]:
    """
    An agent of the newest release.
    """
    with placed() as made:
        yield made
