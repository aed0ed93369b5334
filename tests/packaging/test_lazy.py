from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import coder_agents

PACKAGES = [
    "coder_agents",
    "coder_agents.errors",
    "coder_agents.jobs",
    "coder_agents.readiness",
    "coder_agents.schema",
    "coder_agents.streams",
    "coder_agents.terminal",
    "coder_agents.testing",
    "coder_agents.transport",
]

# What runs when it is imported, and what needs a library that this environment does not have.
NEEDED = {"filesystem": "fsspec", "exporter": "prometheus_client"}
NOT_IMPORTED = {"__main__"} | {room for room, name in NEEDED.items() if find_spec(name) is None}

EVERY_PACKAGE = [
    "coder_agents",
    *(
        found.name
        for found in pkgutil.walk_packages(coder_agents.__path__, "coder_agents.")
        if found.ispkg
    ),
]


def told_to_type_checkers(package: str) -> dict[str, str]:
    """
    Where type checkers are told that *package* has each of its names from.
    """
    source = importlib.import_module(package).__file__
    assert source is not None
    tree = ast.parse(Path(source).read_text(encoding="utf-8"))
    return {
        alias.name: str(found.module)
        for found in ast.walk(tree)
        if isinstance(found, ast.ImportFrom)
        for alias in found.names
        if str(found.module).startswith(f"{package}.")
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there_and_from_where_type_checkers_think(package: str) -> None:
    """
    What is imported on demand is what an import at once would have been.
    """
    module = importlib.import_module(package)
    homes = told_to_type_checkers(package)

    assert {name for name in module.__all__ if not name.startswith("__")} <= set(homes)
    for name in module.__all__:
        home = importlib.import_module(homes.get(name, package))
        assert getattr(module, name) is getattr(home, name)
        assert name in dir(module)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_an_attribute_error(package: str) -> None:
    """
    The error is the one that any module raises.
    """
    module = importlib.import_module(package)

    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


def test_importing_the_client_loads_only_what_making_one_takes() -> None:
    """
    Neither what reads JSON, nor what follows streams, runs commands or shows results.
    """
    program = """
import sys
before = set(sys.modules)  # what measures coverage has imported some of them itself
from coder_agents import Client
Client("https://coder.example.com", "token")
late = {"cattrs", "h11", "websocket", "sseclient", "msgspec",
        "coder_agents.schema.agents", "coder_agents.streams.stream", "coder_agents.transport.sse",
        "coder_agents.jobs", "coder_agents.terminal", "fsspec", "subprocess", "html",
        "coder_agents.render.html"}
print(sorted(late & set(sys.modules) - before))
"""
    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("package", EVERY_PACKAGE)
def test_a_package_lists_what_is_public_and_nothing_else(package: str) -> None:
    """
    The names that `dir` shows are those of ``__all__``, also once every module was imported.
    """
    if needed := NEEDED.get(package.removeprefix("coder_agents.")):
        pytest.importorskip(needed)
    module = importlib.import_module(package)
    for found in pkgutil.iter_modules(module.__path__):
        if found.name not in NOT_IMPORTED:
            importlib.import_module(f"{package}.{found.name}")

    shown = {name for name in dir(module) if not name.startswith("_")}
    assert shown == {name for name in module.__all__ if not name.startswith("__")}
    assert all(hasattr(module, name) for name in shown)


def test_every_package_is_checked() -> None:
    """
    The packages are found where they are, those of packages too.
    """
    assert {*PACKAGES, "coder_agents.testing.faults"} <= set(EVERY_PACKAGE)
