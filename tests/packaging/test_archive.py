"""
What the source archive holds.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from .checkout import CHECKOUT

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

FOLDERS = {
    "coder_agents": ("*.py", "*.sh", "py.typed"),
    "tests": ("*.py",),
    "docs": ("*.rst", "*.py", "*.svg", "*.css"),
    "benchmarks": ("*.py", "go.mod", "*.go"),
    "tools": ("*.py", "*.sh"),
}
FILES = {
    ".ci/run",
    ".importlinter",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "ruff.toml",
    "setup.cfg",
    "setup.py",
}


@pytest.fixture(scope="session")
def names(archive: Path) -> set[str]:
    """
    The files in the archive, below its one folder.
    """
    with tarfile.open(archive) as opened:
        return {member.name.partition("/")[2] for member in opened if member.isfile()}


def checkout_files(folder: str, patterns: tuple[str, ...]) -> set[str]:
    """
    Return the files of a *folder* of the checkout that are part of the project.
    """
    found = [path for pattern in patterns for path in (CHECKOUT / folder).rglob(pattern)]
    made = {"_build", "_generated", "__pycache__"}
    return {path.relative_to(CHECKOUT).as_posix() for path in found if made.isdisjoint(path.parts)}


def test_archive_holds_the_whole_project(names: set[str]) -> None:
    """
    The package, its tests, its documentation, and what checks and measures it.
    """
    # One test: each process that runs one of several would build an archive of its own.
    for folder, patterns in FOLDERS.items():
        wanted = checkout_files(folder, patterns)
        assert wanted
        assert wanted <= names


def test_archive_holds_what_make_needs(names: set[str]) -> None:
    """
    Whoever unpacks it can run what the project's own checkout can run.
    """
    assert names >= FILES


def test_archive_holds_nothing_that_was_made(names: set[str]) -> None:
    """
    No built pages, no bytecode, no environment.
    """
    unwanted = ("docs/_build", "docs/_generated", ".venv", "dist", ".git/")
    assert [name for name in names if name.startswith(unwanted) or name.endswith(".pyc")] == []
