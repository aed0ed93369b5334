"""
Rows as a table of Arrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from coder_agents.export.columns import Column, Table, Type, Values
from coder_agents.export.gathered import escaped_surrogates, gathered, without_surrogates
from coder_agents.export.optional import needed

if TYPE_CHECKING:
    import pyarrow


def to_arrow(objects: Any) -> pyarrow.Table:
    """
    Return the rows of *objects* as a table of Arrow; `records` describes *objects*.

    The schema does not depend on the values. Times are in microseconds and UTC, and texts with few
    different values are dictionaries.

    Raises *ImportError* where pyarrow is not installed, and what `records` raises.
    """
    with needed("export.to_arrow"):
        import pyarrow  # noqa: F401
    found = gathered(objects)
    return arrow_table(found.table, found.values)


def arrow_table(table: Table, values: Sequence[Values]) -> pyarrow.Table:
    """
    Return the *values* of each column of *table* as a table of Arrow.
    """
    import pyarrow

    schema = arrow_schema(table)
    arrays = [_array(list(each), field.type) for each, field in zip(values, schema, strict=True)]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def arrow_schema(table: Table) -> pyarrow.Schema:
    """
    Return the schema of *table*.
    """
    import pyarrow

    return pyarrow.schema(
        [
            pyarrow.field(column.name, _type(column), nullable=not column.is_required)
            for column in table.columns
        ]
    )


def _type(column: Column) -> Any:
    import pyarrow

    types = {
        Type.TEXT: pyarrow.string(),
        Type.CATEGORY: pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
        Type.INTEGER: pyarrow.int64(),
        Type.NUMBER: pyarrow.float64(),
        Type.BOOLEAN: pyarrow.bool_(),
        Type.TIME: pyarrow.timestamp("us", tz="UTC"),
        Type.MAPPING: pyarrow.map_(pyarrow.string(), pyarrow.string()),
    }
    return types[column.type]


def _array(values: list[Any], kind: Any) -> Any:
    import pyarrow

    if pyarrow.types.is_map(kind):
        return pyarrow.array([None if value is None else _pairs(value) for value in values], kind)
    try:
        return pyarrow.array(values, kind)
    except UnicodeEncodeError:
        return pyarrow.array(without_surrogates(values), kind)


def _pairs(mapping: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(escaped_surrogates(key), escaped_surrogates(value)) for key, value in mapping.items()]
