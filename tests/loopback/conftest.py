"""
What the tests against the embedded deployment share.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from paced import paced

from coder_agents import Agent
from coder_agents.testing import Deployment, EmbeddedAgent

RELEASES = ("2.24", "2.31", "2.35")


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """
    Each release that the embedded deployment plays, in turn.
    """
    return str(request.param)


@pytest.fixture
def deployment(release: str) -> Iterator[Deployment]:
    """
    A deployment of that release.
    """
    with Deployment(release=release, metadata_interval=0.05, ping_interval=0.1) as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent in it that is ready.
    """
    agent = deployment.add_agent()
    agent.wait_started()
    return agent


@pytest.fixture
def agent(deployment: Deployment, embedded: EmbeddedAgent) -> Iterator[Agent]:
    """
    The same agent, as a client sees it that loses no time between reads and tries.
    """
    with deployment.client(
        stream_options=paced(devcontainer_read=0.02, second_try=0.02, third_try=0.1)
    ) as client:
        yield client.agent(embedded.id)
