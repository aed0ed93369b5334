"""
Rendering of rows and columns as an HTML table for a notebook.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from coder_agents.render.escape import escape_controls

# The styles are on the cells, because a notebook keeps no style sheet. They set no colours, so that
# the table is readable in light and dark themes.
_LEFT = "text-align: left; vertical-align: top"
_RIGHT = "text-align: right; vertical-align: top"
_HEAD = f"{_LEFT}; white-space: nowrap"
_LINES = "margin: 0; white-space: pre-wrap; overflow-wrap: anywhere"


def render_html_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = ""
) -> str:
    """
    Return a table of *caption*, the names of *columns*, and *rows*.

    Numbers are aligned to the right, other cells to the left; None is an empty cell. A list or
    tuple is lines of output, one below the other. Markup in the text is escaped, and characters
    that could break or reorder the text are shown by their codes (see `escape_controls`).

    Raises *ValueError* for a row with more or fewer cells than there are columns.
    """
    head = "".join(f'<th style="{_HEAD}">{_text(name)}</th>' for name in columns)
    body = "".join(_row(columns, row) for row in rows)
    above = f'<caption style="{_HEAD}">{_text(caption)}</caption>' if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(columns: Sequence[str], row: Sequence[object]) -> str:
    cells = (_cell(cell) for _, cell in zip(columns, row, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(cell: object) -> str:
    if isinstance(cell, (list, tuple)):
        lines = "\n".join(map(_text, cell))
        return f'<td style="{_LEFT}"><pre style="{_LINES}">{lines}</pre></td>'
    style = _RIGHT if isinstance(cell, (int, float)) else _LEFT
    return f'<td style="{style}">{"" if cell is None else _text(cell)}</td>'


def _text(value: object) -> str:
    return html.escape(escape_controls(str(value)))
