"""
Rows that are appended to a file, so that a stream continues where an earlier one has ended.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

from coder_agents.export.chunks import chunk_of_stream, chunks_of_one_table, one_by_one
from coder_agents.export.columns import Chunk
from coder_agents.export.formats import LINE_FORMATS, LineFormat
from coder_agents.export.paths import Target
from coder_agents.export.positions import FilePosition, position_path
from coder_agents.local_files import LocalFile
from coder_agents.streams import BuildLogStream, LogStream, MergedLogStream
from coder_agents.streams.bookmark import Bookmark

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # pragma: no cover (Windows)
    flock = None  # type: ignore[assignment]

LogStreams = LogStream | BuildLogStream | MergedLogStream[Any]
Bookmarks = Mapping[uuid.UUID, Bookmark]
IsNew = Callable[[uuid.UUID, int], bool]
"""
Whether a line, by the id of its agent or build and its own id, is not in the file yet.
"""
Step = tuple[Sequence[Chunk], Bookmarks]
"""
Rows that are written together, and the bookmarks after them.
"""

_INTERVAL = 0.25  # seconds between two commits of rows that come one by one
_COMPARED = 65_536  # bytes of a file that are compared with the names of the columns


def append_rows(
    objects: Any, target: Target, *, on_end: Callable[[int], object] = lambda count: None
) -> int:
    """
    Append the rows of *objects* to the file *target*; return how many were appended.

    *on_end* is called with that number at the end, also after an error or an interrupt.

    Raises *ValueError* for a file that is not what the position beside it describes.
    """
    _check_grows(target)
    with opened_alone(target.path) as file:
        if isinstance(objects, LogStream | BuildLogStream | MergedLogStream):
            position = _begin(file, target, is_stream=True)
            steps = _of_stream(objects, lambda *line: not position.covers(*line))
        else:
            position = _begin(file, target, is_stream=False)
            steps = _of_objects(objects)
        with GrowingFile(file, target, position) as growing:
            try:
                for chunks, bookmarks in steps:
                    growing.commit(chunks, bookmarks)
            finally:
                on_end(growing.count)
        return growing.count


def check_appendable(target: Target) -> None:
    """
    Raise what `append_rows` would raise for a stream of logs and *target*, which is not touched.
    """
    _check_grows(target)
    size = target.path.stat().st_size if target.path.exists() else 0
    _position_of(target, size, is_stream=True)


def _check_grows(target: Target) -> None:
    if target.format == "parquet":
        raise ValueError(
            "a Parquet file cannot grow: append to .jsonl, and write the Parquet file from it"
        )
    path = target.path
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(
            f"{path} is a device or a pipe, which cannot be continued: append to a file"
        )


@contextlib.contextmanager
def opened_alone(path: Path) -> Iterator[LocalFile]:
    """
    Open the file *path*, which this process alone appends to.

    Raises *BlockingIOError* where another program appends to it.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    with LocalFile(os.open(path, flags, 0o666), "r+b", known_as=path) as file:
        _lock(file, path)
        yield file


def check_not_growing(path: Path) -> None:
    """
    Raise *BlockingIOError* where a program is appending to the file *path*.
    """
    # A file that cannot be read or locked may be growing: then it is replaced, as nothing can be known.
    with contextlib.suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
        try:
            _lock(file, path)
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks
            return


def _lock(file: IO[bytes] | LocalFile, path: Path) -> None:
    if flock is not None:  # pragma: no branch (Windows)
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                error.errno, "another program is appending to this file", str(path)
            ) from None


def _begin(file: LocalFile, target: Target, *, is_stream: bool) -> FilePosition:
    """
    Return the position to continue at, and cut off what a crash left after it.
    """
    position = _position_of(target, os.fstat(file.fileno()).st_size, is_stream=is_stream)
    file.truncate(position.length)
    return position


def _position_of(target: Target, size: int, *, is_stream: bool) -> FilePosition:
    """
    Return the position of the file *target*, which has *size* bytes.

    Raises *ValueError* where they do not fit each other.
    """
    path = target.path
    position = FilePosition.read(path) or FilePosition(length=size, format=target.format)
    name, beside = path.name, position_path(path).name
    if position.format != target.format:
        raise ValueError(f"{name} has the format {position.format}, not {target.format}")
    if size < position.length:
        raise ValueError(
            f"{name} has {size} bytes, but {beside} counts {position.length}: to write the log from"
            f" its beginning, delete {beside}"
        )
    if is_stream and position.length and not position.bookmarks:
        raise ValueError(
            f"{beside} is missing, or does not list the lines of {name}: append the stream to a new"
            " file"
        )
    if position.bookmarks and not is_stream:
        raise ValueError(
            f"a stream of logs was appended to {name}: append only streams to it, as lines could be"
            " repeated"
        )
    return position


