"""
The dashboard as a process in a pseudo-terminal.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coder_agents.testing import Deployment

from .states import port

SECONDS = 30.0
SCREEN = "\x1b[?1049h"  # a program takes the whole screen
MODES = [
    (b"\x1b[?1049h", b"\x1b[?1049l"),  # the other screen
    (b"\x1b[?25l", b"\x1b[?25h"),  # no cursor
    (b"\x1b[?1000h", b"\x1b[?1000l"),  # reports of the mouse
]
"""
How a mode of a terminal is switched on and off.
"""
PROGRAM = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal
from coder_agents import Client
from coder_agents.cli.top import run
status = run(Client.from_env())
for stream in (sys.stdout, sys.stderr):
    try:
        stream.flush()
    except OSError:  # the terminal has gone: Python itself would end with 120
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
sys.exit(status)
"""


class Watched:
    """
    A program in a pseudo-terminal.

    Attributes:
        ours: the side of the pseudo-terminal that a person sees.
        theirs: the side of the program.
        output: all that was read.
    """

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env={**os.environ, "TERM": "xterm-256color", "HOME": str(folder), **environment},
            start_new_session=True,
        )
        self._output = b""
        self.output = b""

    def type(self, keys: str) -> None:
        """
        Press *keys*.
        """
        os.write(self.ours, keys.encode())

    def sees(self, *texts: str) -> None:
        """
        Wait until one of *texts* appears, and forget what came up to its end.
        """
        until = time.monotonic() + SECONDS
        wanted = re.compile(b"|".join(re.escape(text.encode()) for text in texts))
        while (found := wanted.search(self._output)) is None:
            assert time.monotonic() < until, (texts, self._output[-2000:])
            if select.select([self.ours], [], [], 0.1)[0]:
                self._read()
        self._output = self._output[found.end() :]

    def ended(self) -> int:
        """
        Wait for the end of the program, and return its exit code.
        """
        until = time.monotonic() + SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < until, self._output[-2000:]
            if select.select([self.ours], [], [], 0.05)[0]:
                self._read()
        while select.select([self.ours], [], [], 0)[0]:
            self._read()
        return self.process.wait()

    def _read(self) -> None:
        new = os.read(self.ours, 65536)
        self._output += new
        self.output += new

    def close(self) -> None:
        """
        End the program, whatever it does.
        """
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def watched(deployment: Deployment, tmp_path: Path) -> Iterator[Watched]:
    """
    The dashboard of one agent.
    """
    agent = deployment.add_agent()
    agent.set_ports([port(3000)])
    agent.push_logs(["hello 1"])
    environment = {"CODER_URL": deployment.url, "CODER_SESSION_TOKEN": deployment.token}
    made = Watched(environment, tmp_path)
    yield made
    made.close()


def test_a_person_opens_a_terminal_and_comes_back(deployment: Deployment, watched: Watched) -> None:
    """
    The dashboard continues after the terminal's end, after its failure, and after Ctrl-C while it
    is opened. Ctrl-C at last leaves the person's own terminal as it was.
    """
    before = termios.tcgetattr(watched.theirs)
    watched.sees("hello 1")
    watched.type("t")
    watched.sees("Leave it with ~.")
    watched.sees("# ", "$ ")  # what is typed before is dropped
    watched.type("echo $((6 * 7))\r")
    watched.sees("\n42\r\n")
    watched.type("\r~.")
    watched.sees(SCREEN)
    watched.sees("hello 1")
    deployment.faults.add("refuse", route="pty", status=403, message="it may not")
    watched.type("t")
    watched.sees("terminal: ")
    silent = deployment.faults.add("never_attach", route="pty", times=None)
    watched.type("t")
    assert silent.wait_struck(timeout=SECONDS)
    watched.type("\x03")
    watched.sees(SCREEN)
    watched.sees("hello 1")
    watched.type("\x03")
    assert watched.ended() == 130
    assert termios.tcgetattr(watched.theirs) == before
    deployment.faults.clear()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("is_in_terminal", [False, True])
def test_a_signal_restores_the_terminal(
    watched: Watched, number: signal.Signals, is_in_terminal: bool
) -> None:
    """
    After a signal that ends a program, echo, cursor, screen and mouse are as before; so they are while a
    person is in a terminal of an agent.
    """
    before = termios.tcgetattr(watched.theirs)
    watched.sees("hello 1")
    if is_in_terminal:
        watched.type("t")
        watched.sees("Leave it with ~.")
        watched.sees("# ", "$ ")
    watched.process.send_signal(number)
    assert watched.ended() == 128 + number
    assert termios.tcgetattr(watched.theirs) == before
    for on, off in MODES:
        assert watched.output.rfind(off) > watched.output.rfind(on)
    assert b"Traceback" not in watched.output


def test_the_dashboard_can_be_suspended(watched: Watched) -> None:
    """
    Ctrl-Z gives the terminal back as it was, and the dashboard is drawn again when it continues.
    """
    before = termios.tcgetattr(watched.theirs)
    watched.sees("hello 1")
    watched.type("\x1a")
    watched.sees("\x1b[?1049l")
    _, status = os.waitpid(watched.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert termios.tcgetattr(watched.theirs) == before
    watched.process.send_signal(signal.SIGCONT)
    watched.sees(SCREEN)
    watched.sees("hello 1")
    watched.type("q")
    assert watched.ended() == 0


def test_a_terminal_that_is_closed_ends_the_dashboard(watched: Watched) -> None:
    """
    The kernel sends SIGHUP, and nothing can be written any more.
    """
    watched.sees("hello 1")
    os.close(watched.theirs)
    os.close(watched.ours)
    watched.theirs, watched.ours = pty.openpty()  # for the end of the test
    assert watched.process.wait(SECONDS) == 128 + signal.SIGHUP


@pytest.mark.parametrize("missing", ["textual", "rich"])
def test_a_missing_extra_is_named(missing: str, tmp_path: Path) -> None:
    """
    The error says what to install, before any request.
    """
    (tmp_path / f"{missing}.py").write_text("raise ImportError('not here')")
    program = (
        "from coder_agents import Client\n"
        "from coder_agents.cli.top import run\n"
        "run(Client('https://coder.example.com', '0123456789-abcdefghijklmnopqrstuv'))\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'coder-agents[cli]'" in done.stderr
