"""
The control shell in a local terminal, under each shell that this machine has.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pty
import secrets
import select
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import attrs

from coder_agents.jobs import program
from coder_agents.jobs.protocol import (
    Answer,
    AnswerReader,
    Command,
    Greeting,
    Progress,
    Read,
    ReadyReader,
    Request,
    Start,
    command_text,
    error_of,
    run_text,
)

from . import userlands

MAX_SILENCE = 30  # seconds without a byte after which a test fails

# As sh, bash is in its POSIX mode; an agent runs it in the other one only where that is its login shell.
COMMON = {
    "dash": ["dash"],
    "bash": ["bash", "--posix"],
    "busybox": ["busybox", "sh"],
}

# The sh of FreeBSD is an ash as dash is; mksh is of the family of OpenBSD's ksh.
RARE = {
    "login": ["bash"],
    "toybox": ["dash"],
    "mksh": ["mksh"],
    "bsd": ["dash"],
}

SHELLS = {**COMMON, **RARE}


def missing(name: str) -> str | None:
    """
    Return why the shell *name* cannot be tested here, None where it can.
    """
    needed = {SHELLS[name][0], *({"toybox"} if name == "toybox" else ())}
    absent = sorted(each for each in needed if shutil.which(each) is None)
    return f"{' and '.join(absent)} is not installed" if absent else None


def make_tools(folder: Path, name: str) -> str:
    """
    Return a PATH whose ``sh`` is the shell *name*, and whose commands are those of its userland.
    """
    folder.mkdir()
    first = shutil.which(SHELLS[name][0])
    assert first is not None
    if name != "busybox":
        (folder / "sh").symlink_to(first)
    return userlands.install(folder, name)


class ControlShell:
    """
    One control shell in a terminal of its own; `ask` sends a request and returns its answers.
    """

    def __init__(
        self,
        shell: str,
        environment: Mapping[str, str],
        *,
        limits: program.Limits | None = None,
        cwd: Path | None = None,
    ) -> None:
        start, nonce = secrets.token_hex(8), secrets.token_hex(8)
        self.terminal, end = pty.openpty()
        self.process = subprocess.Popen(
            [*SHELLS[shell], "-c", program.bootstrap(start)],
            executable=shutil.which(SHELLS[shell][0]),
            stdin=end,
            stdout=end,
            stderr=end,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(end)
        self._reader = AnswerReader(nonce)
        self._answers: list[Answer] = []
        self._ids = itertools.count(1)
        ready = ReadyReader(start)
        while not ready.feed(self._receive()):
            pass
        self.write(program.program(nonce, limits))
        self.greeting = Greeting.read(self.answer())

    def write(self, data: bytes) -> None:
        """
        Send *data* to the terminal.
        """
        os.set_blocking(self.terminal, False)
        while data:
            _, writable, _ = select.select([], [self.terminal], [], MAX_SILENCE)
            assert writable, "the terminal takes no more"
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self.terminal, data) :]

    def _receive(self) -> bytes:
        readable, _, _ = select.select([self.terminal], [], [], MAX_SILENCE)
        assert readable, "the terminal is silent"
        return os.read(self.terminal, 65536)

    def answer(self) -> Answer:
        """
        Return the next answer.
        """
        while not self._answers:
            self._answers += self._reader.feed(self._receive())
        return self._answers.pop(0)

    def send(self, request: Request, *, repeated: bool = False) -> int:
        """
        Send *request* and return its number.
        """
        number = next(self._ids)
        has_base64 = "base64" in self.greeting.capabilities
        self.write(request.encode(number, repeated=repeated, base64_available=has_base64))
        return number

    def ask(self, request: Request, *, repeated: bool = False) -> list[Answer]:
        """
        Return the answers to *request*; one that is an error is raised.
        """
        number = self.send(request, repeated=repeated)
        answers = [self.answer()]
        while answers[-1].status == "MORE":
            answers.append(self.answer())
        assert {answer.id for answer in answers} == {number}
        if answers[-1].status == "ERR":
            raise error_of(answers[-1])
        return answers

    def start(self, command: Command, *, job: str | None = None, **options: object) -> Progress:
        """
        Start *command* as a job and return the progress.
        """
        [answer] = self.ask(start(command, job=job, **options))
        return Progress.read(answer)

    def read(self, job: str, stdout: int = 0, stderr: int = 0, wait: float = 0) -> Progress:
        """
        Return the progress of *job*.
        """
        [answer] = self.ask(Read(job=job, stdout=stdout, stderr=stderr, wait=wait))
        return Progress.read(answer)

    def finish(self, job: str) -> Progress:
        """
        Return the progress of *job* once it has ended, with all its output.
        """
        out, err = b"", b""
        deadline = time.monotonic() + MAX_SILENCE
        while time.monotonic() < deadline:
            progress = self.read(job, len(out), len(err), wait=5)
            out, err = out + progress.stdout, err + progress.stderr
            if progress.state not in {"starting", "running"} and (
                (len(out), len(err)) == progress.sizes
            ):
                return attrs.evolve(progress, stdout=out, stderr=err)
        raise AssertionError(f"the job does not end: {progress}")

    def run(self, command: Command, **options: object) -> Progress:
        """
        Return the progress of *command* after its end.
        """
        job = secrets.token_hex(8)
        self.start(command, job=job, wait=5, **options)
        return self.finish(job)

    def close(self) -> None:
        """
        Hang up, and wait until the shell is gone.
        """
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1
        try:
            self.process.wait(MAX_SILENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise

    def __enter__(self) -> ControlShell:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def start(command: Command, *, job: str | None = None, **options: object) -> Start:
    """
    Return the request that starts *command*.
    """
    own = {name: options.pop(name) for name in ("shell", "env", "umask") if name in options}
    return Start(
        job=job or secrets.token_hex(8),
        run=run_text(command, **own),  # type: ignore[arg-type]
        command=command_text(command),
        **options,  # type: ignore[arg-type]
    )
