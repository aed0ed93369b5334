"""
A deployment whose workspace ``dev`` has one agent, and a client that waits for nothing for long.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest
from paced import PacedOptions

from coder_agents import Client, Reconnect
from coder_agents.streams.pauses import Pauses
from coder_agents.testing import Deployment, EmbeddedWorkspace

QUICK = functools.partial(
    PacedOptions,
    pauses=Pauses(
        build_read=0.02,
        max_build_read=0.05,
        ready_reads=((1e9, 0.02),),
        drain=0.05,
        stopped_for=0.3,
    ),
)
OPTIONS = QUICK(reconnect=Reconnect(initial=0.01, maximum=0.05, give_up_after=60))


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment with an agent that is ready.
    """
    with Deployment(ping_interval=0.1) as made:
        made.add_agent().wait_started()
        yield made


@pytest.fixture
def workspace(deployment: Deployment) -> EmbeddedWorkspace:
    """
    The workspace ``dev``, which runs.
    """
    return deployment.workspace()


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client that reads often.
    """
    with deployment.client(stream_options=OPTIONS) as made:
        yield made


@pytest.fixture
def routes(deployment: Deployment) -> Callable[[], list[str]]:
    """
    A function that returns what the deployment was requested since its last call.
    """

    def take() -> list[str]:
        found = [request.route for request in list(deployment.requests)]
        deployment.requests.clear()
        return found

    return take
