"""
Progress on standard error, for a person who waits. In a file or a pipe only lines of logs appear.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from coder_agents.cli.log_lines import shortened
from coder_agents.cli.screen import OutputScreen, notes
from coder_agents.render import cut_to_width, escape_controls

if TYPE_CHECKING:
    from rich.status import Status


class ProgressLine:
    """
    A line that shows what is waited for, and lines of logs above it.
    """

    def __init__(self, screen: OutputScreen, status: Status | None) -> None:
        self._screen = screen
        self._status = status

    def show(self, text: str) -> None:
        """
        Show *text* in place of the last one.
        """
        if self._status is not None:
            self._status.update(_plain(text, self._screen.width))

    def write(self, log: Any) -> None:
        """
        Write *log*, a line of a log.
        """
        line = self._screen.coloured(shortened(log))
        if self._status is None:
            self._screen.line(line)
            self._screen.flush()
            return
        from rich.text import Text

        self._screen.console.print(Text.from_ansi(line))

    def write_build(self, log: Any) -> None:
        """
        Write *log*, a line of the log of a build, after the name of its stage.
        """
        self.show(f"build: {log.stage}")
        if log.output:
            self.write(escape_controls(f"{log.stage}: {log.output}"))


@contextlib.contextmanager
def waiting(text: str) -> Iterator[ProgressLine]:
    """
    Yield the progress of what *text* names; a terminal shows it until the end of the block.
    """
    screen = notes()
    if not screen.is_live:
        yield ProgressLine(screen, None)
        return
    with screen.console.status(_plain(text, screen.width)) as status:
        yield ProgressLine(screen, status)


def _plain(text: str, width: int) -> Any:
    from rich.text import Text

    return Text(cut_to_width(escape_controls(text), max(1, width - 4)))
