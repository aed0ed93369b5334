"""
A file of rows that is useful at any moment while rows are still collected.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from coder_agents.export.appending import opened_alone
from coder_agents.export.chunks import KINDS, chunks_of_one_table, in_batches
from coder_agents.export.columns import Chunk
from coder_agents.export.files import replace_rows
from coder_agents.export.formats import LINE_FORMATS, FormatName
from coder_agents.export.paths import PathLike, Target, target_of
from coder_agents.local_files import LocalFile, is_device


class GrowingRows(Protocol):
    """
    A file that objects are added to, each of which has one row.
    """

    @property
    def count(self) -> int:
        """
        How many rows were added.
        """

    def add(self, objects: Any) -> None:
        """
        Add the rows of *objects*. The first call replaces an old file, also without rows.

        Where the call is interrupted, `count` shows whether it has added all rows or none.

        Raises what `write` raises.
        """

    def close(self) -> None:
        """
        Complete the file.
        """


@contextlib.contextmanager
def growing_rows(
    path: PathLike, of: type, *, format: FormatName | None = None
) -> Iterator[GrowingRows]:
    """
    Yield the file *path*, for objects of the class *of*.

    Rows of text, JSON Lines and CSV, also compressed, are in the file as soon as they are added, and stay
    there whatever happens to the program. A Parquet file, a device and a pipe are written at the end of the
    block, also after an exception.

    Raises *ValueError* where *path* and *format* lead to no format.
    """
    target = target_of(path, format)
    # Of a device or a pipe, nothing could be cut off that an interrupt has left.
    is_line_file = target.format != "parquet" and not is_device(target.path)
    rows: GrowingRows = _LineRows(target, of) if is_line_file else _Held(target, of)
    with contextlib.closing(rows):
        yield rows


def _chunks(objects: Any, of: type) -> Iterator[Chunk]:
    # The first one has no rows, so that the table is known where there are none.
    return itertools.chain([Chunk(KINDS[of], ())], chunks_of_one_table(objects, in_batches))


def _count(chunks: Iterable[Chunk]) -> int:
    return sum(len(chunk.items) for chunk in chunks)


class _Held:
    """
    Rows that are held in memory, and written together.
    """

    def __init__(self, target: Target, of: type) -> None:
        self._target = target
        self._of = of
        self._added: list[list[Chunk]] = []

    @property
    def count(self) -> int:
        """
        How many rows were added.
        """
        return sum(map(_count, self._added))

    def add(self, objects: Any) -> None:
        """
        Hold the rows of *objects*.
        """
        self._added.append(list(_chunks(objects, self._of)))

    def close(self) -> None:
        """
        Write the file.
        """
        if self._added:
            replace_rows(itertools.chain.from_iterable(self._added), self._target)


class _LineRows:
    """
    Rows that are lines at the end of a file.
    """

    def __init__(self, target: Target, of: type) -> None:
        self._target = target
        self._of = of
        self._opened = contextlib.ExitStack()
        self._file: LocalFile | None = None
        # Both in one object, as an interrupt may come between two assignments.
        self._length_and_count = 0, 0

    @property
    def count(self) -> int:
        """
        How many rows were added.
        """
        _, count = self._length_and_count
        return count

    def add(self, objects: Any) -> None:
        """
        Append the rows of *objects*.
        """
        chunks = list(_chunks(objects, self._of))
        if self._file is None:
            replace_rows(iter(chunks), self._target)
            self._file = self._opened.enter_context(opened_alone(self._target.path))
            self._length_and_count = os.fstat(self._file.fileno()).st_size, _count(chunks)
        elif data := self._encoded(chunks):
            length, count = self._length_and_count
            self._file.write_durably(data, at=length)  # over what an interrupt has left
            self._length_and_count = length + len(data), count + _count(chunks)

    def _encoded(self, chunks: Iterable[Chunk]) -> bytes:
        form = LINE_FORMATS[self._target.format]
        data = "".join(row for chunk in chunks for row in form.rows(chunk)).encode()
        return gzip.compress(data, mtime=0) if data and self._target.is_gzip else data

    def close(self) -> None:
        """
        Cut off what an interrupt has left.
        """
        with self._opened:
            if self._file is not None:
                self._file.truncate(self._length_and_count[0])
