"""
The tests that fsspec has for every file system, on a real machine, reached through the embedded deployment.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("fsspec")

from fsspec.tests import abstract

from coder_agents.filesystem import AgentFileSystem

# fsspec's own fixtures are of a form that the newest pytest does not like.
pytestmark = pytest.mark.filterwarnings("ignore:Class-scoped fixture")


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]
    """
    Where fsspec's tests work.
    """

    @pytest.fixture
    def fs(self, fs_of_dev: AgentFileSystem) -> AgentFileSystem:
        """
        The files of an agent.
        """
        return fs_of_dev

    @pytest.fixture
    def fs_path(self, tmp_path: Path) -> str:
        """
        An empty folder on the agent.
        """
        return f"dev{tmp_path}/remote"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        """
        A function that joins the parts of a path.
        """
        return lambda *parts: "/".join(parts)


class TestGet(abstract.AbstractGetTests, Fixtures):  # type: ignore[misc]
    """
    ``get`` behaves as that of every other file system.
    """


class TestPut(abstract.AbstractPutTests, Fixtures):  # type: ignore[misc]
    """
    ``put`` behaves as that of every other file system.
    """


class TestCopy(abstract.AbstractCopyTests, Fixtures):  # type: ignore[misc]
    """
    ``copy`` behaves as that of every other file system.
    """


class TestPipe(abstract.AbstractPipeTests, Fixtures):  # type: ignore[misc]
    """
    ``pipe`` behaves as that of every other file system.
    """


class TestOpen(abstract.AbstractOpenTests, Fixtures):  # type: ignore[misc]
    """
    ``open`` behaves as that of every other file system.
    """
