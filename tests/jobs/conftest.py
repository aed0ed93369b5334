from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from effort import times

from coder_agents import Agent, Client
from coder_agents.jobs.program import Limits
from coder_agents.jobs.shell import Place, Waits
from coder_agents.jobs.shells import Shells
from coder_agents.testing import Deployment, EmbeddedAgent

from .shells import COMMON, SHELLS, ControlShell, make_tools, missing


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Keep, of the agents that lack commands, under each shell those whose shell takes over, unless
    the run is thorough.
    """
    cases = [
        item
        for item in items
        if "test_agents_that_lack_commands[" in item.nodeid
        and "[dash" not in item.nodeid
        and "awk" not in item.nodeid
    ]
    dropped = set(times(cases, []))
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=list(dropped))


@pytest.fixture(params=sorted(times(COMMON, SHELLS)))
def shell(request: pytest.FixtureRequest) -> str:
    """
    The name of each shell.
    """
    name: str = request.param
    if (reason := missing(name)) is not None:
        pytest.skip(reason)
    return name


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """
    A home with a space in its name.
    """
    folder = tmp_path / "home of jobs"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """
    A function that returns the PATH of an agent with a shell.
    """

    @functools.cache
    def path(shell: str) -> str:
        return make_tools(tmp_path_factory.mktemp("tools") / shell, shell)

    return path


@pytest.fixture
def environment(home: Path, shell: str, tools: Callable[[str], str]) -> dict[str, str]:
    """
    The environment of an agent, where ``sh`` is the shell.
    """
    kept = {name: os.environ[name] for name in ("LANG",) if name in os.environ}
    return {**kept, "HOME": str(home), "PATH": tools(shell)}


@pytest.fixture
def spool(home: Path) -> Path:
    """
    The folder of the jobs.
    """
    return home / ".local" / "state" / "coder-agents" / "jobs"


Opener = Callable[..., ControlShell]


@pytest.fixture
def opened(shell: str, environment: dict[str, str], home: Path) -> Iterator[Opener]:
    """
    Open another control shell of the same agent.
    """
    with ExitStack() as stack:

        def open_shell(limits: Limits | None = None, **variables: str) -> ControlShell:
            control = ControlShell(shell, {**environment, **variables}, limits=limits, cwd=home)
            return stack.enter_context(control)

        yield open_shell


@pytest.fixture
def control(opened: Opener) -> ControlShell:
    """
    One control shell.
    """
    return opened()


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """
    Yield *folder*, a disk of 256 KiB; skip the test where this user cannot mount one.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user cannot mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    An embedded deployment.
    """
    with Deployment() as made:
        yield made


@pytest.fixture
def embedded(deployment: Deployment, home: Path) -> EmbeddedAgent:
    """
    An agent that runs real terminals.
    """
    return deployment.add_agent(environment={"HOME": str(home)})


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client, which is closed after the test.
    """
    with deployment.client() as made:
        yield made


@pytest.fixture
def agent(client: Client, embedded: EmbeddedAgent) -> Agent:
    """
    The agent, as a user has it.
    """
    return client.agent(str(embedded.id))


@pytest.fixture
def impatient(agent: Agent) -> Agent:
    """
    The agent, whose control shells count as stalled after a second and not after eight.
    """
    place = Place(http=agent._http, agent_id=agent.id, what=str(agent.id))
    shells = Shells(place, give_up_after=60, waits=Waits(begin=1.5, byte=1.0))
    agent._http.held["shells", agent.id, "", ""] = shells
    return agent
