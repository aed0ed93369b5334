"""
What the tests of the dashboard share.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scheduled import PACE, deployment, threads_end

from coder_agents import Client
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.testing import Deployment

__all__ = ["deployment", "threads_end"]

QUICK = DashboardPace(
    metadata=0.05,
    ports=0.05,
    max_ports_rate=200,
    agents=0.05,
    gone=0.0,
    redraw=0.05,
    **PACE,
)
"""
A pace for the embedded deployment alone: another one would refuse so many requests.
"""


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client() as made:
        yield made
