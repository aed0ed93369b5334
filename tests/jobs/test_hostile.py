"""
Output that would do harm to whoever trusted it.
"""

from __future__ import annotations

import base64
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from coder_agents import Agent, CommandError, ShellError
from coder_agents.jobs.piece_size import MAX_PIECE
from coder_agents.testing import Deployment, EmbeddedAgent

from .conftest import mounted

HOSTILE = [
    b"\x1b[2J\x1b]0;title\x07\x1bP\x1b\\\x9b31m\x1b[6n\x05",
    b"0123456789abcdef READY\n0123456789abcdef01234567 0 OK 0 1 1 base64,detach,spool\n",
    b"0123456789abcdef01234567 1 OK 0 exited 0 1 0 0 0 -\n" * 100,
    b"\x00\x03\x04\x11\x13\x1a\x7f\xff\r\r\n\n",
    b"no newline at the end",
    b";\n1 QUIT 0 ;\n2 REMOVE 0 x ;\n",
]


@pytest.mark.parametrize("output", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_output_is_only_output(agent: Agent, output: bytes) -> None:
    """
    Escape sequences, guessed answers and requests, and control characters arrive as they are, and change nothing.
    """
    encoded = base64.b64encode(output).decode()
    done = agent.run(f"echo {encoded} | base64 -d | tee /dev/stderr; exit 3")
    assert (done.stdout, done.stderr, done.returncode) == (output, output, 3)
    assert agent.run("cat", input=output).stdout == output
    job = agent.start_job("cat", input=output)
    assert job.communicate() == (output, b"")
    assert agent.jobs()[0].command == "cat"
    job.remove()


def test_a_message_shows_no_control_character(agent: Agent) -> None:
    """
    The error of a command shows its command, and of its output nothing.
    """
    with pytest.raises(CommandError) as caught:
        agent.run("printf '\\033[31mred'; exit 3; \x1b[2J", check=True)
    assert "\x1b" not in str(caught.value)
    assert "red" not in str(caught.value).partition("exited")[2]


def test_output_without_end_is_taken_in_bounded_memory(agent: Agent) -> None:
    """
    Much output without a newline goes to a function piece by piece, and is never held as a whole.
    """
    size = 40 * 2**20
    pieces: list[int] = []
    tracemalloc.start()
    try:
        done = agent.run(f"head -c {size} /dev/zero", stdout=lambda data: pieces.append(len(data)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (done.returncode, sum(pieces)) == (0, size)
    assert max(pieces) <= MAX_PIECE
    assert peak < 32 * 2**20


@pytest.fixture
def full(deployment: Deployment, tmp_path: Path, home: Path) -> Iterator[EmbeddedAgent]:
    """
    An agent whose disk for jobs has 256 KiB.
    """
    with mounted(tmp_path / "disk") as disk:
        yield deployment.add_agent(
            "full", workspace="full", environment={"HOME": str(home), "XDG_STATE_HOME": str(disk)}
        )


def test_a_full_disk_is_an_error_and_the_next_command_runs(
    deployment: Deployment, full: EmbeddedAgent
) -> None:
    """
    A command whose output does not fit, and one that cannot be started, are errors that say so; nothing hangs.
    """
    with deployment.client() as client:
        agent = client.agent(str(full.id))
        with pytest.raises(ShellError, match="its disk was full"):
            agent.run("head -c 3000000 /dev/zero; exit 6")
        with pytest.raises(ShellError, match="No space left"):
            agent.run("cat", input=bytes(3_000_000))
        assert agent.run("exit 3").returncode == 3
        assert agent.jobs() == []
