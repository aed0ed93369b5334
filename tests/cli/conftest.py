"""
One deployment for all tests of the command line, and runs of the program in this process.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from restoring import restored_handlers

from coder_agents.cli import program
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentContainerPort,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListeningPort,
)
from coder_agents.testing import Deployment

HOSTILE = "[red]x[/red] \x1b]52;c;aGk=\x07\x1b[2J \u202eabc \x9b2J =1+1"
"""
Markup of rich, sequences that copy or clear, text from right to left, and a formula.
"""
LONG = "y" * 100_000

# What no output may contain: each could move, reorder or copy.
HARMFUL = ("\x1b]", "\x1b[2J", "\x07", "\u202e", "\x9b")


@attrs.frozen
class Run:
    """
    A run of the program that has ended.
    """

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """
        The cells of the lines of its output.
        """
        return [line.split("\t") for line in self.out.splitlines()]


class TerminalLike(io.StringIO):
    """
    A text stream that counts as a terminal.
    """

    def isatty(self) -> bool:
        """
        Whether it is a terminal.
        """
        return True


@pytest.fixture
def with_handlers_of_signals() -> Iterator[None]:
    """
    Let a test call what runs once in a process, and sets its handlers of signals.
    """
    with restored_handlers():
        yield


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """
    A deployment with two workspaces that run: ``dev`` is ordinary, ``evil`` is hostile.
    """
    with Deployment() as deployment:
        home = tmp_path_factory.mktemp("home")
        dev = deployment.add_agent(
            scripts=[r"echo Installing; printf '\033[32mdone\033[0m\n'; echo oops >&2"],
            directory=home,
            environment={"HOME": str(home)},
        )
        dev.set_metadata("load", "0.42")
        port = WorkspaceAgentListeningPort(process_name="python", network="tcp", port=8000)
        dev.set_ports([port])
        exposed = WorkspaceAgentContainerPort(
            port=80, network="tcp", host_ip="127.0.0.1", host_port=8080
        )
        dev.set_containers(
            [
                WorkspaceAgentContainer(
                    id="w", name="web", image="nginx", status="running", ports=(exposed,)
                )
            ]
        )
        dev.set_devcontainers([WorkspaceAgentDevcontainer(name="api", workspace_folder="/api")])
        deployment.client().wait_ready(dev.id)
        evil = deployment.add_agent("gpu", workspace="evil")
        evil.push_logs([HOSTILE, LONG])
        evil.set_metadata("load", HOSTILE)
        evil.set_metadata("long", LONG[:2_000])
        hostile = WorkspaceAgentListeningPort(process_name=HOSTILE, network="tcp", port=1)
        evil.set_ports([hostile])
        evil.set_containers([WorkspaceAgentContainer(id="x", name=HOSTILE, image=LONG)])
        yield deployment


@pytest.fixture
def environment(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """
    The environment that names the deployment; the current folder is the returned one.
    """
    monkeypatch.setenv("CODER_URL", deployment.url)
    monkeypatch.setenv("CODER_SESSION_TOKEN", deployment.token)
    monkeypatch.setenv("CODER_CONFIG_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("CODER_AGENTS_COMPLETION_TIMEOUT", "60")  # a slow machine is no failure
    monkeypatch.setenv("CODER_AGENTS_PROGRESS", "0")  # as the program sets it for its process
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(environment: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """
    Runs the program with arguments, as in a pipe.
    """

    def run(*arguments: str) -> Run:
        status = program.run(arguments)
        captured = capfd.readouterr()
        return Run(status, captured.out, captured.err)

    return run


@pytest.fixture
def shown(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """
    Runs the program with arguments, as on a terminal of some columns.
    """

    def run(*arguments: str, columns: int = 80) -> Run:
        out, err = TerminalLike(), TerminalLike()
        monkeypatch.setenv("COLUMNS", str(columns))
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            status = program.run(arguments)
        return Run(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="module")
def variables(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """
    The environment of the processes.
    """
    dropped = ("CODER_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {
        "CODER_URL": deployment.url,
        "CODER_SESSION_TOKEN": deployment.token,
        "CODER_CONFIG_DIR": str(tmp_path_factory.mktemp("config")),
        "TERM": "xterm-256color",
        "PYTHONUTF8": "1",
        "COVERAGE_PROCESS_START": "",
    }
