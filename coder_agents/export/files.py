"""
Rows as a file.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

from coder_agents.export.appending import append_rows, check_appendable, check_not_growing
from coder_agents.export.chunks import KINDS, check, chunks_of_one_table, in_batches
from coder_agents.export.columns import Chunk
from coder_agents.export.formats import LINE_FORMATS, FormatName, LineFormat
from coder_agents.export.parquet import parquet_library, write_parquet
from coder_agents.export.paths import PathLike, Target, target_of
from coder_agents.export.positions import position_path
from coder_agents.local_files import LocalFile, is_device
from coder_agents.replacing import check_replaceable, replaced, sync_folder


def write(
    objects: Any, path: PathLike, *, format: FormatName | None = None, append: bool = False
) -> int:
    """
    Write the rows of *objects* to the file *path*, and return how many rows were written.

    *objects* are those of `records`; of a stream, all rows until the stream ends. The suffix of
    *path* is the format: ``.txt`` or ``.log`` for text, ``.jsonl``, ``.csv`` or ``.parquet``. Text
    is for logs only, in the form of the deployment's plain text logs. With ``.gz`` at the end, the
    file is compressed. *format* takes precedence over the suffix.

    The file is written in one step: whoever opens it gets the old file or the complete new one. It
    keeps its mode. After an error, the old file is unchanged.

    With *append*, the rows are added to the file as they come. Beside it, the file
    ``PATH.position`` has the position of a stream of logs: when a stream of the same agents is
    appended later, also after a crash, no line is lost and none is written twice.

    Raises *ValueError* where path and *format* lead to no format, where the rows do not fit the
    format or the file, and where the position does not fit the file; *BlockingIOError* where
    another program appends to the file; *ImportError* where pyarrow is not installed, for Parquet;
    *OSError*; and what `records` raises.
    """
    target = target_of(path, format)
    check(objects)
    if append:
        return append_rows(objects, target)
    return replace_rows(chunks_of_one_table(objects, in_batches), target)


def check_file(
    path: PathLike, of: type, *, format: FormatName | None = None, append: bool = False
) -> None:
    """
    Raise what `write` would raise for *path* and rows of the class *of*, before they are collected.

    With *append*, the rows are those of a stream of logs. The file is not touched. Raises
    *ValueError*, *ImportError* and *OSError* as `write`.
    """
    target = target_of(path, format)
    _check_format(Chunk(KINDS[of], ()), target)
    if append:
        check_appendable(target)
    if target.format == "parquet":
        parquet_library()
    if not is_device(target.path):
        check_not_growing(target.path)
        check_replaceable(target.path)


def replace_rows(chunks: Iterator[Chunk], target: Target) -> int:
    """
    Write the rows of *chunks* to the file *target*, in one step; return how many there are.

    Raises what `write` raises.
    """
    # What is wrong with the first object is raised before the file is touched.
    first = list(itertools.islice(chunks, 1))
    for chunk in first:
        _check_format(chunk, target)
    with _opened(target) as file, _compressed(file, target) as written:
        return _write(itertools.chain(first, chunks), target.format, written)


def _check_format(chunk: Chunk, target: Target) -> None:
    if target.format != "parquet":
        LINE_FORMATS[target.format].rows(Chunk(chunk.kind, ()))


@contextlib.contextmanager
def _opened(target: Target) -> Iterator[BinaryIO]:
    path = target.path
    if is_device(path):
        with io.BufferedWriter(LocalFile(path, "wb", known_as=path)) as file:
            yield file
        return
    check_not_growing(path)  # the position would count bytes of another file
    with replaced(path, stale=position_path(path)) as file:
        yield file
    sync_folder(path.parent)


@contextlib.contextmanager
def _compressed(file: BinaryIO, target: Target) -> Iterator[BinaryIO]:
    if not target.is_gzip:
        yield file
        return
    # Without name and time, equal rows give equal files.
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
        yield cast("BinaryIO", compressed)


def _write(chunks: Iterable[Chunk], format: FormatName, file: BinaryIO) -> int:
    if format == "parquet":
        return write_parquet(chunks, file)
    return _write_lines(chunks, LINE_FORMATS[format], file)


def _write_lines(chunks: Iterable[Chunk], format: LineFormat, file: BinaryIO) -> int:
    count = 0
    for number, chunk in enumerate(chunks):
        rows = format.rows(chunk)
        head = "" if number else format.head(chunk.kind.table)
        file.write("".join([head, *rows]).encode())
        count += len(rows)
    return count
