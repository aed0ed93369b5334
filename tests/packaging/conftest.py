"""
A wheel of this checkout, built and installed once for all tests of this folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .checkout import CHECKOUT, run

PARTS = ("coder_agents", "setup.cfg", "setup.py", "README.md", "LICENSE")


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
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A folder into which pip has installed the wheel, and nothing else.
    """
    target = tmp_path_factory.mktemp("installed")
    quiet = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    run("-m", "pip", "install", *quiet, "--target", target, wheel)
    return target
