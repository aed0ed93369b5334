"""
The output of the demo: a terminal, a file or a pipe.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from typing import TextIO

import attrs

from coder_agents.render import cut_to_width, escape_controls, render_table

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@attrs.define
class Screen:
    """
    A terminal, a file or a pipe.

    Attributes:
        out: the stream to write to.
        live: whether lines can be overwritten in place.
        colour: whether colours are used.
    """

    out: TextIO
    live: bool
    colour: bool
    _written: int = 0
    _spins: int = 0

    @classmethod
    def of(cls, out: TextIO) -> Screen:
        """
        Return the screen for *out*, with the features that *out* and the environment permit.
        """
        live = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        return cls(out, live=live, colour=live and not os.environ.get("NO_COLOR"))

    @property
    def clear(self) -> str:
        """
        The sequence that clears the line with the cursor.
        """
        return "\r\x1b[K" if self.live else ""

    def heading(self, text: str) -> None:
        """
        Write the heading of a new part.
        """
        self.line()
        self.line(f"\x1b[1m{text}\x1b[m" if self.colour else f"{text}\n{'-' * len(text)}")

    def line(self, text: str = "") -> None:
        """
        Write a line; it replaces the line of `progress`.
        """
        self._write(f"{self.clear}{self._coloured(text)}\n")
        self._written = 0

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str
    ) -> None:
        """
        Write a table, or *empty* where it has no rows.
        """
        for line in render_table(columns, rows) if rows else [empty]:
            self.line(line)

    def in_place(self, lines: Sequence[str]) -> None:
        """
        Write *lines*; they replace the lines of the last call of this method.
        """
        columns, rows = shutil.get_terminal_size()
        up = f"\x1b[{self._written}A" if self._written else ""
        shown = [f"{cut_to_width(line, columns - 1)}\x1b[K\n" for line in lines[: rows - 2]]
        self._write(up + "".join(shown))
        self._written = len(shown)

    def progress(self, text: str) -> None:
        """
        Show on a terminal that the demo is working, in a line that the next line replaces.
        """
        if not self.live:
            return
        self._spins += 1
        spinner = "|/-\\"[self._spins % 4]
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r{cut_to_width(f'{spinner} {escape_controls(text)}', width)}\x1b[K")

    def red(self, text: str) -> str:
        """
        Return *text* in red, where colours are used.
        """
        return f"\x1b[31m{text}\x1b[m" if self.colour else text

    def _coloured(self, text: str) -> str:
        if not self.colour:
            return COLOUR.sub("", text)
        # A script may have left a colour switched on.
        return f"{text}\x1b[m" if "\x1b" in text else text

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()
