"""
What the tests of the dashboard share.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from coder_agents import Client, Reconnect
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.testing import Deployment

QUICK = DashboardPace(
    metadata=0.05,
    max_metadata_rate=200,
    ports=0.05,
    max_ports_rate=200,
    agents=0.05,
    logs=0.01,
    gone=0.0,
    redraw=0.05,
    leave=30.0,
    retry=Reconnect(initial=0.02, maximum=0.05),
)
"""
A pace for the embedded deployment alone: another one would refuse so many requests.
"""


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment without agents.
    """
    with Deployment(metadata_interval=0.05) as made:
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client() as made:
        yield made


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """
    Fail where a thread of the dashboard lives on.
    """
    yield
    assert [each for each in threading.enumerate() if each.name.startswith("coder-agents")] == []
