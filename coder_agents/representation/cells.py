"""
Cells of tables and values of cards: states with a dot in their colour, output, and sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

from coder_agents.render.html import Markup, dot, render_html_output, render_html_table
from coder_agents.representation.tables import MAX_ROWS, table

_GOOD = frozenset(
    [
        "complete",
        "connected",
        "exited_0",
        "healthy",
        "ok",
        "ready",
        "running",
        "start_ok",
        "succeeded",
        "working",
    ]
)
_BUSY = frozenset(
    [
        "canceling",
        "connecting",
        "created",
        "deleting",
        "initializing",
        "pending",
        "starting",
        "shutting_down",
        "stopping",
        "warn",
        "start_timeout",
        "not_started",
        "pipes_left_open",
    ]
)
_BAD = frozenset(
    [
        "error",
        "exit_failure",
        "failed",
        "failure",
        "lost",
        "shutdown_error",
        "shutdown_timeout",
        "signaled",
        "start_error",
        "timed_out",
        "timeout",
        "unhealthy",
        "disconnected",
    ]
)
_MAX_NAMES = 5
_MAX_OUTPUT_LINES = 10  # at the beginning and at the end of an output, each


def status(word: str) -> Markup | None:
    """
    Return the state *word* after a dot in the colour of its meaning; None for an empty one.

    A state that this package does not know has a grey dot.
    """
    if not word:
        return None
    key = word.replace(" ", "_")
    if key in _GOOD:
        return dot(word, "good")
    if key in _BUSY:
        return dot(word, "busy")
    return dot(word, "bad" if key in _BAD else "idle")


def level(word: str) -> Markup | str:
    """
    Return the level *word* of a log line, with a dot where it is a warning or an error.
    """
    return (status(word) or "") if word in ("warn", "error") else word


def problem(text: str) -> Markup | None:
    """
    Return *text*, an error, on one line after a red dot; None for an empty one.
    """
    return dot(" ".join(text.split()), "bad") if text else None


def output(text: str | bytes) -> Markup | None:
    """
    Return the output of a program with its colours; of a long one, the first and the last lines.

    None stands for an empty output. Bytes are UTF-8; those that are not show as U+FFFD.
    """
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if not whole:
        return None
    whole = whole.removesuffix("\n")
    hidden = whole.count("\n") + 1 - 2 * _MAX_OUTPUT_LINES
    if hidden <= 0:
        return render_html_output(whole.split("\n"))
    first = whole.split("\n", _MAX_OUTPUT_LINES)[:-1]
    last = whole.rsplit("\n", _MAX_OUTPUT_LINES)[1:]
    return render_html_output([*first, *last], skipped=(_MAX_OUTPUT_LINES, hidden))


def size(count: int) -> str:
    """
    Return a number of bytes.
    """
    return f"{count:,} B"


def tables(*lists: Sequence[object]) -> list[Markup]:
    """
    Return the table of each of *lists* that is not empty, for a card.
    """
    return [_first_rows(items) for items in lists if items]


def names(words: Sequence[str]) -> str:
    """
    Return *words* with commas: the first ones, and the number of the others.
    """
    more = [f"… {len(words) - _MAX_NAMES:,} more"] if len(words) > _MAX_NAMES else []
    return ", ".join([*words[:_MAX_NAMES], *more])


def _first_rows(items: Sequence[object]) -> Markup:
    hidden = len(items) - MAX_ROWS
    skipped = (MAX_ROWS, hidden) if hidden > 0 else None
    return render_html_table(*table(items[:MAX_ROWS]), skipped=skipped)
