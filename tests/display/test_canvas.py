"""
Where a view is drawn, and how.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from coder_agents.display.canvas import (
    LineCanvas,
    NotebookCanvas,
    TerminalCanvas,
    canvas_for,
)
from coder_agents.progress import in_notebook


class Terminal(io.StringIO):
    """
    A file that is a terminal.
    """

    def isatty(self) -> bool:
        """
        Return True.
        """
        return True


class Shown:
    """
    A content of some lines.
    """

    status = "live"

    newest_last: ClassVar[bool] = False

    def __init__(self, *lines: str, changes: Sequence[str] = ()) -> None:
        self._lines = lines
        self._changes = changes

    def lines(self, width: int | None = None) -> Sequence[str]:
        """
        Return the lines.
        """
        return self._lines

    def html(self) -> str:
        """
        Return the lines as markup.
        """
        return "<br>".join(self._lines)

    def changes(self) -> Sequence[str]:
        """
        Return the changes.
        """
        return self._changes


class ShownLog(Shown):
    """
    A content whose newest line is its last one.
    """

    newest_last = True


@pytest.fixture(autouse=True)
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let the terminal have 20 columns and 5 lines.
    """
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_is_drawn_over() -> None:
    """
    The second drawing goes up by the lines of the first one, and erases what is left of it.
    """
    out = Terminal()
    drawn = TerminalCanvas(out)
    drawn.draw(Shown("one", "two"))
    drawn.draw(Shown("three"))
    first, second = "one\x1b[K\ntwo\x1b[K\n\x1b[J", "\x1b[2A\rthree\x1b[K\n\x1b[J"
    assert out.getvalue() == first + second


def test_lines_are_cut_to_the_terminal() -> None:
    """
    A line of any length, also of wide characters, takes one line of the terminal.
    """
    out = Terminal()
    TerminalCanvas(out).draw(Shown("x" * 100_000, "界" * 100))
    one, two, _ = out.getvalue().split("\x1b[K\n")
    assert one == "x" * 18 + "…"
    assert two == "界" * 9 + "…"


def test_a_coloured_line_keeps_its_colours_and_ends_them() -> None:
    """
    A line that fits has its colours, which do not continue; one that is too wide has none.
    """
    out = Terminal()
    TerminalCanvas(out).draw(Shown("\x1b[31mred", "\x1b[31m" + "red" * 10))
    assert out.getvalue().startswith("\x1b[31mred\x1b[m\x1b[K\nredredredredredred…\x1b[K\n")


def test_more_lines_than_the_terminal_has_are_counted() -> None:
    """
    The drawing never scrolls, because it could not be drawn over then.
    """
    out = Terminal()
    TerminalCanvas(out).draw(Shown(*"abcdefgh"))
    assert out.getvalue() == "a\x1b[K\nb\x1b[K\nc\x1b[K\n… 5 more lines\x1b[K\n\x1b[J"


@pytest.mark.parametrize(
    ("rows", "shown"),
    [(5, ["a", "… 5 more lines", "g", "h"]), (3, ["a", "h"]), (9, list("abcdefgh"))],
)
def test_of_a_log_the_newest_lines_are_shown(
    rows: int, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    They follow the heading, also where the terminal has room for one line only.
    """
    monkeypatch.setenv("LINES", str(rows))
    out = Terminal()
    TerminalCanvas(out).draw(ShownLog(*"abcdefgh"))
    assert out.getvalue() == "".join(f"{line}\x1b[K\n" for line in shown) + "\x1b[J"


def test_a_pipe_gets_the_changes() -> None:
    """
    Lines are appended, without control sequences, and nothing is written where nothing has changed.
    """
    out = io.StringIO()
    drawn = LineCanvas(out)
    drawn.draw(Shown("state", changes=["one", "two"]))
    drawn.draw(Shown("state"))
    assert out.getvalue() == "one\ntwo\n"


def test_a_notebook_output_is_replaced(published: list[dict[str, Any]]) -> None:
    """
    The first drawing displays, as HTML and as text; the next ones update the same display.
    """
    drawn = NotebookCanvas()
    for line in "abc":
        drawn.draw(Shown(line, line))
    assert [each["data"] for each in published] == [
        {"text/plain": f"{line}\n{line}", "text/html": f"{line}<br>{line}"} for line in "abc"
    ]
    assert len({each["transient"]["display_id"] for each in published}) == 1
    assert [bool(each.get("update")) for each in published] == [False, True, True]


def test_a_file_decides_on_its_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A terminal is drawn over, unless it is one that cannot do that; all else is appended to.
    """
    assert isinstance(canvas_for(Terminal()), TerminalCanvas)
    assert isinstance(canvas_for(io.StringIO()), LineCanvas)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(canvas_for(Terminal()), LineCanvas)


def test_no_file_is_the_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Outside of a notebook a view is where `print` prints.
    """
    monkeypatch.setattr("sys.stdout", Terminal())
    assert isinstance(canvas_for(None), TerminalCanvas)


def test_no_file_is_the_cell_in_a_notebook(published: list[dict[str, Any]]) -> None:
    """
    In a kernel a view is an output of the cell; a file stays a file.
    """
    assert isinstance(canvas_for(None), NotebookCanvas)
    assert isinstance(canvas_for(io.StringIO()), LineCanvas)


def test_ipython_in_a_terminal_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Its displays are texts that cannot be updated.
    """
    from IPython.terminal.interactiveshell import TerminalInteractiveShell

    shell = TerminalInteractiveShell.__new__(TerminalInteractiveShell)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert not in_notebook()


def test_without_ipython_there_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A process that has not imported IPython does not import it to find out.
    """
    modules = {k: v for k, v in sys.modules.items() if not k.startswith("IPython")}
    monkeypatch.setattr(sys, "modules", modules)
    assert not in_notebook()
    assert "IPython" not in modules


def test_what_cannot_be_written_to_is_refused() -> None:
    """
    The error names what is accepted.
    """
    wrong: Any = "out.txt"
    with pytest.raises(TypeError, match="file must be a text file or None, not str"):
        canvas_for(wrong)
