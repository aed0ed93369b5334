"""
A view that is drawn again while it changes, until its time is up or somebody stops it.
"""

from __future__ import annotations

import enum
import math
import sys
import time
from collections.abc import Sequence
from typing import ClassVar, Protocol, Self, TextIO

from coder_agents.config import seconds_or_none
from coder_agents.display.canvas import Canvas, Content, canvas_for, show
from coder_agents.render import escape_controls


class ViewEnd(enum.Enum):
    """
    Why a view is not updated any more; the value is a sentence for people.
    """

    INTERRUPTED = "stopped"
    TIME_UP = "its time is up"
    ENDED = "what it shows has ended"
    FAILED = "broke off, and an error was raised"

    def __str__(self) -> str:
        return str(self.value)


class ViewFeed(Protocol):
    """
    What brings the changes of a view.
    """

    def open(self) -> None:
        """
        Connect; called once, before `wait`.

        Raises *CoderError* where that fails.
        """

    def wait(self, timeout: float) -> bool:
        """
        Wait until there are changes, at most *timeout* seconds; return whether there are.

        Raises *CoderError* where no more changes can come, because of an error.
        """

    @property
    def is_over(self) -> bool:
        """
        Whether no more changes will come.
        """

    def close(self) -> None:
        """
        Free all connections and threads; a second call does nothing.
        """


class LiveView:
    """
    A view that was updated while the call that returned it was running, with its last state.

    ``str(view)`` is the last state as text. A notebook shows the last state as HTML, but not a second
    time under the cell that it was updated in.

    Attributes:
        end: why the view is not updated any more; None while it is.
    """

    # Seconds between two drawings: people do not read faster, and each one costs.
    interval: ClassVar[float] = 0.25

    def __init__(self, content: Content) -> None:
        self.end: ViewEnd | None = None
        self._content = content
        self._cell: object = None
        self._is_drawn = False

    def __str__(self) -> str:
        return "\n".join(self._content.lines())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {'running' if self.end is None else self.end}>"

    def _repr_html_(self) -> str:
        return self._content.html()

    def _ipython_display_(self) -> None:
        """
        Show the last state, except under the cell that shows it already.
        """
        if self._cell is not None and _running_cell() == self._cell:
            return
        show({"text/plain": str(self), "text/html": self._repr_html_()})

    def _run(self, feed: ViewFeed, canvas: Canvas, seconds: float | None) -> Self:
        """
        Update the view until *feed* is over, for *seconds*, or until Ctrl-C or the stop button.
        """
        self._cell = _running_cell()
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        try:
            try:
                feed.open()
                self.end = self._update(feed, canvas, deadline)
            finally:
                feed.close()
        except KeyboardInterrupt:
            # The button has done what it is for; a traceback would only hide the last state.
            self.end = ViewEnd.INTERRUPTED
        except Exception:
            self.end = ViewEnd.FAILED
            if self._is_drawn:
                self._draw_end(canvas)
            raise
        self._draw_end(canvas)
        return self

    def _draw_end(self, canvas: Canvas) -> None:
        self._content.status = str(self.end)
        canvas.draw(self._content)

    def _update(self, feed: ViewFeed, canvas: Canvas, deadline: float) -> ViewEnd:
        canvas.draw(self._content)
        self._is_drawn = True
        drawn_at, has_changed = time.monotonic(), False
        while not feed.is_over:
            now = time.monotonic()
            if now >= deadline:
                return ViewEnd.TIME_UP
            if has_changed and now >= drawn_at + self.interval:
                canvas.draw(self._content)
                drawn_at, has_changed = now, False
            # Without a change there is nothing to draw.
            until = drawn_at + self.interval if has_changed else now + 3600.0
            has_changed |= feed.wait(max(0.0, min(until, deadline) - now))
        return ViewEnd.ENDED


def checked_canvas(seconds: float | None, file: TextIO | None) -> Canvas:
    """
    Return the canvas for *file*, once the arguments of a view are checked.

    Raises *TypeError* or *ValueError* for impossible arguments.
    """
    seconds_or_none("seconds", seconds)
    return canvas_for(file)


def _running_cell() -> object:
    """
    Return what identifies the cell that is running; None outside of IPython.
    """
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return None if shell is None else (id(shell), shell.execution_count)


def bullet_heading(parts: Sequence[str]) -> str:
    """
    Return the parts of a heading that are not empty, separated by dots.
    """
    return " · ".join(part for part in parts if part)


def connecting_again(reason: str, attempt: int) -> str:
    """
    Return the status of a view whose stream connects again, after *reason* has ended its connection.
    """
    return f"connecting again, try {attempt}: {escape_controls(reason)}"
