"""
Rows as a data frame of pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from coder_agents.export.columns import Column, Table, Type, Values
from coder_agents.export.gathered import gathered, is_utf8, without_surrogates
from coder_agents.export.optional import needed

if TYPE_CHECKING:
    import pandas


def to_frame(objects: Any) -> pandas.DataFrame:
    """
    Return the rows of *objects* as a data frame; `records` describes *objects*.

    The types of the columns do not depend on the values. Times are ``datetime64[us, UTC]``, and
    texts with few different values are categories, of which levels and lifecycle states are
    ordered. A column of integers or truth values in which a value may be missing has the type
    ``Int64`` or ``boolean``. An empty list whose kind is known gives a frame with all columns.

    Raises *ImportError* where pandas is not installed, and what `records` raises.
    """
    with needed("export.to_frame"):
        import pandas  # noqa: F401
    found = gathered(objects)
    return frame_of(found.table, found.values)


def frame_of(table: Table, values: Sequence[Values]) -> pandas.DataFrame:
    """
    Return the *values* of each column of *table* as a data frame.
    """
    import pandas

    columns = zip(table.columns, values, strict=True)
    arrays = {column.name: _array(column, each) for column, each in columns}
    return pandas.DataFrame(arrays, copy=False)


def _array(column: Column, values: Values) -> Any:
    import pandas

    if column.type is Type.CATEGORY:
        return _category(column, values)
    if column.type is Type.TEXT:
        return _text(values)
    return pandas.array(list(values), dtype=_dtype(column))


def _dtype(column: Column) -> Any:
    if column.type is Type.INTEGER:
        return "int64" if column.is_required else "Int64"
    if column.type is Type.BOOLEAN:
        return "bool" if column.is_required else "boolean"
    if column.type is Type.NUMBER:
        return "float64"
    return "datetime64[us, UTC]" if column.type is Type.TIME else "object"


def _text(values: Values) -> Any:
    import pandas

    # pandas 3 refuses half surrogate pairs, and earlier releases keep them.
    texts = values if is_utf8(filter(None, values)) else without_surrogates(values)
    return pandas.array(list(texts), dtype=_text_dtype())


def _text_dtype() -> Any:
    import pandas

    # The type that this release of pandas has for texts: str from 3.0 on, object before.
    return pandas.Series([""]).dtype


def _category(column: Column, values: Values) -> Any:
    import pandas

    distinct = dict.fromkeys(values)
    distinct.pop(None, None)
    if not is_utf8(distinct):
        return _category(column, without_surrogates(values))
    # Values that a newer deployment sends come after the known ones, as in a filter by level.
    unknown = [value for value in distinct if value not in column.order]
    categories = [*column.order, *unknown]
    codes = {value: code for code, value in enumerate(categories)}
    codes[None] = -1
    return pandas.Categorical.from_codes(
        list(map(codes.__getitem__, values)),
        categories=pandas.Index(categories, dtype=_text_dtype()),
        ordered=bool(column.order),
    )
