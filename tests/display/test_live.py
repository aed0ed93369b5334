"""
When a view is drawn, and how it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from coder_agents import TransportError
from coder_agents.display import LiveView, ViewEnd
from coder_agents.display.canvas import Content


class Counter:
    """
    A content whose state is a number.
    """

    status = "live"

    newest_last: ClassVar[bool] = False

    def __init__(self) -> None:
        self.count = 0

    def lines(self, width: int | None = None) -> Sequence[str]:
        """
        Return the number and the status.
        """
        return [f"{self.count} {self.status}"]

    def html(self) -> str:
        """
        Return the number as HTML.
        """
        return f"<b>{self.count}</b>"

    def changes(self) -> Sequence[str]:
        """
        Return nothing.
        """
        return ()


class Canvas:
    """
    A canvas that keeps each drawing.
    """

    appends: ClassVar[bool] = False

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def draw(self, content: Content) -> None:
        """
        Keep the lines of *content*.
        """
        self.drawn += content.lines()


class Feed:
    """
    A feed of steps; it is over after the last one.

    Attributes:
        waits: the time-outs with which it was waited for.
    """

    def __init__(self, *steps: Callable[[], bool]) -> None:
        self._steps = list(steps)
        self.waits: list[float] = []
        self.is_open = self.is_closed = False

    def open(self) -> None:
        """
        Note that it is open.
        """
        self.is_open = True

    @property
    def is_over(self) -> bool:
        """
        Whether no step is left.
        """
        return not self._steps

    def wait(self, timeout: float) -> bool:
        """
        Take the next step.
        """
        self.waits.append(timeout)
        return self._steps.pop(0)()

    def close(self) -> None:
        """
        Note that it is closed.
        """
        self.is_closed = True


def raising(error: BaseException) -> Callable[[], bool]:
    """
    Return a step that raises *error*.
    """

    def step() -> bool:
        raise error

    return step


@pytest.fixture
def content() -> Counter:
    """
    A content.
    """
    return Counter()


@pytest.fixture
def canvas() -> Canvas:
    """
    A canvas.
    """
    return Canvas()


def test_changes_between_two_drawings_are_drawn_once(content: Counter, canvas: Canvas) -> None:
    """
    A thousand changes at once cost two drawings: the first and the last one.
    """

    def change() -> bool:
        content.count += 1
        return True

    LiveView(content)._run(Feed(*[change] * 1000), canvas, None)
    assert canvas.drawn[0] == "0 live"
    assert canvas.drawn[-1] == "1000 what it shows has ended"
    assert len(canvas.drawn) < 20


def test_nothing_is_drawn_without_a_change(content: Counter, canvas: Canvas) -> None:
    """
    A feed without changes is waited for without a drawing in between.
    """
    feed = Feed(lambda: False, lambda: False)
    LiveView(content)._run(feed, canvas, None)
    assert len(canvas.drawn) == 2
    assert min(feed.waits) > 1000


def test_a_change_is_drawn_after_the_interval(content: Counter, canvas: Canvas) -> None:
    """
    The wait after a change ends when the next drawing is due, and then it is drawn.
    """

    def change() -> bool:
        content.count += 1
        return True

    def sleep() -> bool:
        time.sleep(feed.waits[-1])
        return False

    feed = Feed(change, sleep, lambda: False)
    LiveView(content)._run(feed, canvas, None)
    assert feed.waits[1] <= LiveView.interval
    assert "1 live" in canvas.drawn


def test_a_view_ends_after_its_seconds(content: Counter, canvas: Canvas) -> None:
    """
    No wait is longer than the time that is left.
    """

    def sleep() -> bool:
        time.sleep(0.02)
        return False

    feed = Feed(*[sleep] * 1000)
    view = LiveView(content)._run(feed, canvas, 0.1)
    assert view.end is ViewEnd.TIME_UP
    assert max(feed.waits) <= 0.1
    assert feed.is_open
    assert feed.is_closed


def test_the_stop_button_ends_a_view_without_an_error(content: Counter, canvas: Canvas) -> None:
    """
    The last state is drawn with the reason, and everything is closed.
    """
    feed = Feed(raising(KeyboardInterrupt()))
    view = LiveView(content)._run(feed, canvas, None)
    assert view.end is ViewEnd.INTERRUPTED
    assert canvas.drawn[-1] == str(view) == "0 stopped"
    assert feed.is_closed
    assert repr(view) == "<LiveView, stopped>"


def test_an_error_passes_through_a_view(content: Counter, canvas: Canvas) -> None:
    """
    The last state is drawn, and everything is closed before the error is raised.
    """
    feed = Feed(raising(TransportError("no route")))
    view = LiveView(content)
    assert repr(view) == "<LiveView, running>"
    with pytest.raises(TransportError, match="no route"):
        view._run(feed, canvas, None)
    assert view.end is ViewEnd.FAILED
    assert canvas.drawn[-1] == "0 broke off, and an error was raised"
    assert feed.is_closed


def test_a_view_is_not_shown_twice_under_its_cell(
    content: Counter, canvas: Canvas, published: list[dict[str, Any]]
) -> None:
    """
    A view shows nothing as the result of its own cell, and its last state in a later one.
    """
    from IPython.core.interactiveshell import InteractiveShell

    view = LiveView(content)._run(Feed(), canvas, None)
    view._ipython_display_()
    assert published == []
    InteractiveShell.instance().execution_count += 1
    view._ipython_display_()
    [shown] = published
    assert shown["data"] == {
        "text/plain": "0 what it shows has ended",
        "text/html": "<b>0</b>",
    }
    assert view._repr_html_() == "<b>0</b>"
