"""
Read the notebooks of the documentation, which are MyST text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOKS = CHECKOUT / "docs" / "notebooks"

_CELL = re.compile(
    r"^```\{code-cell\} python\n(?P<options>(?::[^\n]*\n)*)\n?(?P<source>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_FRONT = re.compile(r"\A---\n.*?^---\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """
    A cell of a notebook.

    Attributes:
        source: the text of the cell.
        is_code: whether the cell is code; else the cell is text in MyST.
        line: the number of the first line on the page, counted from 0.
    """

    source: str
    is_code: bool
    line: int


def notebook_paths() -> list[Path]:
    """
    Return the paths of the notebooks.
    """
    return sorted(NOTEBOOKS.glob("*.md"))


def read_cells(text: str) -> list[Cell]:
    """
    Return the cells of the notebook *text*, without its front matter and the options of cells.
    """
    front = _FRONT.match(text)
    at = 0 if front is None else front.end()
    cells = []
    for code in _CELL.finditer(text):
        cells += _cell(text, at, code.start(), is_code=False)
        cells += _cell(text, *code.span("source"), is_code=True)
        at = code.end()
    return cells + _cell(text, at, len(text), is_code=False)


def _cell(text: str, start: int, end: int, *, is_code: bool) -> list[Cell]:
    """
    Return the cell of a part of *text*; an empty part is no cell.
    """
    source = text[start:end]
    if not source.strip():
        return []
    begin = start + len(source) - len(source.lstrip("\n"))
    return [Cell(source.strip("\n"), is_code, text[:begin].count("\n"))]
