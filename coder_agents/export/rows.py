"""
Rows as plain dicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coder_agents.export.chunks import check, chunks_of_one_table, one_by_one
from coder_agents.export.columns import Chunk


def records(objects: Any) -> Iterator[dict[str, Any]]:
    """
    Return a generator of the rows of *objects*: dicts from the names of columns to plain values.

    *objects* are what the client returns: one object, a list or any other iterable of objects, a
    stream, or a mapping from agents to any of these. The generator takes an object of a stream or
    of an iterable when the object's row is needed, so it also follows a log. Values are texts,
    integers, floats, truth values, times with a zone, and dicts of texts; None is a missing value.

    Raises *TypeError* where an object has no rows, and where two objects have rows of different
    tables: for *objects* themselves at once, for the objects in them in the iteration.
    """
    check(objects)
    return _records(objects)


def _records(objects: Any) -> Iterator[dict[str, Any]]:
    for chunk in chunks_of_one_table(objects, one_by_one):
        yield from records_of(chunk)


def records_of(chunk: Chunk) -> Iterator[dict[str, Any]]:
    """
    Yield the rows of *chunk*.
    """
    names = chunk.kind.table.names
    for row in zip(*chunk.values(), strict=True):
        yield dict(zip(names, row, strict=True))
