"""
What importing the installed package does, and does not.
"""

from __future__ import annotations

import ast
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from coder_agents import errors

from .checkout import CHECKOUT, run

pytestmark = pytest.mark.unmeasured

WATCH = Path(__file__).with_name("import_watch.py")

# What only some users have, or want to pay for.
OPTIONAL = {
    "IPython",
    "click",
    "fsspec",
    "matplotlib",
    "msgspec",
    "pandas",
    "prometheus_client",
    "pyarrow",
    "pytest",
    "rich",
    "wsproto",
}
ROOMS = {
    f"coder_agents.{room}"
    for room in ("cli", "demo", "display", "export", "exporter", "filesystem", "testing")
}


def watch_import(folder: Path) -> dict[str, Any]:
    """
    Import the package that is installed in *folder*, in a fresh interpreter.
    """
    seen: dict[str, Any] = json.loads(run("-P", WATCH, folder, cwd=folder))
    assert Path(seen["file"]).is_relative_to(folder)
    return seen


def unwanted(modules: list[str]) -> list[str]:
    """
    Return those of *modules* that nobody asked for.
    """
    return [
        name
        for name in modules
        if name.split(".")[0] in OPTIONAL or ".".join(name.split(".")[:2]) in ROOMS
    ]


@pytest.fixture(scope="module")
def seen(installed: Path) -> dict[str, Any]:
    """
    What was seen while the package was imported.
    """
    return watch_import(installed)


def test_import_touches_no_file_socket_or_environment(seen: dict[str, Any]) -> None:
    """
    No code of the package opens a file or a socket, or reads the environment.
    """
    assert seen["deeds"] == []


def test_import_loads_nothing_optional(seen: dict[str, Any]) -> None:
    """
    Neither the rooms for extras nor the libraries of the extras are imported.
    """
    modules = seen["modules"]
    assert "coder_agents.schema" in modules
    assert unwanted(modules) == []


DEEDS = [
    ("open(__file__).close()", "open"),
    ("import pathlib; pathlib.Path(__file__).read_text()", "open"),
    ("import os; os.listdir('.')", "os.listdir"),
    ("import socket; socket.socket().close()", "socket.__new__"),
    ("import os; os.getenv('HOME')", "environment HOME"),
    ("import os; 'HOME' in os.environ", "environment HOME"),
    ("import os; dict(os.environ)", "environment all of it"),
    ("import os; os.environ.setdefault('PATH', '')", "environment PATH"),
    ("import urllib.request; urllib.request.getproxies()", "environment all of it"),
]


def test_watch_sees_what_it_is_there_to_see(installed: Path, tmp_path: Path) -> None:
    """
    A package that does one of these things while it is imported is caught.
    """
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    module = tmp_path / "coder_agents" / "__init__.py"
    clean = module.read_text(encoding="utf-8")
    # A mark before each line says which deeds are that line's.
    lines = [f"import os; os.getenv('MARK_OF_A_LINE'); {line}" for line, _ in DEEDS]
    module.write_text("\n".join([clean, *lines, ""]), encoding="utf-8")
    before, *caught = " | ".join(watch_import(tmp_path)["deeds"]).split(
        "environment MARK_OF_A_LINE"
    )
    assert before == ""
    for (line, deed), seen in zip(DEEDS, caught, strict=True):
        assert f"| {deed}" in seen, line


def test_watch_sees_unwanted_modules(installed: Path, tmp_path: Path) -> None:
    """
    A package that imports a server's library is caught.
    """
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "coder_agents" / "__init__.py").open("a") as module:
        module.write("\nimport wsproto\n")
    assert "wsproto" in unwanted(watch_import(tmp_path)["modules"])


def imported_modules(source: str) -> set[str]:
    """
    Return the modules that *source* imports when it runs.
    """
    running = [
        node
        for statement in ast.parse(source).body
        if not (isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING")
        for node in ast.walk(statement)
    ]
    froms = {str(node.module) for node in running if isinstance(node, ast.ImportFrom)}
    plain = [node for node in running if isinstance(node, ast.Import)]
    return froms | {alias.name for node in plain for alias in node.names}


def test_errors_takes_only_the_exceptions_of_requests() -> None:
    """
    The leaf of the package imports the standard library and `requests.exceptions`.
    """
    sources = (CHECKOUT / "coder_agents" / "errors").glob("*.py")
    others = {
        name
        for source in sources
        for name in imported_modules(source.read_text(encoding="utf-8"))
        if name.split(".")[0] not in sys.stdlib_module_names
    }
    own = {name for name in others if name.startswith("coder_agents.")}
    assert others - own == {"requests.exceptions"}
    assert {name for name in own if not name.startswith("coder_agents.errors.")} == {
        "coder_agents.lazy"
    }


def test_errors_are_named_as_users_import_them() -> None:
    """
    A traceback, a reference in the documentation and a pickle say `coder_agents.errors`.
    """
    for name in errors.__all__:
        error = getattr(errors, name)
        assert f"{error.__module__}.{error.__qualname__}" == f"coder_agents.errors.{name}"
        assert pickle.loads(pickle.dumps(error)) is error
