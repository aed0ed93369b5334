"""
Rendering of rows and columns as a table of plain text.

A column is as wide as its widest cell. The width of a character follows Unicode: a wide East Asian
character (UAX #11) takes two columns of the terminal, a combining mark or format character none.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Sequence

from coder_agents.render.escape import escape_controls

GAP = "  "
CUT = "…"

_MIN_COLUMN = 6  # places that a column keeps

_NO_WIDTH = frozenset({"Mn", "Me", "Cf"})


def render_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, width: int | None = None
) -> list[str]:
    """
    Return the lines of a table: the names of *columns*, a rule, and one line for each of *rows*.

    Numbers are aligned to the right, other cells to the left; None is an empty cell. Characters
    that could move, break or reorder the text are shown by their codes (see `escape_controls`),
    tabs as spaces. So a row is always one line. Where the table is wider than *width*, the widest columns
    are cut until it fits, as far as that is possible.

    Raises *ValueError* for a row with more or fewer cells than there are columns.
    """
    cells = [list(row) for row in rows]
    body = [[_text(cell) for cell in row] for row in cells]
    head = [_text(name) for name in columns]
    widths = [max(map(text_width, column)) for column in zip(head, *body, strict=True)]
    if width is not None:
        widths = _fitted(widths, width)
        head, *body = ([*map(cut_to_width, row, widths)] for row in (head, *body))
    rule = ["-" * column for column in widths]
    lines = [_line(head, head, widths), _line(rule, rule, widths)]
    return lines + [_line(texts, row, widths) for texts, row in zip(body, cells, strict=True)]


def _fitted(widths: Sequence[int], width: int) -> list[int]:
    """
    Return *widths*, of which the widest are reduced until all columns fit into *width*.
    """
    fitted = list(widths)
    excess = sum(fitted) + len(GAP) * (len(fitted) - 1) - width
    while excess > 0 and max(fitted) > _MIN_COLUMN:
        fitted[fitted.index(max(fitted))] -= 1
        excess -= 1
    return fitted


def text_width(text: str) -> int:
    """
    Return the width of *text* on a terminal, in columns.
    """
    return sum(_width(character) for character in text)


def cut_to_width(text: str, width: int) -> str:
    """
    Return *text*, or its beginning and an ellipsis, in at most *width* columns.
    """
    # Of a text of any length, only what fits is measured.
    used = itertools.accumulate(map(_width, text))
    ends = list(itertools.takewhile(lambda end: end <= width, used))
    if len(ends) == len(text):
        return text
    return text[: sum(end <= width - text_width(CUT) for end in ends)] + CUT


def _width(character: str) -> int:
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _text(cell: object) -> str:
    return "" if cell is None else escape_controls(str(cell)).replace("\t", " ")


def _line(texts: Sequence[str], cells: Sequence[object], widths: Sequence[int]) -> str:
    padded = [
        _pad(text, width, right=isinstance(cell, (int, float)))
        for text, cell, width in zip(texts, cells, widths, strict=True)
    ]
    return GAP.join(padded).rstrip()


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - text_width(text))
    return space + text if right else text + space
