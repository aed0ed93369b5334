"""
Rows and columns in, a table in HTML out, as a notebook shows it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from coder_agents.render.escape import escape_controls

# On the cells themselves: a notebook keeps no style sheet of ours. No colours, so that light and
# dark themes both do.
_LEFT = "text-align: left; vertical-align: top"
_RIGHT = "text-align: right; vertical-align: top"
_HEAD = f"{_LEFT}; white-space: nowrap"
_LINES = "margin: 0; white-space: pre-wrap; overflow-wrap: anywhere"


def render_html_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = ""
) -> str:
    """
    Return a table: *caption*, the names of *columns*, and each of *rows*.

    Numbers stand on the right, everything else on the left; None is empty. A list or tuple is
    lines of output, one below the other. Whatever the text is, it stays text: markup is
    escaped, and characters that could break or reorder it are shown by their codes (see
    `escape_controls`).

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
