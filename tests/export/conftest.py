"""
What the tests of exports share: a deployment on loopback with a workspace that reports all kinds of things.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from paced import paced

from coder_agents import Agent, Client
from coder_agents.schema import (
    NIL_UUID,
    WorkspaceAgentContainer,
    WorkspaceAgentContainerPort,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
    WorkspaceAgentListeningPort,
)
from coder_agents.testing import Deployment, EmbeddedAgent, Script


@attrs.define
class Labelled:
    """
    An agent as far as a log line knows it.
    """

    label: str
    id: uuid.UUID = NIL_UUID


GONE = '{"message": "Agent doesn\'t exist with that id, or you do not have access to it."}'


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    A deployment on loopback.
    """
    with Deployment(metadata_interval=0.05, ping_interval=0.2) as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    The agent ``dev.main`` in it, which has started.
    """
    script = Script("echo one; echo two; exit 3", "Startup Script")
    made = deployment.add_agent("main", workspace="dev", scripts=[script])
    made.wait_started()
    made.push_logs(["disk is full"], level="warn")
    made.set_metadata("load", "0.42\n")
    made.set_metadata("memory", "3.2/16 GiB")
    made.set_metadata("host", "=cmd()", error="cut")
    made.set_ports([WorkspaceAgentListeningPort(process_name="python", network="tcp", port=8000)])
    ports = (
        WorkspaceAgentContainerPort(port=80, network="tcp", host_ip="127.0.0.1", host_port=8080),
        WorkspaceAgentContainerPort(port=81, network="tcp", host_ip="::", host_port=8081),
        WorkspaceAgentContainerPort(port=82, network="tcp", host_port=8082),
        WorkspaceAgentContainerPort(port=443, network="udp"),
    )
    web = WorkspaceAgentContainer(
        id="c1", name="web", status="running", running=True, labels={"team": "web"}, ports=ports
    )
    made.set_containers([web])
    running = WorkspaceAgentDevcontainerStatus.RUNNING
    made.set_devcontainers(
        [
            WorkspaceAgentDevcontainer(name="tool", status=running, container=web, dirty=True),
            WorkspaceAgentDevcontainer(name="none"),
        ]
    )
    return made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client that loses no time between two tries.
    """
    with deployment.client(stream_options=paced(second_try=0.02, third_try=0.05)) as made:
        yield made


@pytest.fixture
def agent(client: Client, embedded: EmbeddedAgent) -> Agent:
    """
    The agent ``dev.main``.
    """
    return client.agent("dev")


@pytest.fixture
def ending(deployment: Deployment) -> Callable[[], None]:
    """
    A function after which the next stream of a log ends after the lines that are stored.
    """

    def end() -> None:
        headers = {"Content-Type": "application/json"}
        deployment.faults.clear()
        for _ in range(3):
            deployment.faults.add("close", route="logs_follow", after=1)
            deployment.faults.add(
                "refuse", route="logs_follow", status=404, headers=headers, body=GONE
            )

    return end


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    A file of JSON Lines that does not exist yet.
    """
    return tmp_path / "logs.jsonl"


def names(folder: Path) -> list[str]:
    """
    Return the names of what is in *folder*.
    """
    return sorted(each.name for each in folder.iterdir())


def only(rows: Any) -> Any:
    """
    Return the only one of *rows*.
    """
    [row] = rows
    return row
