"""
The output of a job, as a stream.
"""

from __future__ import annotations

import codecs
import collections
import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, cast

import attrs

from coder_agents.errors import DecodeError
from coder_agents.jobs.handle import JobHandle
from coder_agents.jobs.loan import Loan
from coder_agents.jobs.shell import LateError
from coder_agents.representation import cells
from coder_agents.representation.objects import Represented
from coder_agents.streams.engine import Counts, EndedError
from coder_agents.streams.options import StreamEnd
from coder_agents.streams.position import Position
from coder_agents.streams.stream import Stream

Name = Literal["stdout", "stderr"]

_BOOKMARK = re.compile(r"job:([A-Za-z0-9_-]{1,64}):(\d{1,15}):(\d{1,15})", re.ASCII)


@attrs.frozen(repr=False)
class Output(Represented):
    """
    A piece of a job's output.

    Attributes:
        name: ``stdout`` or ``stderr``.
        data: the bytes, exactly as the job wrote them; cut at any place.
    """

    name: Name
    data: bytes

    _columns = ("Name", "Size", "Data")

    def _cells(self) -> Sequence[object]:
        return self.name, cells.size(len(self.data)), cells.output(self.data)

    def _facts(self) -> Iterable[tuple[str, object]]:
        return zip(self._columns, self._cells(), strict=True)


@attrs.frozen(eq=False, kw_only=True)
class OutputPosition(Position[Output]):
    """
    A position in the output of a job.

    Attributes:
        job: the job's id.
        items: the pieces of the message.
        offsets: bytes of stdout and stderr that were handed out before them.
    """

    job: str
    items: tuple[Output, ...] = ()
    offsets: tuple[int, int] = (0, 0)

    @property
    def bookmark(self) -> str:
        """
        What `Job.output` takes as ``after=`` to continue here.
        """
        out, err = self._after(self.items[: self.done])
        return f"job:{self.job}:{out}:{err}"

    @property
    def end(self) -> tuple[int, int]:
        """
        The offsets after all items.
        """
        return self._after(self.items)

    def _after(self, items: tuple[Output, ...]) -> tuple[int, int]:
        out, err = self.offsets
        out += sum(len(item.data) for item in items if item.name == "stdout")
        err += sum(len(item.data) for item in items if item.name == "stderr")
        return out, err


class OutputEngine:
    """
    Reads the output of a job; see `Engine`.

    Each request is repeated until an answer comes, so a drop loses nothing and repeats nothing.
    """

    def __init__(self, job: JobHandle, offsets: tuple[int, int]) -> None:
        self._job = job
        self._loan = Loan()
        self._bytes = 0
        self._is_over = False
        self._is_fresh = False  # whether the position was not returned yet
        self._position = OutputPosition(
            pending=collections.deque(), size=0, count_before=0, job=job.id, offsets=offsets
        )

    @property
    def what(self) -> str:
        """
        What is read, for messages.
        """
        return self._job.what

    def position(self) -> OutputPosition:
        """
        Return the position before the first item.
        """
        return self._position

    def open(self) -> None:
        """
        Read the output that has come so far.

        Raises *CoderError* where that fails, *ClosedError* when woken.
        """
        self._take(0, math.inf)

    def read(self, deadline: float) -> OutputPosition | None:
        """
        Return the next position, None at *deadline*; see `Engine.read`.
        """
        is_late = False
        while not self._is_fresh:
            if self._is_over:
                raise EndedError(StreamEnd.JOB_ENDED)
            if is_late:
                return None
            left = deadline - time.monotonic()
            is_late = left <= 0
            try:
                self._take(max(0.0, left), deadline)
            except LateError:
                return None
        self._is_fresh = False
        return self._position

    def _take(self, wait: float, deadline: float) -> None:
        """
        Read once, and wait *wait* seconds where nothing is there.
        """
        before = self._position
        offsets = before.end
        progress = self._job.read(offsets, wait=wait, loan=self._loan, deadline=deadline)
        self._loan.check()
        pieces = (("stdout", progress.stdout), ("stderr", progress.stderr))
        items = tuple(Output(cast("Name", name), data) for name, data in pieces if data)
        self._position = OutputPosition(
            pending=collections.deque(items),
            size=len(items),
            count_before=before.count_before + before.size,
            job=self._job.id,
            items=items,
            offsets=offsets,
        )
        self._is_fresh = bool(items)
        self._bytes += len(progress.stdout) + len(progress.stderr)
        is_ended = progress.returncode is not None or progress.state == "lost"
        self._is_over = is_ended and self._position.end == progress.sizes

    def counts(self) -> Counts:
        """
        Return what the connections have counted.
        """
        return Counts(bytes=self._bytes)

    def wake(self) -> None:
        """
        Make whoever reads stop; see `Engine.wake`.
        """
        self._loan.wake()

    def free(self) -> None:
        """
        Let go of the job.
        """
        self._loan.wake()
        self._loan.drop()

    def after_fork_in_child(self) -> None:
        """
        Whoever reads, as its parent did, stops. The parent's control shell is not touched.
        """
        self._loan = Loan()
        self._loan.wake()


class OutputStream(Stream[Output]):
    """
    The output of a job, piece by piece, until the job has ended.

    It continues after a drop, and nothing is lost or repeated.
    """

    __slots__ = ()

    @property
    def bookmark(self) -> str:
        """
        What `Job.output` takes as ``after=`` to continue after the last piece that was handed out.
        """
        return cast("str", self._core.position.bookmark)


def offsets_of(bookmark: str | None, job: str) -> tuple[int, int]:
    """
    Return the offsets of *bookmark*, of the job's own stream; 0 for none.

    Raises *ValueError* where it is none of *job*.
    """
    if bookmark is None:
        return 0, 0
    found = _BOOKMARK.fullmatch(bookmark)
    if found is None or found[1] != job:
        raise ValueError(f"after must be a bookmark of the job {job}, not {bookmark!r}")
    return int(found[2]), int(found[3])


def lines_of(stream: Iterator[Output], encoding: str, errors: str) -> Iterator[str]:
    """
    Yield the lines of both outputs of *stream* without their ends, each when it is whole.

    The last line of an output may have no end. Raises *DecodeError* where *errors* is ``strict`` and a byte
    does not fit.
    """
    lines = {name: _LineCutter(encoding, errors) for name in ("stdout", "stderr")}
    for output in stream:
        yield from lines[output.name].whole(output.data)
    for each in lines.values():
        yield from each.rest()


class _LineCutter:
    """
    Cuts the bytes of one output into lines.
    """

    def __init__(self, encoding: str, errors: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._begun = ""

    def whole(self, data: bytes, *, final: bool = False) -> list[str]:
        """
        Return the lines that *data* completes.
        """
        try:
            text = self._begun + self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            raise DecodeError(str(error)) from None
        *lines, self._begun = text.split("\n")
        return [line.removesuffix("\r") for line in lines]

    def rest(self) -> list[str]:
        """
        Return the last line, where it has no end.
        """
        lines = self.whole(b"", final=True)
        return [*lines, self._begun] if self._begun else lines
