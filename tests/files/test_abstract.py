"""
The tests that fsspec has for every file system, on a real machine, reached through the embedded deployment.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec")

from fsspec.implementations.local import LocalFileSystem
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

    def _glob_edge_cases_files(self, *place: Any) -> Any:
        return on_disk(super()._glob_edge_cases_files, *place)

    def _bulk_operations_scenario_0(self, *place: Any) -> Any:
        return on_disk(super()._bulk_operations_scenario_0, *place)

    def _dir_and_file_with_same_name_prefix(self, *place: Any) -> Any:
        return on_disk(super()._dir_and_file_with_same_name_prefix, *place)

    def _10_files_with_hashed_names(self, *place: Any) -> Any:
        return on_disk(super()._10_files_with_hashed_names, *place)


def on_disk(scenario: Callable[..., Any], fs: Any, join: Callable[..., str], path: Any) -> Any:
    """
    Create the files of *scenario*, those of the agent directly: its disk is that of this machine.
    """
    if not isinstance(fs, AgentFileSystem):
        return scenario(fs, join, path)
    scenario(LocalFileSystem(auto_mkdir=True), join, path.removeprefix("dev"))
    return join(path, "source")


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