class GrowingFile:
    """
    A file that rows are appended to, and its position.

    Args:
        file: the file, without a buffer.
        target: its path and its format.
        position: how far the file has come.

    Attributes:
        count: how many rows were appended.
    """

    def __init__(self, file: LocalFile, target: Target, position: FilePosition) -> None:
        self._file = file
        self._target = target
        self._format: LineFormat = LINE_FORMATS[target.format]
        self._position = position
        self.count = 0

    def __enter__(self) -> GrowingFile:
        # Before the first row: a crash from here on leaves a position.
        self._position.store(self._target.path)
        return self

    def __exit__(self, *_: object) -> None:
        # What an interrupt left is half a commit.
        self._file.truncate(self._position.length)

    def commit(self, chunks: Sequence[Chunk], bookmarks: Bookmarks) -> None:
        """
        Append the rows of *chunks*, and then store the position with *bookmarks*.

        Raises *ValueError* where the file has rows of another table.
        """
        before = self._position
        added, count = self._encoded(chunks)
        if added:
            self._file.write_durably(added, at=before.length)
        position = attrs.evolve(
            before,
            length=before.length + len(added),
            table=chunks[0].kind.table.name if chunks else before.table,
            bookmarks=before.joined(bookmarks),
        )
        if position != before:
            # First here, as an interrupt must not cut off what the stored position counts.
            self._position, self.count = position, self.count + count
            position.store(self._target.path)

    def _encoded(self, chunks: Sequence[Chunk]) -> tuple[bytes, int]:
        if not chunks:
            return b"", 0
        table = chunks[0].kind.table
        head = self._format.head(table)
        if self._position.table not in ("", table.name):
            raise ValueError(
                f"{self._target.path.name} has {self._position.table}, so {table.name} cannot be"
                " appended to it"
            )
        if self._position.length and not self._position.table:
            self._check_head(head.encode())
        rows = [row for chunk in chunks for row in self._format.rows(chunk)]
        added = "".join(rows if self._position.length else [head, *rows]).encode()
        if added and self._target.is_gzip:
            added = gzip.compress(added, mtime=0)
        return added, len(rows)

    def _check_head(self, head: bytes) -> None:
        self._file.seek(0)
        found = self._file.read(_COMPARED)
        if self._target.is_gzip:
            with contextlib.suppress(OSError, EOFError), gzip.open(self._target.path) as file:
                found = file.read(len(head))
        if not found.startswith(head):
            raise ValueError(f"{self._target.path.name} has other columns in its first line")
        self._file.seek(-1, os.SEEK_END)
        if not self._target.is_gzip and self._file.read(1) != b"\n":
            raise ValueError(f"{self._target.path.name} does not end with a newline")


def _of_stream(stream: LogStreams, is_new: IsNew) -> Iterator[Step]:
    """
    Yield the lines of *stream* that are new, as they arrive.
    """
    yield [chunk_of_stream(stream, ())], _bookmarks(stream)
    if isinstance(stream, MergedLogStream):
        yield from _of_merged_stream(stream, is_new)
    else:
        yield from _of_one_log(stream, is_new)
    yield [], _bookmarks(stream)


def _of_one_log(stream: LogStream | BuildLogStream, is_new: IsNew) -> Iterator[Step]:
    batches: Iterator[list[Any]] = stream.batches()
    for batch in batches:
        # The next build of a workspace has another agent, and each batch is of one agent.
        bookmark = Bookmark.read_any(stream.bookmark)
        new = [line for line in batch if is_new(bookmark.agent_id, line.id)]
        yield [chunk_of_stream(stream, new)], {bookmark.agent_id: bookmark}


def _of_merged_stream(stream: MergedLogStream[Any], is_new: IsNew) -> Iterator[Step]:
    for batch in stream.batches():
        new = [line for line in batch if is_new(line.agent.id, line.log.id)]
        yield [chunk_of_stream(stream, new)], _bookmarks(stream)


def _bookmarks(stream: LogStreams) -> Bookmarks:
    texts = (
        list(stream.bookmarks.values())
        if isinstance(stream, MergedLogStream)
        else [stream.bookmark]
    )
    return {each.agent_id: each for each in map(Bookmark.read_any, texts)}


def _of_objects(objects: Any) -> Iterator[Step]:
    """
    Yield the rows of *objects*, of which no stream knows a position.
    """
    pending: list[Chunk] = []
    committed = float("-inf")
    try:
        for chunk in chunks_of_one_table(objects, one_by_one):
            pending.append(chunk)
            if time.monotonic() - committed >= _INTERVAL:
                yield pending, {}
                pending, committed = [], time.monotonic()
    except (Exception, KeyboardInterrupt, SystemExit):
        # No stream yields these rows again. A program that handles SIGTERM ends by SystemExit.
        yield pending, {}
        raise
    yield pending, {}
