"""
What the tests of files share: a real machine, reached through the embedded deployment.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from effort import times

from coder_agents import Agent, Client
from coder_agents.jobs.files import Files
from coder_agents.testing import Deployment

# The tests that need fsspec are skipped where there is none; the others run without.
if TYPE_CHECKING:
    from coder_agents.filesystem import AgentFileSystem


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Keep a sample of the hundred cases of globs that fsspec's tests have, unless the run is thorough.
    """
    cases = [
        item for item in items if "test_abstract.py" in item.nodeid and "glob_edge" in item.nodeid
    ]
    dropped = set(cases) - set(cases[:: times(10, 1)])
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=list(dropped))


@pytest.fixture(scope="module")
def kept_deployment() -> Iterator[Deployment]:
    """
    A deployment with the agent ``dev``, for tests that change nothing but files.
    """
    with Deployment() as deployment:
        deployment.add_agent(workspace="dev")
        yield deployment


@pytest.fixture(scope="module")
def kept_client(kept_deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with kept_deployment.client() as client:
        yield client


@pytest.fixture(scope="module")
def fs_of_dev(kept_client: Client) -> AgentFileSystem:
    """
    Its files for fsspec, where writing creates directories.
    """
    from coder_agents.filesystem import AgentFileSystem

    return AgentFileSystem(client=kept_client, auto_mkdir=True)


@pytest.fixture
def agent(kept_client: Client) -> Agent:
    """
    The agent ``dev``.
    """
    return kept_client.agent("dev")


@pytest.fixture
def files(agent: Agent) -> Files:
    """
    Its files.
    """
    return Files(agent._shells(None, None))


@pytest.fixture
def fs(kept_client: Client) -> AgentFileSystem:
    """
    A file system of fsspec that creates no directories by itself.
    """
    from coder_agents.filesystem import AgentFileSystem

    return AgentFileSystem(client=kept_client)


@pytest.fixture
def root(tmp_path: Path) -> str:
    """
    An empty directory of the agent, as a path of fsspec.
    """
    return f"dev{tmp_path}"
