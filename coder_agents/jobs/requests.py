"""
The requests of the control shell about jobs, and what all requests have in common.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal

import attrs

from coder_agents.jobs.escape import MAX_INLINE, escaped, payload, to_bytes
from coder_agents.jobs.piece_size import FIRST_PIECE, MAX_PIECE

_JOB = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", re.ASCII)
_CONTAINER = re.compile(r"[A-Za-z0-9_.-]{0,128}", re.ASCII)
_SIGNALS = range(65)


def check_job(request: object, field: object, job: str) -> None:
    """
    Check that a job's id is letters, digits, - and _.
    """
    given: object = job
    if not isinstance(given, str):
        raise TypeError(f"a job's id is text, not {type(given).__name__}")
    if _JOB.fullmatch(job) is None:
        raise ValueError(f"a job's id is 1 to 64 letters, digits, - and _, not {job!r}")


def check_container(request: object, field: object, container: str) -> None:
    """
    Check that a container's id or name is letters, digits, and . _ -, as Docker's are.
    """
    given: object = container
    if not isinstance(given, str):
        raise TypeError(f"container must be an id or a name, not {type(given).__name__}")
    if _CONTAINER.fullmatch(given) is None:
        raise ValueError(
            f"a container's id or name is up to 128 letters, digits, . _ and -, not {given!r}"
        )


def check_natural(request: object, field: attrs.Attribute[Any], number: float) -> None:
    """
    Check that a number is 0 or more.
    """
    if not 0 <= number < 2**53:
        raise ValueError(f"{field.name} must be 0 or more, not {number!r}")


def check_signal(request: object, field: object, number: int) -> None:
    """
    Check that a signal is a number from 0 to 64.
    """
    if number not in _SIGNALS:
        raise ValueError(f"a signal is a number from 0 to 64, not {number!r}")


def check_piece(request: object, field: object, data: bytes) -> None:
    """
    Check that a piece of data is not larger than `MAX_PIECE`.
    """
    if len(data) > MAX_PIECE:
        raise ValueError(f"a piece has at most {MAX_PIECE} bytes, not {len(data)}")


@attrs.frozen
class Request(abc.ABC):
    """
    One request: a line, which a payload may follow.
    """

    operation: ClassVar[str]

    def encode(self, id: int, *, repeated: bool = False, base64_available: bool = True) -> bytes:
        """
        Return the request as bytes of ASCII; see `parts`.
        """
        parts = self.parts(id, repeated=repeated, base64_available=base64_available)
        return b"".join(parts)

    def parts(
        self, id: int, *, repeated: bool = False, base64_available: bool = True
    ) -> Iterator[bytes]:
        """
        Yield the request, in parts of ASCII, under the number *id*, which its answer repeats.

        *repeated* says that it may have been executed before: what it did then is no error.
        *base64_available* is what the greeting of the program says. Nothing may be sent after a
        request with a payload until its answer has come.
        """
        if not 0 < id < 2**31:
            raise ValueError(f"a request's id is between 1 and 2**31, not {id}")
        words, following = self._words(base64_available)
        line = [b"%d" % id, self.operation.encode(), b"1" if repeated else b"0", *words, b";\n"]
        yield b" ".join(line)
        yield from following

    def _words(self, base64_available: bool) -> tuple[list[bytes], Iterable[bytes]]:
        return self._fields(), ()

    def _fields(self) -> list[bytes]:
        return []


class Nop(Request):
    """
    Do nothing; answered with ``OK`` at once. It ends the wait of a request before it.
    """

    operation = "NOP"


class Quit(Request):
    """
    End the control shell, after an answer ``OK``. Jobs live on.
    """

    operation = "QUIT"


class Info(Request):
    """
    Report the machine: see `results.facts_of`.
    """

    operation = "INFO"


@attrs.frozen
class Inside(Request):
    """
    Report whether this is the container whose id begins with *container*: see `results.facts_of`.
    """

    operation = "INSIDE"
    container: str = attrs.field(validator=check_container)

    def _fields(self) -> list[bytes]:
        return [escaped(self.container)]


@attrs.frozen(kw_only=True)
class Start(Request):
    """
    Start a job once, wait a little for its end, and answer as `Read` from the offsets 0 does.

    Attributes:
        job: the job's id, made by the client; the same id never starts twice.
        run: what becomes the process, from `run_text.run_text`.
        command: the text of the command, from `run_text.command_text`.
        cwd: the working directory, where ``~`` is the home; empty for the one of the control shell.
        stdin: ``none`` is empty; ``spooled`` is what `WriteInput` wrote before; ``followed`` is
            what it writes until its end, before and after the start.
        stdout: ``file`` to spool it, or ``null`` to discard it.
        stderr: ``file``, ``null``, or ``out`` to merge it into stdout.
        timeout: seconds after which the group gets TERM, then KILL; 0 for no limit.
        grace: seconds between TERM and KILL.
        wait: seconds to wait for the end or for output before the answer.
        max_bytes: of both outputs together in the answer.
    """

    operation = "START"
    job: str = attrs.field(validator=check_job)
    run: bytes
    command: bytes
    cwd: str | bytes = ""
    stdin: Literal["none", "spooled", "followed"] = "none"
    stdout: Literal["file", "null"] = "file"
    stderr: Literal["file", "null", "out"] = "file"
    timeout: float = attrs.field(default=0, validator=check_natural)
    grace: float = attrs.field(default=5, validator=check_natural)
    wait: float = attrs.field(default=0, validator=check_natural)
    max_bytes: int = attrs.field(default=65536, validator=check_natural)

    def _words(self, base64_available: bool) -> tuple[list[bytes], Iterable[bytes]]:
        words = [self.job.encode(), escaped(self.cwd)]
        words += [word.encode() for word in (self.stdin, self.stdout, self.stderr)]
        words += [_seconds(self.timeout), _seconds(self.grace)]
        words += [_tenths(self.wait), b"%d" % self.max_bytes]
        if len(self.run) + len(self.command) <= MAX_INLINE or not base64_available:
            return [*words, b"p", escaped(self.run), escaped(self.command)], ()
        form, following = payload(self.run + self.command, base64_available=True)
        return [*words, form, b"%d" % len(self.run)], following


@attrs.frozen(kw_only=True)
class Read(Request):
    """
    Read the state of a job and its outputs from offsets on: see `results.Progress`.

    Attributes:
        job: the job's id.
        stdout: the offset in stdout, in bytes.
        stderr: the offset in stderr, in bytes.
        max_bytes: of both outputs together in the answer.
        wait: seconds to wait for output or for the end, when there is nothing yet.
    """

    operation = "READ"
    job: str = attrs.field(validator=check_job)
    stdout: int = attrs.field(default=0, validator=check_natural)
    stderr: int = attrs.field(default=0, validator=check_natural)
    max_bytes: int = attrs.field(default=FIRST_PIECE, validator=check_natural)
    wait: float = attrs.field(default=0, validator=check_natural)

    def _fields(self) -> list[bytes]:
        numbers = (self.stdout, self.stderr, self.max_bytes)
        return [self.job.encode(), *[b"%d" % number for number in numbers], _tenths(self.wait)]


@attrs.frozen(kw_only=True)
class WriteInput(Request):
    """
    Write a piece of a job's stdin at an offset, before the start or after it.

    The answer's field is the size of the spooled input. With *end* no more follows.
    """

    operation = "WRITE"
    job: str = attrs.field(validator=check_job)
    offset: int = attrs.field(validator=check_natural)
    data: bytes = attrs.field(validator=check_piece)
    end: bool = False

    def _words(self, base64_available: bool) -> tuple[list[bytes], Iterable[bytes]]:
        form, following = payload(self.data, base64_available=base64_available)
        words = [self.job.encode(), b"%d" % self.offset, b"%d" % len(self.data)]
        return [*words, b"1" if self.end else b"0", form], following


@attrs.frozen(kw_only=True)
class Signal(Request):
    """
    Send a signal, by its number, to every process of the job's group.

    *token* makes a repeated request send it once; the empty one sends it each time. The answer's
    field is 1 where the signal was sent, 0 where the job had ended or the token was known.
    """

    operation = "SIGNAL"
    job: str = attrs.field(validator=check_job)
    signal: int = attrs.field(validator=check_signal)
    token: str = attrs.field(
        default="", validator=attrs.validators.matches_re(r"[A-Za-z0-9]{0,64}")
    )

    def _fields(self) -> list[bytes]:
        return [self.job.encode(), b"%d" % self.signal, (self.token or "-").encode()]


class ListJobs(Request):
    """
    List all jobs, in answers ``MORE`` and at last one ``OK``: see `results.read_jobs`.
    """

    operation = "LIST"


@attrs.frozen
class Remove(Request):
    """
    Delete the folder of a job that has ended or never started. An unknown job is ``OK``.

    A job that runs is an error: signal it before.
    """

    operation = "REMOVE"
    job: str = attrs.field(validator=check_job)

    def _fields(self) -> list[bytes]:
        return [self.job.encode()]


@attrs.frozen
class Prevent(Request):
    """
    Let a `Start` that is still on its way start nothing; what has ended is deleted as by `Remove`.

    A job that runs is an error.
    """

    operation = "PREVENT"
    job: str = attrs.field(validator=check_job)

    def _fields(self) -> list[bytes]:
        return [self.job.encode()]


def _tenths(seconds: float) -> bytes:
    return b"%d" % round(seconds * 10)


def _seconds(seconds: float) -> bytes:
    return f"{seconds:.3f}".rstrip("0").rstrip(".").encode()


def path_word(path: str | bytes) -> bytes:
    """
    Return *path* as a word of a request. Raises *ValueError* where it is empty or has a NUL.
    """
    raw = to_bytes(path)
    if not raw or b"\0" in raw:
        raise ValueError(f"{path!r} is no path")
    return escaped(raw)
