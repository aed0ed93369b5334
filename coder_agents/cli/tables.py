"""
Tables: drawn for people on a terminal, separated by tabs for programs in a pipe.

In a pipe, a row is one line with the same cells in the same order, without a heading. Tabs, line ends and
other control characters within a cell are shown by their codes, such as ``\\x09``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import attrs

from coder_agents.cli.screen import OutputScreen
from coder_agents.render import cut_to_width, escape_controls

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

Cell = str | int | float | datetime | None
Row = Sequence[Cell]

_MAX_CELL = 400  # characters of a cell on a terminal
_MIN_WIDTH = 8  # columns that a cell keeps before its column is dropped
_GAP = 2

_GOOD = "running connected ready ok exited"
_UNDER_WAY = (
    "starting stopping pending connecting created start_timeout canceling deleting shutting_down"
    " shutdown_timeout"
)
_BAD = "failed start_error shutdown_error disconnected timeout lost error signaled"
_AWAY = "stopped off canceled deleted -"

STYLES = {
    word: style
    for words, style in (
        (_GOOD, "green"),
        (_UNDER_WAY, "yellow"),
        (_BAD, "red"),
        (_AWAY, "bright_black"),
    )
    for word in words.split()
}
"""
The colours of states.
"""


@attrs.frozen
class TableColumn:
    """
    A column of a table.

    Attributes:
        name: its heading.
        rank: how soon it is dropped on a narrow terminal: the highest rank first, 0 never.
        is_state: whether its cells are states, which have colours.
        right: whether its cells are aligned to the right.
        is_long: whether its cells are cut before another column is dropped.
    """

    name: str
    rank: int = 0
    is_state: bool = False
    right: bool = False
    is_long: bool = False


def write_rows(screen: OutputScreen, columns: Sequence[TableColumn], rows: Iterable[Row]) -> None:
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


def drawn(columns: Sequence[TableColumn], rows: Sequence[Row], width: int) -> Table:
    """
    Return the table of *rows*, for a terminal of *width* columns.

    On a narrow terminal the less important columns are dropped, and cells are cut.
    """
    from rich.table import Table

    texts = [
        [_shown(cell, column) for cell, column in zip(row, columns, strict=True)] for row in rows
    ]
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    widths = fitted(columns, _wanted(columns, texts), width)
    for at, wide in widths.items():
        justify: Literal["left", "right"] = "right" if columns[at].right else "left"
        table.add_column(
            columns[at].name, no_wrap=True, overflow="ellipsis", justify=justify, width=wide
        )
    for row in texts:
        table.add_row(*(row[at] for at in widths))
    return table


def _wanted(columns: Sequence[TableColumn], texts: Sequence[Sequence[Text]]) -> list[int]:
    """
    Return how wide each column would be without a limit.
    """
    return [
        max([len(column.name), *(row[at].cell_len for row in texts)])
        for at, column in enumerate(columns)
    ]


def fitted(columns: Sequence[TableColumn], wanted: Sequence[int], width: int) -> dict[int, int]:
    """
    Return the widths of the columns that fit into *width*, by their numbers.

    Columns with the highest rank are made narrower first, then they are dropped. Of the columns that are
    never dropped, the widest is made narrower.
    """
    widths = dict(enumerate(wanted))

    def excess() -> int:
        return sum(widths.values()) + _GAP * (len(widths) - 1) - width

    ranked = sorted(
        (at for at in widths if columns[at].rank), key=lambda at: columns[at].rank, reverse=True
    )
    long = [at for at in widths if columns[at].is_long]
    for at in ranked:
        widths[at] -= max(0, min(excess(), widths[at] - _MIN_WIDTH))
    if excess() > 0:
        widths |= {at: min(widths[at], 2 * _MIN_WIDTH) for at in long}
    for at in ranked:
        if excess() > 0:
            del widths[at]
    # What was made narrower before a column was dropped may be wide again; long columns share the room.
    while excess() < 0 and (cut := [at for at in long if widths.get(at, wanted[at]) < wanted[at]]):
        widths[min(cut, key=lambda at: widths[at])] += 1
    for at in (at for at in reversed(ranked) if at in widths):
        widths[at] += max(0, min(-excess(), wanted[at] - widths[at]))
    while excess() > 0 and max(widths.values()) > 1:
        widths[max(widths, key=lambda at: widths[at])] -= 1
    return widths


def _shown(cell: Cell, column: TableColumn) -> Text:
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
