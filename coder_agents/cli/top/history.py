"""
The numbers of one item of metadata over time, and their picture in characters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from datetime import datetime

import attrs

from coder_agents.schema import WorkspaceAgentMetadata

MAX_READINGS = 120

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_EIGHTHS) - 1


@attrs.frozen
class Reading:
    """
    One run of a metadata script.

    Attributes:
        collected_at: when the script ran.
        value: the number that it printed; None where it printed no number.
        of: the whole of which the number is a part; None for no whole.
    """

    collected_at: datetime
    value: float | None
    of: float | None = None


@attrs.frozen
class ReadingHistory:
    """
    The newest readings of one item, oldest first.

    Attributes:
        readings: at most `MAX_READINGS`, each run of the script once.
    """

    readings: tuple[Reading, ...] = ()

    def add(self, item: WorkspaceAgentMetadata) -> ReadingHistory:
        """
        Return the history with the result of *item*; the same one where the result is not newer.
        """
        at = item.result.collected_at
        if at is None or (self.readings and at <= self.readings[-1].collected_at):
            return self
        number = item.number
        if number is None:
            reading = Reading(at, None)
        else:
            whole = 100.0 if number.of is None and number.unit == "%" else number.of
            reading = Reading(at, number.value, whole)
        return ReadingHistory((*self.readings[1 - MAX_READINGS :], reading))

    @property
    def has_numbers(self) -> bool:
        """
        Whether any reading is a number.
        """
        return any(reading.value is not None for reading in self.readings)

    def picture(self, width: int, height: int = 1) -> list[str]:
        """
        Return the newest *width* readings as bars, in *height* lines of text.

        The bars begin at 0, or at the lowest number where that is negative. They end at the whole
        where one is known, or at the highest number. A reading without a number is a gap.
        """
        shown = self.readings[-width:] if width > 0 else ()
        return bars([reading.value for reading in shown], height, top=self._top(shown))

    def _top(self, shown: Sequence[Reading]) -> float | None:
        whole = shown[-1].of if shown else None
        numbers = [reading.value for reading in shown if reading.value is not None]
        # A load of 300 % is no mistake of the script: then the highest number is the top.
        return None if whole is None else max([whole, *numbers])


def bars(values: Sequence[float | None], height: int = 1, *, top: float | None = None) -> list[str]:
    """
    Return *values* as bars of block characters, in *height* lines; None is a gap.

    A bar is at least one eighth of a character high, so that a zero differs from a gap. *top* is
    the value of the highest bar; None means the highest of the values.
    """
    numbers = [value for value in values if value is not None]
    low = min([0.0, *numbers])
    high = max([low, *numbers]) if top is None else top
    steps = [_steps(value, low, high, height * _STEPS) for value in values]
    rows = range(height - 1, -1, -1)
    return ["".join(_EIGHTHS[_within(step, row)] for step in steps) for row in rows]


def _steps(value: float | None, low: float, high: float, steps: int) -> int:
    """
    Return how many of *steps* the bar of *value* has; 0 for a gap.
    """
    if value is None:
        return 0
    # Halves first: the difference of two huge numbers may be infinite.
    extent = high / 2 - low / 2
    share = (value / 2 - low / 2) / extent if extent > 0 else 0.0
    return max(1, math.ceil(share * steps)) if share < 1 else steps


def _within(step: int, row: int) -> int:
    return min(_STEPS, max(0, step - row * _STEPS))


def histories_with(
    histories: dict[str, ReadingHistory], items: Sequence[WorkspaceAgentMetadata], *, max_items: int
) -> dict[str, ReadingHistory]:
    """
    Return *histories*, by key, with the results of *items* added; items beyond *max_items* have no
    history, and keys that are not among *items* are dropped.
    """
    kept = itertools.islice(items, max_items)
    return {
        item.description.key: histories.get(item.description.key, ReadingHistory()).add(item)
        for item in kept
    }
