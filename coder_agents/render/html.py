"""
Rendering of rows, facts and output as HTML for a notebook.

The styles are on the elements, because a notebook keeps no style sheet. Text has the colour of the
page, and lines and dots have colours that can be seen in light and dark themes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from coder_agents.render.ansi import colours_to_html
from coder_agents.render.escape import escape_controls, last_state
from coder_agents.render.line import counted

MAX_LENGTH = 400
"""
The maximal number of characters of a text, or of a line of output, that are shown.
"""

_SHORT = 36  # characters that stay on one line
_TAG = re.compile("<[^>]*>")

_LINE = "1px solid rgba(128,128,128,.35)"
_MUTED = "opacity:.65"
_TONES = {"good": "#2da44e", "busy": "#bf8700", "bad": "#d1242f", "idle": "#8c959f"}

# Themes of notebooks set the layout and the margins of tables, and the borders of what they contain.
_TABLE = (
    "border-collapse:collapse;border:none;table-layout:auto;margin:0;"
    "font-size:var(--jp-ui-font-size1,13px)"
)
_CELL = "vertical-align:top;padding:3px 12px 3px 0"
_HEAD = f"text-align:left;{_CELL};white-space:nowrap;border-bottom:{_LINE}"
_NAME = f"text-align:left;{_CELL};white-space:nowrap;font-weight:normal;opacity:.7"
_TITLE = "text-align:left;padding:0 0 4px;font-weight:600;overflow-wrap:anywhere"
_SCROLLED = "overflow-x:auto;max-width:100%"
_BOX = (
    f"{_SCROLLED};box-sizing:border-box;width:fit-content;border:{_LINE};border-radius:6px;"
    "padding:8px 12px"
)
_OUTPUT = (
    "margin:0;padding:0;border:none;background:transparent;color:inherit;white-space:pre-wrap;"
    "overflow-wrap:anywhere;font-size:12px;line-height:1.45"
)
_LONG = "min-width:12em;overflow-wrap:anywhere"  # a column of long texts


class Markup(str):
    """
    HTML that is safe already.
    """

    __slots__ = ()


def render_html_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    caption: str = "",
    skipped: tuple[int, int] | None = None,
    note: str = "",
) -> Markup:
    """
    Return a table: *caption*, the names of *columns*, *rows*, and a *note* below.

    Numbers are aligned to the right, other cells to the left. None is an empty cell, True and False
    are "yes" and "no", a time is in UTC, and a duration in seconds. A list or tuple is lines of output
    with their colours, one below the other. `Markup` stays as it is. Other text is escaped, cut after
    400 characters, and characters that could break or reorder it are shown by their codes (see
    `escape_controls`).

    *skipped* is a pair: the number of rows before the line that counts the rows which are not shown, and their number.

    Raises *ValueError* for a row with more or fewer cells than there are columns.
    """
    names = "".join(f'<th style="{_HEAD}">{_text(name)}</th>' for name in columns)
    head = f"<thead><tr>{names}</tr></thead>" if any(columns) else ""
    body = [_row(columns, row) for row in rows]
    if skipped is not None:
        at, count = skipped
        more = f'<td colspan="{len(columns)}" style="text-align:left;{_CELL};{_MUTED}">'
        body.insert(at, f"<tr>{more}… {count:,} more …</td></tr>")
    table = f'<table style="{_TABLE}">{head}<tbody>{"".join(body)}</tbody></table>'
    shown = table if head or body else ""
    return Markup(f'<div style="{_SCROLLED}">{_titled(caption)}{shown}{_noted(note)}</div>')


def render_html_card(
    title: str, facts: Iterable[tuple[str, object]], *, below: Iterable[Markup] = ()
) -> Markup:
    """
    Return a card: *title*, a line for each of *facts*, and tables *below* them.

    A fact is a name and a value, which is shown as a cell of `render_html_table`. A fact without a
    value, with None or an empty text, is not shown.
    """
    lines = "".join(
        f'<tr><th style="{_NAME}">{_text(name)}</th>{_cell(value, "left")}</tr>'
        for name, value in facts
        if value is not None and value != ""
    )
    table = f'<table style="{_TABLE}"><tbody>{lines}</tbody></table>' if lines else ""
    parts = "".join(f'<div style="padding-top:8px">{part}</div>' for part in below)
    return Markup(f'<div style="{_BOX}">{_titled(title)}{table}{parts}</div>')


def render_html_output(lines: Iterable[str], *, skipped: tuple[int, int] | None = None) -> Markup:
    """
    Return *lines* of output with their colours, and of progress bars the last states.

    A line is cut after 400 characters. *skipped* is as in `render_html_table`.
    """
    shown = [colours_to_html(last_state(line), MAX_LENGTH) for line in lines]
    if skipped is not None:
        at, count = skipped
        more = counted(count, "more line")
        shown.insert(at, f'<span style="{_MUTED}">… {more} …</span>')
    return Markup(f'<pre style="{_OUTPUT}">{chr(10).join(shown)}</pre>')


def dot(text: str, tone: str) -> Markup:
    """
    Return *text* after a dot in the colour of *tone*: good, busy, bad or idle.
    """
    return Markup(f'<span style="color:{_TONES[tone]}">●</span>&nbsp;{_text(text)}')


def _titled(title: str) -> str:
    return f'<div style="{_TITLE}">{_text(title)}</div>' if title else ""


def _noted(note: str) -> str:
    return f'<div style="{_MUTED};padding-top:4px">{_text(note)}</div>' if note else ""


def _row(columns: Sequence[str], row: Sequence[object]) -> str:
    cells = (_cell(cell, _side(cell)) for _, cell in zip(columns, row, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _side(cell: object) -> str:
    is_number = isinstance(cell, (int, float)) and not isinstance(cell, bool)
    return "right" if is_number else "left"


def _cell(cell: object, side: str) -> str:
    shown = _shown(cell)
    is_short = len(_TAG.sub("", shown)) <= _SHORT
    width = "white-space:nowrap" if is_short else _LONG
    return f'<td style="text-align:{side};{_CELL};{width}">{shown}</td>'


def _shown(cell: object) -> str:
    if isinstance(cell, Markup):
        return str(cell)
    if isinstance(cell, (list, tuple)):
        return str(render_html_output(cell))
    if isinstance(cell, UUID):
        return f'<code style="background:transparent;color:inherit">{cell}</code>'
    return _text(_plain(cell))


def _plain(cell: object) -> object:
    """
    Return the text of *cell*, or *cell* itself where its own text is shown.
    """
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return _time(cell)
    return _duration(cell) if isinstance(cell, timedelta) else cell


def _time(time: datetime) -> str:
    try:
        moment = time.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # in the first or the last hours of the calendar
        return time.isoformat(" ", "seconds")
    return f"{moment.isoformat(' ', 'seconds')}Z"


def _duration(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds:,.1f} s" if abs(seconds) >= 1 or not seconds else f"{1000 * seconds:.0f} ms"


def _text(value: object) -> str:
    text = str(value)
    hidden = len(text) - MAX_LENGTH
    shown = html.escape(escape_controls(text[:MAX_LENGTH]))
    return f"{shown}… {hidden:,} more characters" if hidden > 0 else shown
