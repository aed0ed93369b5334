"""
A wheel of this checkout, built and installed once for all tests of this folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .checkout import CHECKOUT, run

PARTS = ("coder_agents", "setup.cfg", "setup.py", "README.md", "LICENSE")

# What a checkout may have beside the project: environments, caches, what was built, and the files
# of processes that are measured, which come and go.
MADE = (
    ".git",
    ".venv*",
    "_build",
    "_generated",
    "__pycache__",
    ".*cache",
    ".hypothesis",
    ".coverage*",
)
MADE_ABOVE = ("build", "dist", "coder_agents.egg-info")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The wheel; built from a copy, so that nothing is left in the checkout.
    """
    source = tmp_path_factory.mktemp("source")
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / part, source / part, ignore=ignored)
        else:
            shutil.copy(CHECKOUT / part, source / part)
    run("-c", "import setuptools.build_meta as b; b.build_wheel('dist')", cwd=source)
    [built] = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The source archive, built from a copy of all that the checkout has.
    """
    source = tmp_path_factory.mktemp("archive") / "source"
    ignored = shutil.ignore_patterns(*MADE)

    def ignore(folder: str, names: list[str]) -> set[str]:
        above = MADE_ABOVE if Path(folder) == CHECKOUT else ()
        return ignored(folder, names) | set(above)

    shutil.copytree(CHECKOUT, source, ignore=ignore)
    # What a build of the documentation leaves behind does not get into it.
    (source / "docs" / "_build").mkdir()
    (source / "docs" / "_build" / "left.rst").write_text("left behind")
    run("-c", "import setuptools.build_meta as b; b.build_sdist('dist')", cwd=source)
    [built] = (source / "dist").glob("*.tar.gz")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A folder into which pip has installed the wheel, and nothing else.
    """
    target = tmp_path_factory.mktemp("installed")
    # Python compiles on import what is imported.
    quiet = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-compile")
    run("-m", "pip", "install", *quiet, "--target", target, wheel)
    return target
