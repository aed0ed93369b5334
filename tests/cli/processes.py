"""
Processes of the command line, piped and in a pseudo-terminal.
"""

from __future__ import annotations

import contextlib
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
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

SECONDS = 40.0  # that nothing may take
PROGRAM = (sys.executable, "-m", "coder_agents")

# The first terminal that the leader of a session opens is the one whose Ctrl-C it gets.
_AT_TERMINAL = """
import os
os.close(os.open(os.ttyname(0), os.O_RDWR))
from coder_agents.cli import main
main()
"""
_MOVES = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")


@attrs.frozen
class Ended:
    """
    A process that has ended.

    Attributes:
        status: its exit code; the negative number of the signal that ended it.
        out: what it wrote to standard output, and in a terminal to both.
        err: what it wrote to standard error, each byte as a character; empty in a terminal.
    """

    status: int
    out: str
    err: str = ""

    @property
    def text(self) -> str:
        """
        The output without colours and movements of the cursor.
        """
        return _MOVES.sub("", self.out).replace("\r\n", "\n")


def piped(environment: Mapping[str, str], *arguments: str, input: bytes | None = None) -> Ended:
    """
    Run the program with *arguments* and *input*, none by default.
    """
    ended = subprocess.run(
        [*PROGRAM, *arguments],
        check=False,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        env=environment,
        timeout=SECONDS,
    )
    return Ended(
        ended.returncode,
        ended.stdout.decode("utf-8", "backslashreplace"),
        ended.stderr.decode("latin-1"),
    )


def in_terminal(
    environment: Mapping[str, str],
    *arguments: str,
    columns: int = 80,
    typed: str = "",
    after: str = "",
    interrupt_at: str = "",
    interrupt: Callable[[int, subprocess.Popen[bytes]], object] | None = None,
) -> Ended:
    """
    Run the program with *arguments* in a terminal of *columns*.

    *typed* is typed when the text *after* has come. At the text *interrupt_at*, *interrupt* is called with the
    number of the keyboard and the process; Ctrl-C is pressed by default.
    """
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _AT_TERMINAL, *arguments],
        stdin=screen,
        stdout=screen,
        stderr=screen,
        env=environment,
        start_new_session=True,
    )
    os.close(screen)
    output = b""
    with killed(process):
        for data in _read(keyboard):
            output += data
            if typed and after.encode() in output:
                os.write(keyboard, typed.encode())
                typed = ""
            if interrupt_at and interrupt_at.encode() in output:
                (interrupt or press_ctrl_c)(keyboard, process)
                interrupt_at = ""
        os.close(keyboard)
    return Ended(process.returncode, output.decode("utf-8", "backslashreplace"))


def press_ctrl_c(keyboard: int, process: subprocess.Popen[bytes]) -> None:
    """
    Type Ctrl-C.
    """
    os.write(keyboard, b"\x03")


def close_terminal(keyboard: int, process: subprocess.Popen[bytes]) -> None:
    """
    Close the terminal of a process, to which the system and a shell send SIGHUP.
    """
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, keyboard)
    os.close(nowhere)
    process.send_signal(signal.SIGHUP)


@contextlib.contextmanager
def killed(process: subprocess.Popen[Any]) -> Iterator[None]:
    """
    Wait for the end of *process* after the block; kill it where it does not end in time.
    """
    killer = threading.Timer(SECONDS, process.kill)
    killer.start()
    try:
        with process:
            yield
    finally:
        killer.cancel()


def _read(descriptor: int) -> Iterator[bytes]:
    """
    Yield what is written to the terminal, until nobody has it open.
    """
    deadline = time.monotonic() + SECONDS
    while select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            data = os.read(descriptor, 65_536)
        except OSError:  # nobody has the terminal open any more
            return
        if not data:
            return
        yield data
    raise AssertionError("the program did not end")


def interrupted(
    environment: Mapping[str, str],
    *arguments: str,
    at: Callable[[bytes], bool],
    number: int = signal.SIGINT,
) -> Ended:
    """
    Run the program with *arguments* in a pipe, and send it the signal *number* when *at* holds for its output.
    """
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    with killed(process):
        assert process.stdout is not None
        assert process.stderr is not None
        output = b""
        while not at(output):
            data = os.read(process.stdout.fileno(), 65_536)
            assert data, process.stderr.read()
            output += data
        process.send_signal(number)
        output += process.stdout.read()
        errors = process.stderr.read()
    return Ended(process.returncode, output.decode(), errors.decode())
