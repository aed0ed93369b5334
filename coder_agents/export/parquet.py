"""
Rows as a Parquet file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from coder_agents.export.arrow import arrow_schema, arrow_table
from coder_agents.export.columns import Chunk, Table, Values
from coder_agents.export.gathered import NO_TABLE
from coder_agents.export.optional import needed

_GROUP = 100_000  # rows that are held in memory, and written together


def parquet_library() -> Any:
    """
    Return the module ``pyarrow.parquet``.

    Raises *ImportError* where pyarrow is not installed.
    """
    with needed("a Parquet file"):
        from pyarrow import parquet
    return parquet


def write_parquet(chunks: Iterable[Chunk], file: BinaryIO) -> int:
    """
    Write the rows of *chunks*, of one table, to *file*; return how many rows there are.

    Raises *ImportError* where pyarrow is not installed.
    """
    parquet = parquet_library()
    remaining = iter(chunks)
    first = list(itertools.islice(remaining, 1))
    table = first[0].kind.table if first else NO_TABLE
    group = _RowGroup(table)
    with parquet.ParquetWriter(file, arrow_schema(table)) as writer:
        for chunk in itertools.chain(first, remaining):
            group.add(chunk.values())
            if group.size >= _GROUP:
                writer.write_table(group.taken())
        writer.write_table(group.taken())
    return group.count


class _RowGroup:
    """
    Rows that are written together.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._values: list[list[Any]] = [[] for _ in table.columns]
        self.size = 0
        self.count = 0

    def add(self, values: Sequence[Values]) -> None:
        """
        Add rows: the *values* of each column.
        """
        for column, more in zip(self._values, values, strict=True):
            column.extend(more)
        self.size += len(values[0])
        self.count += len(values[0])

    def taken(self) -> Any:
        """
        Return the rows as a table of Arrow, and begin another group.
        """
        table = arrow_table(self._table, self._values)
        self._values = [[] for _ in self._values]
        self.size = 0
        return table
