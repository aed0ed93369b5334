"""
What the built wheel holds and says of itself.
"""

from __future__ import annotations

import configparser
import re
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

import coder_agents._version

from .checkout import CHECKOUT, run

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

BOUNDED = re.compile(r"[\w.-]+>=[\d.]+")


@pytest.fixture(scope="session")
def names(wheel: Path) -> list[str]:
    """
    The files in the wheel.
    """
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    """
    The wheel's core metadata.
    """
    with zipfile.ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return BytesParser().parsebytes(archive.read(name))


def requirements(metadata: Message, extra: str | None = None) -> set[str]:
    """
    Return the requirements of the package, or those of one *extra*.
    """
    pairs = [line.partition(";")[::2] for line in metadata.get_all("Requires-Dist", [])]
    wanted = f'extra == "{extra}"' if extra else ""
    return {name.strip() for name, marker in pairs if marker.strip() == wanted}


def test_wheel_holds_every_module(names: list[str]) -> None:
    """
    No folder of the package is forgotten.
    """
    modules = (CHECKOUT / "coder_agents").rglob("*.py")
    assert {path.relative_to(CHECKOUT).as_posix() for path in modules} <= set(names)


def test_wheel_holds_nothing_but_the_package(names: list[str]) -> None:
    """
    No tests, no documentation, no tools: only the package and its metadata.
    """
    assert {name.split("/")[0].split("-")[0] for name in names} == {"coder_agents"}
    assert {Path(name).suffix for name in names if name.startswith("coder_agents/")} == {
        ".py",
        ".sh",
        ".typed",
    }


def test_wheel_holds_the_program_of_the_agent(names: list[str]) -> None:
    """
    The control shell is a file of the package, not of the checkout alone.
    """
    assert "coder_agents/jobs/control_shell.sh" in names


def test_wheel_is_typed(names: list[str]) -> None:
    """
    Type checkers are told to use the annotations.
    """
    assert "coder_agents/py.typed" in names


def test_wheel_brings_the_licence(names: list[str], metadata: Message) -> None:
    """
    The licence is there as text and as an expression.
    """
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_metadata_names_the_package(metadata: Message) -> None:
    """
    Name, version and the oldest Python are those of the checkout.
    """
    assert metadata["Name"] == "coder-agents"
    assert metadata["Version"] == coder_agents._version.__version__
    assert metadata["Requires-Python"] == ">=3.11"


def test_metadata_names_its_authors_and_its_home(metadata: Message) -> None:
    """
    With the addresses of the documentation, the source, the issues and the changelog.
    """
    assert metadata["Author"] == "The coder_agents authors"
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert set(urls) == {"Documentation", "Source", "Issues", "Changelog"}
    assert all(url.startswith("https://") for url in urls.values())


def test_each_python_that_is_declared_is_tested_where_there_is_one(metadata: Message) -> None:
    """
    `make test-all` names the same versions, and says which of them it skips.
    """
    classifiers = metadata.get_all("Classifier", [])
    declared = [line.split(" :: ")[-1] for line in classifiers if " :: Python :: 3." in line]
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    found = re.search(r"for version in ([\d. ]+);", makefile)
    assert found is not None
    assert found[1].split() == declared
    assert declared[0] == "3.11"
    assert "3.14" in declared


def test_metadata_shows_the_readme(metadata: Message) -> None:
    """
    The package's page is the README.
    """
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload(decode=True) == (CHECKOUT / "README.md").read_bytes()


def test_requirements_of_users_are_few_and_bounded(metadata: Message) -> None:
    """
    A plain installation brings the six libraries and their parser, each from a tested version on.
    """
    plain = requirements(metadata)
    assert {re.split("[>=]", line)[0] for line in plain} == {
        "attrs",
        "cattrs",
        "h11",
        "requests",
        "sseclient-py",
        "urllib3",
        "websocket-client",
    }
    assert [line for line in plain if not BOUNDED.fullmatch(line)] == []


def test_testing_extra_brings_the_embedded_deployment(metadata: Message) -> None:
    """
    The extra for users' tests holds what a server needs for WebSocket and TLS, and no test runner.
    """
    extra = requirements(metadata, "testing")
    assert {re.split("[>=]", line)[0] for line in extra} == {"cryptography", "wsproto"}


def test_files_extra_brings_fsspec_which_finds_the_agents(wheel: Path, metadata: Message) -> None:
    """
    The extra for files holds fsspec alone, and the wheel registers its protocol.
    """
    assert {re.split("[>=]", line)[0] for line in requirements(metadata, "files")} == {"fsspec"}
    with zipfile.ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt")]
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(name).decode())
    assert dict(entries["fsspec.specs"]) == {"coder": "coder_agents.filesystem:AgentFileSystem"}


def test_oldest_run_pins_what_the_wheel_promises(metadata: Message) -> None:
    """
    What `make test-oldest` installs are the lower bounds of the built package.
    """
    extras = ("cli", "data", "fast", "files", "notebook", "testing")
    promised = requirements(metadata).union(*(requirements(metadata, extra) for extra in extras))
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert f"tools/lower_bounds.py {' '.join(extras)} >" in makefile
    pins = run("tools/lower_bounds.py", *extras).split()
    others = {line for line in promised if not line.startswith("coder-agents[")}
    assert set(pins) == {line.replace(">=", "==") for line in others}
