"""
What the tests of calls over several agents share.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from coder_agents import Agent, Client
from coder_agents.batch.threads import NAME
from coder_agents.testing import Deployment


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment with six agents: in the workspaces ``w0`` to ``w5``.
    """
    with Deployment() as made:
        for number in range(6):
            made.add_agent(workspace=f"w{number}")
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client() as made:
        yield made


@pytest.fixture
def agents(client: Client) -> list[Agent]:
    """
    The six agents, in the order of their names.
    """
    return sorted(client.agents(), key=lambda agent: agent.label)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """
    Fail where a thread of a call outlives its test.
    """
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(NAME):
            thread.join(20)
            assert not thread.is_alive(), thread.name
