"""
What the tests of displays share: a deployment with one agent, metadata without a deployment, and IPython
in this process.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from coder_agents import Agent, Client
from coder_agents.schema import (
    WorkspaceAgentMetadata,
    WorkspaceAgentMetadataDescription,
    WorkspaceAgentMetadataResult,
)
from coder_agents.testing import Deployment, EmbeddedAgent, Metadata

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOSTILE = "<b>$x_1$\x1b[2J\u202e_😀"
"""
A name with markup, mathematics, control characters, right-to-left text and an emoji.
"""


def item(
    value: str = "1",
    at: float | None = 0.0,
    *,
    key: str = "cpu",
    name: str = "CPU",
    error: str = "",
    interval: int = 10,
    timeout: int = 1,
    age: int | None = 0,
) -> WorkspaceAgentMetadata:
    """
    Return an item of metadata that was collected *at* seconds after noon; None is never.
    """
    collected_at = None if at is None else NOON + timedelta(seconds=at)
    return WorkspaceAgentMetadata(
        description=WorkspaceAgentMetadataDescription(
            display_name=name, key=key, interval=interval, timeout=timeout
        ),
        result=WorkspaceAgentMetadataResult(
            collected_at=collected_at, value=value, error=error, age=age
        ),
    )


class Publisher:
    """
    A publisher of IPython that keeps what is displayed.
    """

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []

    is_publishing = False

    def publish(self, data: dict[str, str], metadata: Any = None, **options: Any) -> None:
        """
        Keep *data*.
        """
        self.outputs.append({"data": data, **options})


@pytest.fixture
def published(tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """
    What IPython, which runs in this process during the test, displays.
    """
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(ipython_dir=str(tmp_path), config=config)
    publisher: Any = Publisher()
    shell.display_pub = publisher
    yield publisher.outputs
    InteractiveShell.clear_instance()


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment that checks for changed metadata every twentieth of a second.
    """
    with Deployment(metadata_interval=0.05) as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    Its agent ``dev.main``, whose item ``cpu`` has a value and whose item ``disk`` has none.
    """
    made = deployment.add_agent(metadata=[Metadata("CPU", "cpu"), Metadata("Disk", "disk")])
    made.set_metadata("cpu", "28%\n")
    return made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of the deployment.
    """
    with deployment.client() as made:
        yield made


@pytest.fixture
def agent(client: Client, embedded: EmbeddedAgent) -> Agent:
    """
    The agent, as the client finds it.
    """
    return client.agent("dev")


def unread_agent(client: Client) -> Agent:
    """
    Return an agent that is never requested.
    """
    return Agent(uuid.uuid4(), client._http, client._stream_options, client._capabilities)
