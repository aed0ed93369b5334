"""
Run a command and wait for its end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import attrs

from coder_agents.errors import (
    CoderError,
    CommandError,
    CommandLostError,
    CommandTimeoutError,
)
from coder_agents.jobs import launch
from coder_agents.jobs.handle import MAX_WAIT, JobHandle
from coder_agents.jobs.launch import Input
from coder_agents.jobs.results import Progress
from coder_agents.jobs.run_text import Command
from coder_agents.jobs.shells import Shells, UnreachableError

MAX_OUTPUT = 64 * 2**20
"""
Bytes that are captured of each output.
"""

Target = int | BinaryIO | Callable[[bytes], object] | None
"""
Where an output goes: None or `subprocess.PIPE` to capture it, ``DEVNULL``, a binary file, a
function that is called with each piece; for stderr also ``STDOUT``.
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
        name = signal.Signals(-returncode).name
    except ValueError:
        name = "unknown"
    return f"was ended by the signal {-returncode} ({name})"


def _shown(command: object) -> str:
    text = repr(command)
    return text if len(text) <= 200 else f"{text[:200]}…"


@attrs.define
class _Sink:
    """
    Takes one output.

    Attributes:
        write: takes each piece.
        captured: what was captured; None where the output goes elsewhere.
        truncated: whether more came than is captured.
    """

    write: Callable[[bytes], object]
    captured: bytearray | None = None
    truncated: bool = False

    @classmethod
    def of(cls, target: Target, max_output: int) -> _Sink:
        """
        Return what takes an output for *target*.
        """
        if target is not None and not isinstance(target, int):
            return cls(target if callable(target) else target.write)
        if target in (subprocess.DEVNULL, subprocess.STDOUT):
            return cls(len)
        captured = bytearray()
        sink = cls(len, captured)

        def capture(data: bytes) -> None:
            room = max_output - len(captured)
            captured.extend(data[:room])
            sink.truncated |= len(data) > room

        sink.write = capture
        return sink

    def result(self, decode: Callable[[bytes], Any]) -> Any:
        """
        Return what was captured, decoded; None where nothing is.
        """
        return None if self.captured is None else decode(bytes(self.captured))


def run(
    shells: Shells,
    command: Command,
    *,
    input: Input | None = None,
    stdout: Target = None,
    stderr: Target = None,
    text: bool = False,
    encoding: str | None = None,
    errors: str | None = None,
    check: bool = False,
    timeout: float | None = None,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    shell: str | None = None,
    max_output: int = MAX_OUTPUT,
) -> CompletedCommand:
    """
    Run *command* and return how it ended; see `Agent.run`.
    """
    job = JobHandle(shells=shells, id=launch.new_id())
    request = launch.start_request(
        job.id,
        command,
        stdin="none" if input is None else "spooled",
        discards=(launch.check_output("stdout", stdout), launch.check_output("stderr", stderr)),
        merges=stderr == subprocess.STDOUT,
        cwd=cwd,
        env=env,
        shell=shell,
        timeout=timeout,
        wait=MAX_WAIT,
    )
    sinks = _Sink.of(stdout, max_output), _Sink.of(stderr, max_output)
    is_text = text or encoding is not None or errors is not None
    chosen = encoding or "utf-8", errors or "strict"
    began = time.monotonic()
    try:
        if input is not None:
            launch.write_input(job, launch.input_pieces(input, *chosen))
        progress = _followed(job, job.start(request), sinks)
    except BaseException as error:
        if not isinstance(error, CommandLostError):
            _abandon(job)
        raise
    duration = time.monotonic() - began
    with contextlib.suppress(CoderError):  # a week later it goes by itself
        job.remove()

    def decode(data: bytes) -> Any:
        if not is_text:
            return data
        return data.decode(*chosen).replace("\r\n", "\n").replace("\r", "\n")

    outputs = [sink.result(decode) for sink in sinks]
    if progress.timed_out:
        raise CommandTimeoutError(
            f"{_shown(command)} took longer than {timeout:g} seconds and was ended",
            cmd=command,
            timeout=timeout or 0.0,
            output=outputs[0],
            stderr=outputs[1],
        )
    assert progress.returncode is not None
    done = CompletedCommand(
        command,
        progress.returncode,
        *outputs,
        duration=duration,
        truncated=any(sink.truncated for sink in sinks),
    )
    if check:
        done.check_returncode()
    return done


def _followed(job: JobHandle, progress: Progress, sinks: tuple[_Sink, _Sink]) -> Progress:
    """
    Read the outputs of *job* into *sinks* until it has ended; return its last state.

    Raises *CommandLostError* where the machine has lost it.
    """
    offsets = (0, 0)
    while True:
        for sink, data in zip(sinks, (progress.stdout, progress.stderr), strict=True):
            if data:
                sink.write(data)
        offsets = offsets[0] + len(progress.stdout), offsets[1] + len(progress.stderr)
        if progress.state == "lost":
            raise lost(job)
        if progress.returncode is not None and offsets == progress.sizes:
            return progress
        progress = job.read(offsets, wait=MAX_WAIT)


def lost(job: JobHandle) -> CommandLostError:
    """
    Return the error for a *job* that ended with no trace, as in a restart of the machine.
    """
    return CommandLostError(
        f"{job.what}: the command had started, and ended without a return code; was the machine restarted?",
        job_id=job.id,
        started=True,
    )


def _abandon(job: JobHandle) -> None:
    """
    Kill *job* and delete it, as far as that can be done soon.
    """
    with contextlib.suppress(CoderError, UnreachableError):
        brief = attrs.evolve(job, shells=job.shells.brief())
        brief.signal(signal.SIGKILL)
        brief.read((0, 0), wait=1, max_bytes=0)
        brief.remove()
