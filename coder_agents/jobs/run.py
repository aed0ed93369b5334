"""
Run a command and wait for its end.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, BinaryIO

from coder_agents.config import whole_number
from coder_agents.errors import (
    CommandError,
    CommandLostError,
    CommandTimeoutError,
)
from coder_agents.jobs import launch
from coder_agents.jobs.handle import JobHandle
from coder_agents.jobs.launch import Input, TextForm
from coder_agents.jobs.piece_size import PieceSize
from coder_agents.jobs.results import Progress
from coder_agents.jobs.run_text import Command, shown_command
from coder_agents.jobs.shells import Shells
from coder_agents.jobs.sinks import Sink, Target
from coder_agents.render.html import render_html_card
from coder_agents.render.line import counted, render_line
from coder_agents.representation.cells import output, problem, status

MAX_OUTPUT = 64 * 2**20
"""
Bytes that are captured of each output.
"""

_FIRST_WAIT = 1.0
"""
Seconds in which most commands end. The answer to a start comes then at the latest, and after it
is known that the command has started.
"""

_WATCHDOG = launch.GRACE + 15.0
"""
Seconds after a time-out in which the agent's own watchdog has to end the command.
"""


class CompletedCommand(subprocess.CompletedProcess[Any]):
    """
    A command that has ended; also a `subprocess.CompletedProcess`.

    Attributes:
        args: the command.
        returncode: its exit code; the negative number of the signal that ended it.
        stdout: what it wrote there, bytes or text; None where that was not captured.
        stderr: likewise.
        duration: seconds from the request to the end, as seen here.
        truncated: whether an output had more than *max_output* bytes; the first ones are kept.
    """

    def __init__(
        self,
        args: Any,
        returncode: int,
        stdout: Any = None,
        stderr: Any = None,
        *,
        duration: float = 0.0,
        truncated: bool = False,
    ) -> None:
        super().__init__(args, returncode, stdout, stderr)
        self.duration = duration
        self.truncated = truncated

    def __repr__(self) -> str:
        outputs = {"stdout": self.stdout, "stderr": self.stderr}
        captured = ((name, value) for name, value in outputs.items() if value is not None)
        fields = (("args", self.args), ("returncode", self.returncode), *captured)
        return render_line(type(self).__name__, fields)

    def _repr_html_(self) -> str:
        facts = (
            ("Ended", status("ok") if not self.returncode else problem(ended_by(self.returncode))),
            ("Took", timedelta(seconds=self.duration)),
            ("Truncated", "yes" if self.truncated else None),
            ("Stdout", output(self.stdout or "")),
            ("Stderr", output(self.stderr or "")),
        )
        return render_html_card(shown_command(self.args), facts)

    def check_returncode(self) -> None:
        """
        Raise *CommandError* where the return code is not 0.
        """
        if self.returncode:
            raise CommandError(
                f"{_shown(self.args)} {ended_by(self.returncode)}",
                returncode=self.returncode,
                cmd=self.args,
                output=self.stdout,
                stderr=self.stderr,
            )


def ended_by(returncode: int) -> str:
    """
    Return how a command with *returncode* ended, for messages.
    """
    if returncode >= 0:
        return f"exited with the code {returncode}"
    try:
        name = f" ({signal.Signals(-returncode).name})"
    except ValueError:
        name = ""
    return f"was ended by the signal {-returncode}{name}"


def _shown(command: object) -> str:
    text = repr(command)
    return text if len(text) <= 200 else f"{text[:200]}…"


def run(
    shells: Shells,
    command: Command,
    *,
    input: Input | None = None,
    stdin: int | BinaryIO | None = None,
    stdout: Target = None,
    stderr: Target = None,
    capture_output: bool = False,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    check: bool = False,
    timeout: float | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    shell: str | bool | None = None,
    max_output: int = MAX_OUTPUT,
) -> CompletedCommand:
    """
    Run *command* and return how it ended; see `Agent.run`.
    """
    form = TextForm.of(text, encoding, errors)
    whole_number("max_output", max_output, least=0)
    if capture_output and not (stdout is None and stderr is None):
        raise ValueError("stdout and stderr are not given beside capture_output")
    sinks = Sink.of("stdout", stdout, max_output), Sink.of("stderr", stderr, max_output)
    read = launch.check_input(_input(input, stdin), form)
    job = JobHandle(shells=shells, id=launch.new_id())
    request = launch.start_request(
        job.id,
        command,
        stdin="none" if read is None else "spooled",
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
        env=env,
        shell=shell,
        timeout=timeout,
        wait=min(_FIRST_WAIT, shells.max_wait),
    )
    began = time.monotonic()
    with launch.abandoned_on_error(job) as loan:
        if read is not None:
            launch.write_input(job, read)
        give_up_at = math.inf if timeout is None else time.monotonic() + timeout + _WATCHDOG
        progress = _followed(job, job.start(request, loan), sinks, give_up_at)
        if progress.returncode is None:
            launch.kill(job)
        duration = time.monotonic() - began
        job.remove_later()
    if progress.timed_out or progress.returncode is None:
        raise _timed_out(command, timeout or 0.0, sinks, form)
    done = CompletedCommand(
        command,
        progress.returncode,
        *[_result(sink, form) for sink in sinks],
        duration=duration,
        truncated=any(sink.truncated for sink in sinks),
    )
    if check:
        done.check_returncode()
    return done


def _input(input: Input | None, stdin: int | BinaryIO | None) -> Input | None:
    if stdin is None or stdin == subprocess.DEVNULL:
        return input
    if input is not None:
        raise ValueError("stdin and input may not both be given")
    if stdin == subprocess.PIPE:
        return None
    if isinstance(stdin, int):
        raise TypeError("stdin must be a file, not a number: open() it first")
    return stdin


def _result(sink: Sink, form: TextForm) -> Any:
    if sink.captured is None:
        return None
    return form.decoded(bytes(sink.captured), is_whole=not sink.truncated)


def _timed_out(
    command: Command, timeout: float, sinks: tuple[Sink, Sink], form: TextForm
) -> CommandTimeoutError:
    # What the command was about to write when it was ended may be cut anywhere.
    outputs = [
        None
        if sink.captured is None
        else form.decoded(bytes(sink.captured), is_whole=False, errors="replace")
        for sink in sinks
    ]
    return CommandTimeoutError(
        f"{_shown(command)} took longer than {counted(timeout, 'second')} and was ended",
        cmd=command,
        timeout=timeout,
        output=outputs[0],
        stderr=outputs[1],
    )


def _followed(
    job: JobHandle, progress: Progress, sinks: tuple[Sink, Sink], give_up_at: float
) -> Progress:
    """
    Read the outputs of *job* into *sinks* until it has ended, or until *give_up_at*; return its
    last state.

    Raises *CommandLostError* where the machine has lost it.
    """
    out = err = 0
    size = PieceSize()
    while True:
        for sink, data in zip(sinks, (progress.stdout, progress.stderr), strict=True):
            if data:
                sink.write(data)
        out, err = out + len(progress.stdout), err + len(progress.stderr)
        # What nobody wants is not transferred.
        out = progress.sizes[0] if sinks[0].is_full else out
        err = progress.sizes[1] if sinks[1].is_full else err
        if progress.state == "lost":
            raise lost(job)
        if progress.returncode is not None and (out, err) == progress.sizes:
            return progress
        left = give_up_at - time.monotonic()
        if left <= 0:
            return progress
        began = time.monotonic()
        wait = min(left, job.shells.max_wait)
        progress = job.read((out, err), wait=wait, max_bytes=size.bytes)
        came = len(progress.stdout) + len(progress.stderr)
        # What is smaller may have been waited for.
        if came == size.bytes:
            size.passed(came, time.monotonic() - began)


def lost(job: JobHandle) -> CommandLostError:
    """
    Return the error for a *job* that ended with no trace, as in a restart of the machine.
    """
    return CommandLostError(
        f"{job.what}: the command had started, and ended without a return code; was the machine restarted?",
        job_id=job.id,
        started=True,
    )
