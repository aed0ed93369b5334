"""
Standard output and standard error: terminals, files or pipes.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_RESET = "\x1b[0m"
_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


class OutputScreen:
    """
    A stream of text that people read, or another program.

    Attributes:
        out: the stream.
        is_terminal: whether a person sees it as it is written.
        has_colours: whether it shows colours: a terminal does, unless NO_COLOR is set.
    """

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.is_terminal = out.isatty()
        is_dumb = os.environ.get("TERM", "") in ("dumb", "unknown")
        self.is_live = self.is_terminal and not is_dumb
        self.has_colours = self.is_live and not os.environ.get("NO_COLOR")
        # A character that the locale does not have is no reason to stop.
        if reconfigure := getattr(out, "reconfigure", None):
            reconfigure(errors="backslashreplace")

    @cached_property
    def console(self) -> Console:
        """
        Rich's console for the stream.
        """
        from rich.console import Console

        # Of a terminal that has no sequences, rich takes the size for 80 x 25, though the system knows it.
        is_dumb = self.is_terminal and not self.is_live
        width, height = shutil.get_terminal_size() if is_dumb else (None, None)
        return Console(
            file=self.out,
            width=width,
            height=height,
            force_terminal=self.is_terminal,
            no_color=not self.has_colours,
            highlight=False,
            markup=False,
            emoji=False,
        )

    @property
    def encoding(self) -> str:
        """
        The encoding of the stream.
        """
        return self.out.encoding or "utf-8"

    @property
    def width(self) -> int:
        """
        The columns of the terminal.
        """
        return self.console.width

    def styled(self, text: str, style: str) -> str:
        """
        Return *text* in *style*, a colour or a weight, where colours are shown.
        """
        if not self.has_colours or not style:
            return text
        return f"\x1b[{_CODES[style]}m{text}{_RESET}"

    def coloured(self, text: str) -> str:
        """
        Return *text*, which may contain the colours of a script, for this screen.

        The colours end with the text. They are removed where no colours are shown.
        """
        if "\x1b" not in text:
            return text
        return f"{text}{_RESET}" if self.has_colours else _COLOUR.sub("", text)

    def line(self, text: str = "") -> None:
        """
        Write *text* as a line.
        """
        self.out.write(f"{text}\n")

    def flush(self) -> None:
        """
        Show what was written.
        """
        self.out.flush()


def output() -> OutputScreen:
    """
    Return the screen of standard output.
    """
    return OutputScreen(sys.stdout)


def notes() -> OutputScreen:
    """
    Return the screen of standard error, on which people read about progress.
    """
    return OutputScreen(sys.stderr)
