"""
What the answers of the control shell say, as values.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar, cast

import attrs

from coder_agents.errors.control_shell import ControlShellError
from coder_agents.jobs.answers import Answer

State = Literal["new", "starting", "running", "exited", "signaled", "lost"]

_STATES = ("new", "starting", "running", "exited", "signaled", "lost")

# The texts of strerror in the locale C, and what shells write in their place.
_TEXTS = {
    "No such file": errno.ENOENT,
    "nonexistent": errno.ENOENT,
    "Permission denied": errno.EACCES,
    "Operation not permitted": errno.EPERM,
    "Is a directory": errno.EISDIR,
    "is a directory": errno.EISDIR,
    "Not a directory": errno.ENOTDIR,
    "not a directory": errno.ENOTDIR,
    "File exists": errno.EEXIST,
    "not empty": errno.ENOTEMPTY,
    "No space left": errno.ENOSPC,
    "Disk quota": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "Read-only file system": errno.EROFS,
    "Too many levels": errno.ELOOP,
    "File name too long": errno.ENAMETOOLONG,
    "Argument list too long": errno.E2BIG,
    "busy": errno.EBUSY,
    "Invalid argument": errno.EINVAL,
}

T = TypeVar("T")


@attrs.frozen
class Greeting:
    """
    What the program reports when it starts, in the answer with the id 0.

    Attributes:
        version: of the protocol.
        pid: of the control shell.
        capabilities: which of ``base64``, ``detach`` (jobs can be started) and ``spool`` there are.
        problem: why jobs cannot be started, or an empty string.
    """

    version: int
    pid: int
    capabilities: frozenset[str]
    problem: str

    @classmethod
    def read(cls, answer: Answer) -> Greeting:
        """
        Return the greeting that *answer* is. Raises *ControlShellError* where it is none.
        """

        def parse() -> Greeting:
            version, pid, capabilities = answer.fields
            return cls(int(version), int(pid), frozenset(capabilities.split(",")), text_of(answer))

        return _parsed(answer, parse)


@attrs.frozen
class Progress:
    """
    The answer to `Start` and `Read`.

    Attributes:
        state: ``new`` (no such start), ``starting``, ``running``, ``exited``, ``signaled``, or
            ``lost``: started, and ended with no trace of how, as in a restart of the machine.
        code: the exit code of ``exited``, the signal's number of ``signaled``, otherwise 0.
        pid: the process's id, which is the group's, too; 0 where it is not known.
        sizes: bytes in the spooled stdout and stderr.
        stdout: the piece of stdout from the requested offset on.
        stderr: likewise of stderr.
        timed_out: whether the time-out's watchdog ended the group.
        cut: the outputs of which bytes were lost, as the disk was full: 1, 2.
        shrunk: whether a spooled output is shorter than the requested offset.
        piped: whether the job runs and reads its stdin from `WriteInput`.
    """

    state: State
    code: int
    pid: int
    sizes: tuple[int, int]
    stdout: bytes
    stderr: bytes
    timed_out: bool
    cut: frozenset[int]
    shrunk: bool
    piped: bool = False

    @property
    def returncode(self) -> int | None:
        """
        The return code as subprocess has it: negative for a signal; None while there is none.
        """
        return {"exited": self.code, "signaled": -self.code}.get(self.state)

    @classmethod
    def read(cls, answer: Answer) -> Progress:
        """
        Return the progress that *answer* is. Raises *ControlShellError* where it is none.
        """

        def parse() -> Progress:
            state, code, pid, out, err, split, flags = answer.fields
            if state not in _STATES or not 0 <= int(split) <= len(answer.body):
                raise ValueError(state)
            marks = set(flags.split(","))
            return cls(
                state=cast("State", state),
                code=int(code),
                pid=int(pid),
                sizes=(int(out), int(err)),
                stdout=answer.body[: int(split)],
                stderr=answer.body[int(split) :],
                timed_out="timeout" in marks,
                cut=frozenset(n for n in (1, 2) if f"cut{n}" in marks),
                shrunk="shrunk" in marks,
                piped="piped" in marks,
            )

        return _parsed(answer, parse)


@attrs.frozen
class JobRecord:
    """
    One job of a list.

    Attributes:
        job: its id.
        state: as in `Progress`.
        code: as in `Progress`.
        pid: as in `Progress`.
        started: seconds since 1970 at which it started; None where the agent does not report it.
        sizes: bytes in the spooled stdout and stderr.
        command: the first 4,096 bytes of the command's text.
    """

    job: str
    state: State
    code: int
    pid: int
    started: float | None
    sizes: tuple[int, int]
    command: bytes


def read_jobs(answers: Sequence[Answer]) -> list[JobRecord]:
    """
    Return the jobs in *answers*, of ``MORE`` and the last ``OK``, to `ListJobs`.
    """
    return [_parsed(answer, lambda a=answer: _job(a)) for answer in answers if answer.fields]  # type: ignore[misc]


def _job(answer: Answer) -> JobRecord:
    job, state, code, pid, started, out, err = answer.fields
    if state not in _STATES:
        raise ValueError(state)
    return JobRecord(
        job,
        cast("State", state),
        int(code),
        int(pid),
        None if started == "-" else float(started),
        (int(out), int(err)),
        answer.body,
    )


@attrs.frozen
class FileInfo:
    """
    What a path is.

    Attributes:
        mode: type and permissions, as in `os.stat_result.st_mode`.
        size: in bytes.
        modified: seconds since 1970; None where the agent has no stat that reports it.
        changed: seconds since 1970 of the inode's last change; None likewise.
        uid: of the owner.
        gid: of the group.
        version: a text that changes with the file, as finely as the agent can say.
    """

    mode: int
    size: int
    modified: float | None
    changed: float | None
    uid: int
    gid: int
    version: str

    @classmethod
    def read(cls, answer: Answer) -> FileInfo:
        """
        Return what *answer* says of a path. Raises *ControlShellError* where it says nothing.
        """
        return _parsed(answer, lambda: cls.parse(text_of(answer)))

    @classmethod
    def parse(cls, line: str) -> FileInfo:
        """
        Return what a *line* of stat, or of ls where there is no stat, says.

        ``G`` (GNU, busybox; the mode in hexadecimal) or ``B`` (BSD; in octal), mode, size, mtime,
        ctime, uid, gid and what else changes; or ``L`` and a line of ``ls -ln``.
        """
        form, *words = line.split()
        if form == "L":
            letters, _links, uid, gid, size = words[:5]
            # A device has two numbers in place of a size.
            return cls(_mode(letters), int(size.rstrip(",")), None, None, int(uid), int(gid), line)
        mode, size, modified, changed, uid, gid = words[:6]
        base = {"G": 16, "B": 8}[form]
        times = (float(modified), float(changed))
        return cls(int(mode, base), int(size), *times, int(uid), int(gid), line)


def read_entries(answers: Sequence[Answer]) -> dict[bytes, FileInfo]:
    """
    Return name and kind of each entry in *answers*, of ``MORE`` and the last ``OK``.
    """
    entries: dict[bytes, FileInfo] = {}
    for answer in answers:
        entries.update(_parsed(answer, lambda a=answer: _entries(a)))  # type: ignore[misc]
    return entries


def _entries(answer: Answer) -> dict[bytes, FileInfo]:
    # The lines first, one for each entry; then the names, each as "./NAME/".
    [count] = answer.fields
    if count == "0":
        return {}
    lines = answer.body.split(b"\n", int(count))
    parts = lines.pop().split(b"/")
    names = parts[1::2]
    if len(lines) != int(count) or len(parts) != 2 * len(lines) + 1 or parts[-1]:
        raise ValueError("names")
    return {n: FileInfo.parse(k.decode("ascii")) for n, k in zip(names, lines, strict=True)}


@attrs.frozen
class Piece:
    """
    A piece of a file, and the file's size at that moment.
    """

    data: bytes
    size: int

    @classmethod
    def read(cls, answer: Answer) -> Piece:
        """
        Return the piece that *answer* is. Raises *ControlShellError* where it is none.
        """
        return _parsed(answer, lambda: cls(answer.body, int(answer.fields[0])))


def numbers_of(answer: Answer) -> tuple[int, ...]:
    """
    Return the fields of *answer* as numbers. Raises *ControlShellError* where they are none.
    """
    return _parsed(answer, lambda: tuple([int(field) for field in answer.fields]))


def facts_of(answer: Answer) -> dict[str, str]:
    """
    Return the lines ``NAME=VALUE`` of *answer*, to `Info` and `Inside`.
    """
    lines = [line.partition("=") for line in text_of(answer).splitlines()]
    return {name: value for name, _, value in lines}


def text_of(answer: Answer) -> str:
    """
    Return the body of *answer* as text; bytes that are not UTF-8 are surrogates.
    """
    return answer.body.decode("utf-8", "surrogateescape")


def error_of(answer: Answer, path: str | bytes = "") -> OSError:
    """
    Return the error that an answer ``ERR`` is: of Python's own class, where the text is known.
    """
    text = text_of(answer).strip()
    # A path comes before the reason, and may contain the words of another one.
    reason = text.rpartition(": ")[2]
    for known, number in _TEXTS.items():
        if known in reason:
            return OSError(number, os.strerror(number), path or None)
    return OSError(errno.EIO, text or "the control shell gave no reason", path or None)


def _parsed(answer: Answer, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except (ValueError, KeyError, IndexError) as error:
        raise ControlShellError(
            f"the control shell answered {answer.status} {' '.join(answer.fields)[:80]!r} "
            f"and {len(answer.body)} bytes to another question"
        ) from error


_KINDS = {
    "-": stat.S_IFREG,
    "d": stat.S_IFDIR,
    "l": stat.S_IFLNK,
    "p": stat.S_IFIFO,
    "s": stat.S_IFSOCK,
    "b": stat.S_IFBLK,
    "c": stat.S_IFCHR,
}


def _mode(letters: str) -> int:
    bits = int("".join("0" if letter in "-ST" else "1" for letter in letters[1:10]), 2)
    special = [(3, 0o4000), (6, 0o2000), (9, 0o1000)]
    extra = sum(bit for place, bit in special if letters[place] in "sStT")
    return _KINDS[letters[0]] | bits | extra
