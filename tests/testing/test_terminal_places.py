"""
Where the commands of terminals run: containers, and machines without a POSIX shell.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pty_client import Open

from coder_agents.schema import WorkspaceAgentContainer
from coder_agents.testing import Deployment, EmbeddedAgent


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """
    An ordinary deployment.
    """
    with Deployment() as made:
        yield made


@pytest.mark.parametrize("container", ["web", "0123456789abcdef"])
def test_a_command_in_a_container_is_seen_to_be_inside(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, container: str
) -> None:
    """
    Its host has the name of the container, its home is another one, and no token is there.
    """
    command = 'echo "$HOSTNAME $(hostname) $USER [$CODER_AGENT_TOKEN] $PWD $TERM"; echo x >file'
    client = terminal(deployment, agent, command, container=container)
    folder = agent.terminals.home.parent / "containers" / "0123456789ab" / "home"
    name = "0123456789ab"
    expected = f"{name} {name} root [] {folder} xterm-256color\r\n"
    assert client.read_all().decode() == expected
    assert (folder / "file").read_text() == "x\n"
    client = terminal(
        deployment, agent, "echo $USER; cat file", container="web", container_user="me"
    )
    assert client.read_all() == b"me\r\nx\r\n"


def test_a_container_without_an_id_has_its_name(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> None:
    """
    A container that is only named, and running by its status, can be entered too.
    """
    agent.set_containers([WorkspaceAgentContainer(name="db", status="running")])
    assert terminal(deployment, agent, "hostname", container="db").read_all() == b"db\r\n"


@pytest.mark.parametrize("container", ["none", "old"])
def test_a_container_that_does_not_run_starts_nothing(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, container: str
) -> None:
    """
    The connection just ends where the container is unknown or has exited.
    """
    client = terminal(deployment, agent, "echo never", container=container)
    assert (client.read_all(), client.end) == (b"", 1000)
    assert agent.terminals.commands == []


def test_powershell_does_not_know_what_a_posix_shell_does(
    deployment: Deployment, terminal: Open
) -> None:
    """
    The first word of a command is not recognized, and that is all that comes.
    """
    agent = deployment.add_agent(operating_system="windows")
    assert agent.data.operating_system == "windows"
    client = terminal(deployment, agent, "stty raw -echo; echo READY")
    text = client.read_all().decode()
    assert "stty : The term 'stty' is not recognized as the name of a cmdlet" in text
    assert "+ stty raw -echo; echo READY\r\n" in text
    assert "\r\nREADY" not in text
    assert client.end == 1000


def test_windows_has_no_program_for_a_posix_script(deployment: Deployment, terminal: Open) -> None:
    """
    A script with the first line of a POSIX one cannot be started.
    """
    agent = deployment.add_agent(operating_system="windows")
    client = terminal(deployment, agent, "#!/bin/sh\necho x")
    assert (client.read_all(), client.end) == (b"", 1000)


def test_powershell_ignores_what_is_typed(deployment: Deployment, terminal: Open) -> None:
    """
    The login shell writes a prompt, and answers nothing after it.
    """
    agent = deployment.add_agent(operating_system="windows")
    client = terminal(deployment, agent)
    prompt = client.read_until(b"PS C:\\Users\\coder> ")
    client.send("dir\r")
    agent.terminals.hang_up()
    assert client.read_all() == prompt
