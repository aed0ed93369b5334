"""
What a command needs to be started, checked before anything is sent.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, BinaryIO, Literal

import attrs

from coder_agents.config import seconds_or_none
from coder_agents.errors import CoderError, ControlShellError, JobNotFoundError, ShellError
from coder_agents.jobs.handle import JobHandle
from coder_agents.jobs.loan import Loan
from coder_agents.jobs.piece_size import PieceSize
from coder_agents.jobs.requests import Start
from coder_agents.jobs.run_text import Command, command_text, run_text

Input = bytes | bytearray | memoryview | str | BinaryIO

GRACE = 5.0
"""
Seconds between TERM and KILL after a time-out.
"""

_DEATH = 5.0  # seconds in which a process group that got KILL has ended

_FIRST_PIECE = 65_536  # bytes of output that come with the answer to a start


def new_id() -> str:
    """
    Return the id of a new job.
    """
    return secrets.token_hex(8)


def start_request(
    job: str,
    command: Command,
    *,
    stdin: Literal["none", "spooled", "followed"],
    stdout: object,
    stderr: object,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
    shell: str | bool | None,
    timeout: float | None,
    wait: float,
) -> Start:
    """
    Return the request that starts *command*.

    Raises *ValueError* and *TypeError* for what no process can get.
    """
    if stdout == subprocess.STDOUT:
        raise ValueError("only stderr can be merged: stderr=subprocess.STDOUT")
    seconds = seconds_or_none("timeout", timeout)
    checked = _command(command, shell)
    by = shell if isinstance(shell, str) else None
    return Start(
        job=job,
        run=run_text(checked, shell=by, env=_environment(env)),
        command=command_text(checked),
        cwd=_folder(cwd),
        stdin=stdin,
        stdout="null" if stdout == subprocess.DEVNULL else "file",
        stderr=_stderr(stderr),
        # 0 would be no limit there, and no agent sleeps for ever.
        timeout=0 if seconds is None else min(max(seconds, 0.001), 2.0**31),
        grace=GRACE,
        wait=wait,
        max_bytes=_FIRST_PIECE,
    )


def _stderr(target: object) -> Literal["file", "null", "out"]:
    if target == subprocess.STDOUT:
        return "out"
    return "null" if target == subprocess.DEVNULL else "file"


def _command(command: Any, shell: str | bool | None) -> Command:
    if shell is not None and not isinstance(shell, (str, bool)):
        raise TypeError(f"shell must be the path of a shell, not {type(shell).__name__}")
    if isinstance(command, (str, bytes, os.PathLike)):
        return _word(command)
    if not isinstance(command, Sequence) or isinstance(command, (bytearray, memoryview)):
        raise TypeError(f"command must be a string or a list, not {type(command).__name__}")
    words = [_word(word) for word in command]
    # As in subprocess: the first one is the script, the others are its arguments.
    return ["/bin/sh", "-c", *words] if shell is True and words else words


def _word(word: Any) -> str:
    if not isinstance(word, (str, bytes, os.PathLike)):
        raise TypeError(f"an argument must be text, bytes or a path, not {type(word).__name__}")
    text = os.fspath(word)
    return text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")


def _environment(env: Mapping[str, str] | None) -> Mapping[str, str]:
    if env is None:
        return {}
    given: object = env
    if not isinstance(given, Mapping):
        raise TypeError(f"env must be a mapping, not {type(env).__name__}")
    for name, value in given.items():
        # Without the value: it may be a secret.
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"env must be names and values of text, and {name!r} is not")
    return env


def _folder(cwd: str | os.PathLike[str] | None) -> str:
    if cwd is None:
        return ""
    text = cwd.as_posix() if isinstance(cwd, PurePath) else os.fspath(cwd)
    if not isinstance(text, str):
        raise TypeError(f"cwd must be text or a path, not {type(text).__name__}")
    if not text or "\0" in text:
        raise ValueError(f"cwd is no folder: {text!r}")
    return text


@attrs.frozen
class TextForm:
    """
    How bytes become text.

    Attributes:
        is_wanted: whether outputs are text at all.
        encoding: the encoding.
        errors: what to do with bytes that do not fit.
    """

    is_wanted: bool
    encoding: str
    errors: str

    @classmethod
    def of(cls, text: bool | None, encoding: str | None, errors: str | None) -> TextForm:
        """
        Return the form. Raises *LookupError* for names that Python does not know.
        """
        form = cls(
            bool(text or encoding or errors),
            encoding or "utf-8",
            errors or "strict",
        )
        codecs.lookup(form.encoding)
        codecs.lookup_error(form.errors)
        return form

    def decoded(self, data: bytes, *, is_whole: bool, errors: str | None = None) -> Any:
        """
        Return *data*, as text where that is wanted.

        Where it is not *is_whole* the bytes of a last character that was cut are left away.
        """
        if not self.is_wanted:
            return data
        decoder = codecs.getincrementaldecoder(self.encoding)(errors or self.errors)
        return decoder.decode(data, is_whole).replace("\r\n", "\n").replace("\r", "\n")


def check_input(data: Any, form: TextForm | None = None) -> Callable[[int], bytes] | None:
    """
    Return what reads *data* by so many bytes; None where there is none.

    Raises *TypeError* for what is neither text, bytes nor a binary file.
    """
    if data is None:
        return None
    if isinstance(data, str):
        data = data.encode(*(("utf-8",) if form is None else (form.encoding, form.errors)))
    if isinstance(data, (bytes, bytearray, memoryview)):
        return io.BytesIO(data).read
    if isinstance(data, io.TextIOBase):
        data = getattr(data, "buffer", data)
    read = getattr(data, "read", None)
    if read is None or isinstance(data, io.TextIOBase):
        raise TypeError(f"input must be bytes, text or a binary file, not {type(data).__name__}")

    def checked(size: int) -> bytes:
        piece = read(size)
        if not isinstance(piece, bytes):
            raise TypeError('input must be a binary file: open it with mode "rb"')
        return piece

    return checked


def write_input(job: JobHandle, read: Callable[[int], bytes], *, ends: bool = False) -> None:
    """
    Write what *read* returns, until it is empty, as the whole input of *job*.

    *ends* says that the job runs and waits for the end of its input.
    """
    offset = 0
    size = PieceSize()
    for piece in iter(lambda: read(size.bytes), b""):
        began = time.monotonic()
        job.write(offset, piece, end=False, started=ends)
        size.passed(len(piece), time.monotonic() - began)
        offset += len(piece)
    if ends:
        job.write(offset, b"", end=True)


@contextlib.contextmanager
def abandoned_on_error(job: JobHandle) -> Iterator[Loan]:
    """
    Kill and delete *job* where the block ends by an exception, as far as that can be done soon.

    The loan is for its start, which may still be on its way, over a slow connection. Nothing can be
    done where the agent cannot be reached, or the deployment refuses.
    """
    loan = Loan()
    try:
        yield loan
    except CoderError as error:
        if isinstance(error, (ShellError, ControlShellError)):
            _abandon(job, loan)
        raise
    except BaseException:
        _abandon(job, loan)
        raise


def _abandon(job: JobHandle, loan: Loan) -> None:
    brief = job.shells.brief()
    job = attrs.evolve(job, shells=brief)
    try:
        with contextlib.suppress(CoderError):
            with contextlib.suppress(JobNotFoundError):
                kill(job)
            if loan.was_sent:
                _prevent(job)
            else:
                job.remove()
    finally:
        brief.close()


def _prevent(job: JobHandle) -> None:
    """
    Delete *job*, and let a start that is still on its way do nothing.
    """
    try:
        job.prevent()
    except ShellError:  # it was faster, and the job runs
        kill(job)
        job.remove()


def kill(job: JobHandle) -> None:
    """
    Send KILL to the process group of *job*, and wait a few seconds until it has ended.

    Raises as `JobHandle.state` does.
    """
    job.signal(signal.SIGKILL)
    until = time.monotonic() + _DEATH
    progress = job.state()
    while progress.state in ("starting", "running") and time.monotonic() < until:
        # Output ends a wait: only what comes after it counts.
        progress = job.state(progress.sizes, wait=_DEATH)
