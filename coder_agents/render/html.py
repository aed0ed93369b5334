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

MAX_LENGTH = 1000  # characters of a cell that are shown
_SHORT = 32  # characters that stay on one line
_TAG = re.compile("<[^>]*>")

_LINE = "1px solid rgba(128,128,128,.35)"
# Themes of notebooks set the layout and the margins of tables.
_TABLE = (
    "border-collapse:collapse;border:none;table-layout:auto;margin:0;"
    "font-size:var(--jp-ui-font-size1,13px)"
)
_CELL = "text-align:{};vertical-align:top;padding:3px 10px 3px 0;{}"
_HEAD = f"text-align:left;padding:3px 10px 3px 0;white-space:nowrap;border-bottom:{_LINE}"
_NAME = "text-align:left;vertical-align:top;padding:3px 14px 3px 0;white-space:nowrap;opacity:.7;font-weight:normal"
_CAPTION = "text-align:left;caption-side:top;padding:0 0 4px;font-weight:600;color:inherit"
_SCROLLED = "overflow-x:auto;max-width:100%"
_BOX = f"{_SCROLLED};box-sizing:border-box;border:{_LINE};border-radius:6px;padding:8px 12px;width:fit-content"
_OUTPUT = (
    "margin:0;padding:0;border:none;background:transparent;color:inherit;white-space:pre-wrap;"
    "overflow-wrap:anywhere;font-size:12px;line-height:1.45"
)
_MUTED = "opacity:.65"
_TONES = {"good": "#2da44e", "busy": "#bf8700", "bad": "#d1242f", "idle": "#8c959f"}


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
) -> str:
    """
    Return a table of *caption*, the names of *columns*, *rows*, and a *note* below.

    Numbers are aligned to the right, other cells to the left. None is an empty cell, True and False
    are "yes" and "no", a time is in UTC, and a duration in seconds. A list or tuple is lines of output
    with their colours, one below the other. `Markup` stays as it is. Other text is escaped, cut after
    1,000 characters, and characters that could break or reorder it are shown by their codes (see
    `escape_controls`).

    *skipped* is a pair: after how many rows a line says that others are not shown, and how many.

    Raises *ValueError* for a row with more or fewer cells than there are columns.
    """
    head = "".join(f'<th style="{_HEAD}">{_text(name)}</th>' for name in columns)
    body = [_row(columns, row) for row in rows]
    if skipped is not None:
        at, count = skipped
        more = f'<td colspan="{len(columns)}" style="{_CELL.format("left", _MUTED)}">'
        body.insert(at, f"<tr>{more}… {count:,} more …</td></tr>")
    above = f'<caption style="{_CAPTION}">{_text(caption)}</caption>' if caption else ""
    table = (
        f'<table style="{_TABLE}">{above}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )
    return f'<div style="{_SCROLLED}">{table}{_noted(note)}</div>'


def render_html_card(
    title: str, facts: Iterable[tuple[str, object]], *, below: Markup | None = None, note: str = ""
) -> str:
    """
    Return a card: *title*, a line for each of *facts*, and what is *below* them.

    A fact is a name and a value, which is shown as a cell of `render_html_table`.
    """
    lines = "".join(
        f'<tr><th style="{_NAME}">{_text(name)}</th>{_cell(value)}</tr>' for name, value in facts
    )
    table = f'<table style="{_TABLE}"><tbody>{lines}</tbody></table>' if lines else ""
    heading = f'<div style="{_CAPTION}">{_text(title)}</div>'
    return f'<div style="{_BOX}">{heading}{table}{below or ""}{_noted(note)}</div>'


def render_html_output(lines: Iterable[str], *, skipped: tuple[int, int] | None = None) -> Markup:
    """
    Return *lines* of output with their colours.

    *skipped* is as in `render_html_table`.
    """
    shown = list(map(_output, lines))
    if skipped is not None:
        at, count = skipped
        shown.insert(at, f'<span style="{_MUTED}">… {count:,} more lines …</span>')
    return Markup(f'<pre style="{_OUTPUT}">{chr(10).join(shown)}</pre>')


def dot(text: str, tone: str) -> Markup:
    """
    Return *text* after a dot in the colour of *tone*: good, busy, bad or idle.
    """
    colour = _TONES[tone]
    return Markup(f'<span style="color:{colour}">●</span>&nbsp;{_text(text)}')


def time_text(time: datetime) -> str:
    """
    Return *time* in UTC, in whole seconds.
    """
    try:
        moment = time.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # in the first or the last hours of the calendar
        return time.isoformat(" ", "seconds")
    return f"{moment.isoformat(' ', 'seconds')}Z"


def duration_text(duration: timedelta) -> str:
    """
    Return *duration* in seconds.
    """
    return f"{duration.total_seconds():,.1f} s"


def _noted(note: str) -> str:
    return f'<div style="{_MUTED};padding-top:4px">{_text(note)}</div>' if note else ""


def _row(columns: Sequence[str], row: Sequence[object]) -> str:
    cells = (_cell(cell) for _, cell in zip(columns, row, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(cell: object) -> str:
    is_number = isinstance(cell, (int, float)) and not isinstance(cell, bool)
    shown = _shown(cell)
    is_short = len(_TAG.sub("", shown)) <= _SHORT
    wrapping = "white-space:nowrap" if is_short else "min-width:12em;overflow-wrap:anywhere"
    if isinstance(cell, (list, tuple)):
        wrapping = "min-width:12em"
    style = _CELL.format("right" if is_number else "left", wrapping)
    return f'<td style="{style}">{shown}</td>'


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Markup):
        return str(cell)
    if isinstance(cell, (list, tuple)):
        return str(render_html_output(cell))
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return time_text(cell)
    if isinstance(cell, timedelta):
        return duration_text(cell)
    if isinstance(cell, UUID):
        return f'<code style="background:transparent;color:inherit">{cell}</code>'
    return _text(cell)


def _output(line: str) -> str:
    return colours_to_html(last_state(line))


def _text(value: object) -> str:
    text = str(value)
    more = len(text) - MAX_LENGTH
    shown = html.escape(escape_controls(text[:MAX_LENGTH]))
    return f"{shown}… {more:,} more characters" if more > 0 else shown
