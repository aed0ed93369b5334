"""
All rows of some objects, column by column.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from coder_agents.export.chunks import check, chunks_of_one_table, in_batches
from coder_agents.export.columns import Table, Values

NO_TABLE = Table("nothing", ())


@attrs.frozen(eq=False)
class Gathered:
    """
    The values of each column of a table.

    Attributes:
        table: the table; without columns where nothing shows of which kind the objects are.
        values: the values of each column.
    """

    table: Table
    values: list[Values]


def gathered(objects: Any) -> Gathered:
    """
    Return all rows of *objects*; of a stream, until it ends.

    Raises what `records` raises.
    """
    check(objects)
    chunks = list(chunks_of_one_table(objects, in_batches))
    parts = [chunk.values() for chunk in chunks if chunk.items]
    if not chunks:
        return Gathered(NO_TABLE, [])
    table = chunks[0].kind.table
    if len(parts) == 1:
        return Gathered(table, list(parts[0]))
    values: list[list[Any]] = [[] for _ in table.columns]
    for part in parts:
        for column, more in zip(values, part, strict=True):
            column.extend(more)
    return Gathered(table, list(values))


def is_utf8(texts: Iterable[str]) -> bool:
    """
    Whether UTF-8 can encode *texts*: it has no half surrogate pairs.
    """
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def without_surrogates(values: Values) -> list[str | None]:
    """
    Return the texts *values* with each half surrogate pair shown by its code.
    """
    return [None if value is None else escaped_surrogates(value) for value in values]


def escaped_surrogates(text: str) -> str:
    """
    Return *text* with each half surrogate pair shown by its code, as ``\\uNNNN``.
    """
    return text.encode("utf-8", "backslashreplace").decode()
