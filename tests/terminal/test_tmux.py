"""
A person at a real terminal emulator, tmux, in front of a program of their own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Place

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

SECONDS = 60.0  # that nothing may take

PROGRAM = """
import os, sys
from coder_agents import Client
open(sys.argv[1], "w").write(str(os.getpid()))
with Client(sys.argv[2], os.environ["TOKEN"]) as client:
    client.agent(sys.argv[3]).terminal().interact()
print("\\nLEFT")
"""


class Emulator:
    """
    A tmux server with one window, in which a local shell runs.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._socket = str(folder / "tmux")
        self._environment = environment
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh")

    def tmux(self, *arguments: str) -> str:
        """
        Run a command of tmux; return its output.
        """
        command = ["tmux", "-S", self._socket, *arguments]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def type(self, text: str, *keys: str) -> None:
        """
        Type *text*, and then *keys* by their names.
        """
        if text:
            self.tmux("send-keys", "-l", text)
        if keys:
            self.tmux("send-keys", *keys)

    def see(self, wanted: str) -> None:
        """
        Wait until a line of the screen is *wanted*.
        """
        until = time.monotonic() + SECONDS
        screen = ""
        while wanted not in [line.strip() for line in screen.splitlines()]:
            assert time.monotonic() < until, screen
            time.sleep(0.02)
            screen = self.tmux("capture-pane", "-p")


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """
    A terminal emulator whose local shell has a prompt of its own.
    """
    (tmp_path / "env").write_text("PS1='local$ '\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ENV": str(tmp_path / "env")}
    environment |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    made = Emulator(tmp_path, {**environment, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"})
    try:
        made.see("local$")
        yield made
    finally:
        made.tmux("kill-server")


def test_a_person_in_a_terminal_emulator(newest: Place, emulator: Emulator, tmp_path: Path) -> None:
    """
    What is typed runs on the agent, the size follows the window, Ctrl-C reaches the remote command, a drop is not
    noticed, and the local terminal is as before when the program leaves or is ended.
    """
    program, pid = tmp_path / "program.py", tmp_path / "pid"
    program.write_text(PROGRAM)
    words = [sys.executable, str(program), str(pid), newest.deployment.url, str(newest.agent.id)]
    start = f"TOKEN={newest.deployment.token} {shlex.join(words)}"
    before = state(emulator, tmp_path / "state")

    emulator.type(f"clear; {start}", "Enter")
    emulator.see("#")
    emulator.type("echo $((6*7))", "Enter")
    emulator.see("42")
    emulator.tmux("resize-window", "-x", "101", "-y", "31")
    emulator.type("clear; stty size", "Enter")
    emulator.see("31 101")
    emulator.type("sh -c 'echo BEGUN; exec sleep 600'", "Enter")
    emulator.see("BEGUN")
    emulator.type("", "C-c")
    emulator.type("clear; echo $((6*8))", "Enter")
    emulator.see("48")
    for connection in newest.deployment.connections.snapshot().values():
        connection.abort()
    emulator.type("echo $((6*9))", "Enter")
    emulator.see("54")
    emulator.type("", "Enter")
    emulator.type("~.")
    emulator.see("LEFT")
    assert state(emulator, tmp_path / "state") == before

    emulator.type(f"clear; {start}", "Enter")
    emulator.see("#")
    os.kill(int(pid.read_text()), signal.SIGTERM)
    emulator.see("# local$")
    assert state(emulator, tmp_path / "state") == before


def state(emulator: Emulator, path: Path) -> str:
    """
    Return how the local terminal is set, as its shell sees it.
    """
    path.unlink(missing_ok=True)
    emulator.type(f"stty -g >{path}; clear; echo $((5*5))", "Enter")
    emulator.see("25")
    return path.read_text()
