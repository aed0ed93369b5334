"""
Draw the demo in a terminal, as SVG.

    python tools/demo_picture.py docs/_static/demo.svg

The script runs the demo in a pseudo-terminal and draws the log of the agent's start, the metadata and a command.
It skips the later parts, which show the ports of this machine.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

COLUMNS, ROWS = 92, 200
SECONDS = "4"  # for which the demo watches the metadata
COMMAND = "$ make demo"
LAST_PART = "Ports on which something listens"
TOOLS = "/usr/bin:/bin"  # the PATH of the demo's scripts, without personal folders

KERNEL = re.compile(r"(?<=This is Linux) \S+")
CONTROL = re.compile(r"\x1b\[(?P<number>[\d;]*)(?P<name>[A-Za-z])|(?P<character>.)", re.DOTALL)

CHARACTER_WIDTH, LINE_HEIGHT, MARGIN, BAR = 8.4, 19, 18, 34  # pixels
COLOURS = {
    31: "#f28779",
    32: "#bae67e",
    33: "#ffd580",
    34: "#73d0ff",
    35: "#d4bfff",
    36: "#95e6cb",
}

# Whether a character is bold, and its colour; 0 for none.
Style = tuple[bool, int]
Cell = tuple[str, Style]
PLAIN: Style = (False, 0)


class Terminal:
    """
    A terminal of any height, with the control sequences that the demo uses.

    Attributes:
        rows: the lines of the terminal.
    """

    def __init__(self) -> None:
        self.rows: list[list[Cell]] = [[]]
        self._row = 0
        self._column = 0
        self._style = PLAIN

    def write(self, text: str) -> None:
        """
        Show *text*, and obey its control sequences.
        """
        for found in CONTROL.finditer(text):
            if found["character"] is None:
                self._control(found["name"], found["number"])
            else:
                self._put(found["character"])

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row += 1
            if self._row == len(self.rows):
                self.rows.append([])
        else:
            row = self.rows[self._row]
            row += [(" ", PLAIN)] * (self._column + 1 - len(row))
            row[self._column] = (character, self._style)
            self._column += 1

    def _control(self, name: str, number: str) -> None:
        if name == "A":
            self._row = max(0, self._row - int(number or 1))
        elif name == "K":
            del self.rows[self._row][self._column :]
        elif name == "m":
            for code in map(int, (number or "0").split(";")):
                self._restyle(code)

    def _restyle(self, code: int) -> None:
        bold, colour = self._style
        if code == 0:
            self._style = PLAIN
        elif code == 1:
            self._style = True, colour
        elif code in COLOURS:
            self._style = bold, code

    def text(self) -> list[str]:
        """
        Return the lines without styles.
        """
        return ["".join(character for character, _ in row).rstrip() for row in self.rows]


def draw(rows: list[list[Cell]], *, title: str) -> str:
    """
    Return *rows* as an SVG image of a terminal window.
    """
    width = round(2 * MARGIN + COLUMNS * CHARACTER_WIDTH)
    height = BAR + MARGIN + len(rows) * LINE_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#1f2430"/>',
    ]
    for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        lines.append(f'<circle cx="{20 + 18 * number}" cy="17" r="6" fill="{colour}"/>')
    lines.append('<g font-family="Menlo, Consolas, monospace" font-size="14" fill="#cccac2">')
    for number, row in enumerate(rows):
        lines += _draw_row(row, BAR + (number + 1) * LINE_HEIGHT - 5)
    return "\n".join([*lines, "</g>", "</svg>", ""])


def _draw_row(row: list[Cell], y: int) -> Iterator[str]:
    column = 0
    for (bold, colour), cells in groupby(row, key=lambda cell: cell[1]):
        text = "".join(character for character, _ in cells)
        if text.strip():
            x = round(MARGIN + column * CHARACTER_WIDTH, 1)
            # With a given width every font keeps the columns.
            width = round(len(text) * CHARACTER_WIDTH, 1)
            style = ' font-weight="bold"' if bold else ""
            style += f' fill="{COLOURS[colour]}"' if colour else ""
            yield (
                f'<text x="{x}" y="{y}" textLength="{width}" xml:space="preserve"{style}>'
                f"{escape(text)}</text>"
            )
        column += len(text)


def run_demo() -> str:
    """
    Return the demo's output to a terminal.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("COLUMNS", "LINES", "NO_COLOR", "CODER_URL")
    }
    demo = subprocess.Popen(
        [sys.executable, "-m", "coder_agents.demo", "--seconds", SECONDS],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        cwd="/",
        env={**environment, "TERM": "xterm-256color", "PATH": TOOLS},
    )
    os.close(theirs)
    output = b"".join(read_all(ours))
    os.close(ours)
    if demo.wait():
        sys.exit(f"the demo failed with status {demo.returncode}")
    return output.decode()


def read_all(terminal: int) -> Iterator[bytes]:
    """
    Yield the output of the other side of *terminal* until the other side is closed.
    """
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # on Linux: the other side is closed
            return
        if not part:
            return
        yield part


def picture_of(output: str) -> str:
    """
    Return the picture of a demo with this *output*.
    """
    terminal = Terminal()
    # The release of the kernel depends on this machine, not on the demo.
    output = KERNEL.sub("", output)
    terminal.write(f"{COMMAND}\r\n{output}")
    text = terminal.text()
    end = text.index(LAST_PART)
    while not text[end - 1]:
        end -= 1
    return draw(
        terminal.rows[:end],
        title="The demo in a terminal: an agent's log, its metadata and a command",
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture_of(run_demo()), encoding="utf-8")
