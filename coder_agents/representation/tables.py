"""
Tables of objects.

A class names its columns in ``_columns``, and its objects return their cells with ``_cells()``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coder_agents.render.html import render_html_table
from coder_agents.render.line import render_value
from coder_agents.representation.objects import Represented, fact, label

MAX_ROWS = 20
"""
The maximal number of rows of a table.
"""

Table = tuple[Sequence[str], list[Sequence[object]]]
"""
The columns and the rows of a table.
"""


def table_of_list(items: Sequence[object], of: type | None = None) -> str:
    """
    Return the table of *items*: of the first ten and the last ten, where there are more than twenty.

    *of* is the class of the items, if it is known.
    """
    if not items:
        kind = "" if of is None else f" of {_noun(of, 's')}"
        return render_html_table((), (), caption=f"empty list{kind}")
    half, hidden = MAX_ROWS // 2, len(items) - MAX_ROWS
    shown = [*items[:half], *items[-half:]] if hidden > 0 else list(items)
    columns, rows = table(shown)
    return render_html_table(
        columns,
        rows,
        caption=f"{len(items):,} {_kind(items)}",
        skipped=(half, hidden) if hidden > 0 else None,
    )


def table(items: Sequence[object]) -> Table:
    """
    Return the columns and the rows of *items*, each a row.

    Without columns of their class, objects of one class have a column for each field that differs from
    its default in one of them. Objects of several classes are in one column, by their `repr`.
    """
    kinds = {type(item) for item in items}
    kind: Any = kinds.pop() if len(kinds) == 1 else None
    if kind is not None and (columns := getattr(items[0], "_columns", ())):
        return without_empty(columns, [item._cells() for item in items])  # type: ignore[attr-defined]
    if kind is not None and issubclass(kind, Represented):
        return _by_fields(items)
    return ("",), [(_whole(item),) for item in items]


def without_empty(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """
    Return *columns* and *rows* without the columns that are empty in every row.
    """
    kept = [at for at in range(len(columns)) if any(row[at] not in (None, "") for row in rows)]
    return [columns[at] for at in kept], [[row[at] for at in kept] for row in rows]


def _by_fields(items: Sequence[Any]) -> Table:
    rows = [dict(item._fields()) for item in items]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [label(name) for name in names]
    return columns, [[fact(row.get(name)) for name in names] for row in rows]


def _kind(items: Sequence[object]) -> str:
    kinds = {type(item) for item in items}
    return _noun(kinds.pop(), "s" if len(items) > 1 else "") if len(kinds) == 1 else "objects"


def _noun(kind: type, ending: str) -> str:
    """
    Return what people call objects of the class *kind*, with the *ending* of a plural; else its name.
    """
    noun = getattr(kind, "_noun", "")
    return f"{noun}{ending}" if noun else kind.__name__


def _whole(item: object) -> object:
    return item if isinstance(item, (str, int, float)) else render_value(item)
