"""
What the tests share of programs that read a deployment again and again: the dashboard and the exporter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from coder_agents import Reconnect
from coder_agents.testing import Deployment

PACE: dict[str, Any] = {
    "max_metadata_rate": 200,
    "logs": 0.01,
    "leave": 30.0,
    "retry": Reconnect(initial=0.02, maximum=0.05),
}
"""
Parts of a pace for the embedded deployment alone: another one would refuse so many requests.
"""


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment without agents.
    """
    with Deployment(metadata_interval=0.05) as made:
        yield made


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """
    Fail where a thread of the program lives on.
    """
    yield
    assert [each for each in threading.enumerate() if each.name.startswith("coder-agents")] == []
