"""
An embedded deployment of each release, and what is passed on while an agent is waited for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from paced import paced

from coder_agents import Agent, Client
from coder_agents.schema import WorkspaceAgent, WorkspaceAgentLog
from coder_agents.testing import Deployment

RELEASES = ("2.24", "2.31", "2.35")
UNHURRIED = paced(ready_reads=((math.inf, 0.05),))
"""
Waiting that reads an agent often, and gives the last lines of its log the time that they may take.
"""

OFTEN = paced(UNHURRIED, drain=0.1)
"""
The same for agents of the embedded deployment, whose lines come before they are ready.
"""


class Heard:
    """
    The lines and the states that were passed on, in order.
    """

    def __init__(self) -> None:
        self.logs: list[WorkspaceAgentLog] = []
        self.agents: list[WorkspaceAgent] = []

    @property
    def outputs(self) -> list[str]:
        return [log.output for log in self.logs]

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(str(agent.status), str(agent.lifecycle_state)) for agent in self.agents]

    def on_log(self, log: WorkspaceAgentLog) -> None:
        self.logs.append(log)

    def on_state(self, agent: Agent) -> None:
        self.agents.append(agent.data)


@pytest.fixture
def heard() -> Heard:
    """
    What is passed on, nothing yet.
    """
    return Heard()


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment of the usual release.
    """
    with Deployment(ping_interval=0.1) as made:
        yield made


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """
    Each release that the embedded deployment plays, in turn.
    """
    return str(request.param)


@pytest.fixture
def each_release(release: str) -> Iterator[Deployment]:
    """
    A deployment of that release.
    """
    with Deployment(release=release, ping_interval=0.1) as made:
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of the usual release, which tries nothing again by itself.
    """
    with deployment.client(retries=0, stream_options=OFTEN) as made:
        yield made
