"""
Where a live view is drawn: in a notebook, on a terminal, or as lines in a file or a pipe.

A notebook replaces the output of a cell. A terminal redraws the same lines. A file or a pipe cannot be
redrawn: it gets a line for each change.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TextIO

from coder_agents.progress import in_notebook
from coder_agents.render import cut_to_width, without_colours
from coder_agents.render.line import counted

_UP = "\x1b[{}A"  # cursor up (ECMA-48, 8.3.22)
_TO_END_OF_LINE = "\x1b[K"
_TO_END_OF_SCREEN = "\x1b[J"
_RESET = "\x1b[m"
_ESCAPE = "\x1b"


class Content(Protocol):
    """
    What a view shows, in each of the forms that a canvas can need.

    Attributes:
        status: the part of the heading about the updates, such as ``live``.
        newest_last: whether the last lines matter more than those after the heading, as in a log.
    """

    status: str
    newest_last: ClassVar[bool]

    def lines(self, width: int | None = None) -> Sequence[str]:
        """
        Return the whole state as lines, safe for a terminal.

        The columns of a table are cut where they would be wider than *width* together.
        """

    def html(self) -> str:
        """
        Return the whole state as HTML, escaped.
        """

    def changes(self) -> Sequence[str]:
        """
        Return lines on what has changed since the last call, safe for a terminal.
        """


class Canvas(Protocol):
    """
    Draws a content, again and again.

    Attributes:
        appends: whether it appends the changes, and does not draw the whole state.
    """

    appends: ClassVar[bool]

    def draw(self, content: Content) -> None:
        """
        Draw *content*, in place of what was drawn before if that is possible.
        """


class NotebookCanvas:
    """
    The output of a notebook's cell, which each drawing replaces.
    """

    appends: ClassVar[bool] = False

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, content: Content) -> None:
        """
        Show *content*, as HTML and as text for frontends without HTML.
        """
        bundle = {"text/plain": "\n".join(content.lines()), "text/html": content.html()}
        if self._handle is None:
            self._handle = show(bundle, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class TerminalCanvas:
    """
    The lines of a terminal at the cursor, which each drawing overwrites.

    Lines are cut to the terminal's width. Where there are more lines than the terminal has, the first
    lines are shown, and the number of the others; of a log, the last lines.
    """

    appends: ClassVar[bool] = False

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._drawn = 0

    def draw(self, content: Content) -> None:
        """
        Write *content* over what was written before.
        """
        columns, rows = shutil.get_terminal_size()
        at_most = _newest if content.newest_last else _first
        lines = at_most(list(content.lines(columns - 1)), max(2, rows - 1))
        shown = [_cut(line, columns - 1) for line in lines]
        up = _UP.format(self._drawn) + "\r" if self._drawn else ""
        body = "".join(f"{line}{_TO_END_OF_LINE}\n" for line in shown)
        self._out.write(f"{up}{body}{_TO_END_OF_SCREEN}")
        self._out.flush()
        self._drawn = len(shown)


class LineCanvas:
    """
    A file or a pipe, to which lines are appended.
    """

    appends: ClassVar[bool] = True

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def draw(self, content: Content) -> None:
        """
        Append the changes of *content*.
        """
        lines = content.changes()
        if lines:
            self._out.write("".join(f"{line}\n" for line in lines))
            self._out.flush()


def canvas_for(file: TextIO | None) -> Canvas:
    """
    Return the canvas for *file*; None is the cell of a notebook, elsewhere the standard output.

    Raises *TypeError* where *file* cannot be written to.
    """
    if file is None and in_notebook():
        return NotebookCanvas()
    out: Any = sys.stdout if file is None else file
    if not callable(getattr(out, "write", None)):
        raise TypeError(f"file must be a text file or None, not {type(out).__name__}")
    is_terminal = getattr(out, "isatty", lambda: False)()
    if is_terminal and os.environ.get("TERM", "dumb") != "dumb":
        return TerminalCanvas(out)
    return LineCanvas(out)


def show(bundle: Mapping[str, str], **options: Any) -> Any:
    """
    Display *bundle*, texts by their media types, with IPython.
    """
    from IPython.display import display

    shown: Callable[..., Any] = display
    return shown(bundle, raw=True, **options)


def _first(lines: list[str], count: int) -> list[str]:
    if len(lines) <= count:
        return lines
    return [*lines[: count - 1], f"… {counted(len(lines) - count + 1, 'more line')}"]


def _newest(lines: list[str], count: int) -> list[str]:
    """
    Return the first one of *lines*, which is the heading, and the last ones, *count* lines in all.
    """
    if len(lines) <= count:
        return lines
    if count == 2:
        return [lines[0], lines[-1]]
    return [lines[0], f"… {counted(len(lines) - count + 1, 'more line')}", *lines[2 - count :]]


def _cut(line: str, width: int) -> str:
    """
    Return *line* in at most *width* columns. A line with colours that is too wide loses them.
    """
    if _ESCAPE not in line:
        return cut_to_width(line, width)
    plain = without_colours(line)
    whole = cut_to_width(plain, width)
    return f"{line}{_RESET}" if whole == plain else whole
