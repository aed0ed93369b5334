"""
Tables: drawn for people on a terminal, separated by tabs for programs in a pipe.

In a pipe, a row is one line with the same cells in the same order, without a heading. Tabs, line ends and
other control characters within a cell are shown by their codes, such as ``\\x09``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from coder_agents.cli.screen import Screen
from coder_agents.render import cut_to_width, escape_controls

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

Cell = str | int | float | datetime | None
Row = Sequence[Cell]

_MAX_CELL = 400  # characters of a cell on a terminal
_MIN_WIDTH = 10  # columns that a cell keeps before a less important column is dropped
_GAP = 2

STYLES = {
    **dict.fromkeys(["running", "connected", "ready", "ok", "exited 0", "tcp"], "green"),
    **dict.fromkeys(
        ["starting", "stopping", "pending", "connecting", "created", "start_timeout", "skipped"]
        + ["canceling", "shutting_down", "shutdown_timeout", "deleting"],
        "yellow",
    ),
    **dict.fromkeys(
        ["failed", "start_error", "shutdown_error", "disconnected", "timeout", "lost", "error"],
        "red",
    ),
    **dict.fromkeys(["stopped", "off", "canceled", "deleted", "-"], "bright_black"),
}
"""
The colours of states.
"""


@attrs.frozen
class Column:
    """
    A column of a table.

    Attributes:
        name: its heading.
        rank: how soon it is dropped on a narrow terminal: the highest rank first, 0 never.
        is_state: whether its cells are states, which have colours.
        right: whether its cells are aligned to the right.
    """

    name: str
    rank: int = 0
    is_state: bool = False
    right: bool = False


def write_rows(screen: Screen, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """
    Write *rows*: as a table on a terminal, else as lines of cells separated by tabs.
    """
    if screen.is_terminal:
        screen.console.print(drawn(columns, list(rows), screen.width))
        return
    for row in rows:
        screen.line(tab_separated(row))
    screen.flush()


def tab_separated(row: Row) -> str:
    """
    Return *row* as a line of cells separated by tabs.
    """
    return "\t".join(_escaped(_plain(cell)) for cell in row)


def drawn(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Table:
    """
    Return the table of *rows*, for a terminal of *width* columns.

    On a narrow terminal the less important columns are dropped, and then cells are cut.
    """
    from rich.table import Table

    texts = [[_shown(cell, column) for cell, column in zip(row, columns, strict=True)] for row in rows]
    kept = _fitting(columns, texts, width)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for at in kept:
        column = columns[at]
        table.add_column(
            column.name.upper(),
            no_wrap=True,
            overflow="ellipsis",
            justify="right" if column.right else "left",
        )
    for row in texts:
        table.add_row(*(row[at] for at in kept))
    return table


def _fitting(columns: Sequence[Column], texts: Sequence[Sequence[Text]], width: int) -> list[int]:
    """
    Return the numbers of the columns that fit into *width*.
    """
    widths = [
        max([len(column.name), *(row[at].cell_len for row in texts)])
        for at, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))

    def needed() -> int:
        return sum(min(widths[at], _MIN_WIDTH if columns[at].rank else widths[at]) + _GAP for at in kept)

    while needed() - _GAP > width:
        last = max(kept, key=lambda at: columns[at].rank)
        if not columns[last].rank:
            break
        kept.remove(last)
    return kept


def _shown(cell: Cell, column: Column) -> Text:
    from rich.text import Text

    text = _people(cell)
    style = STYLES.get(text, "") if column.is_state else ""
    line = escape_controls(text[: _MAX_CELL + 1].replace("\t", " "))
    return Text(cut_to_width(line, _MAX_CELL), style=style)


def _people(cell: Cell) -> str:
    """
    Return *cell* for people: a time is in the time zone of this machine.
    """
    if isinstance(cell, datetime):
        return f"{cell.astimezone():%Y-%m-%d %H:%M:%S}"
    return _plain(cell)


def _plain(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat().replace("+00:00", "Z")
    return str(cell)


def _escaped(text: str) -> str:
    return escape_controls(text).replace("\t", "\\x09")
