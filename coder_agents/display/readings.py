"""
Readings of metadata, and the series of numbers in them.

This module does no input or output.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import attrs

from coder_agents.agent import Agent
from coder_agents.display.cells import short
from coder_agents.schema import WorkspaceAgentMetadata, WorkspaceAgentMetadataDescription
from coder_agents.schema.numbers import Number

_MIN_GAP = 5  # seconds, as in the rule for stale values
_MAX_LABEL = 40  # columns


@attrs.frozen(kw_only=True)
class MetadataReading:
    """
    One result of one item of an agent's metadata.

    Attributes:
        agent: the agent.
        metadata: the item, with its description and this result.
        collected_at: when the agent collected it.
    """

    agent: Agent
    metadata: WorkspaceAgentMetadata
    collected_at: datetime

    @property
    def key(self) -> str:
        """
        The item's name for programs.
        """
        return self.metadata.description.key

    @property
    def number(self) -> Number | None:
        """
        The number that the script printed; None where it printed something else or failed.
        """
        return self.metadata.number


@attrs.frozen(kw_only=True)
class Series:
    """
    The readings of one item of one agent, by time.

    Attributes:
        label: the item's name, safe to show, after the agent's name if there are several agents.
        readings: the readings, oldest first.
        gaps: the times between two readings that are so far apart that readings are missing.
    """

    label: str
    readings: tuple[MetadataReading, ...]
    gaps: tuple[tuple[datetime, datetime], ...]

    @property
    def unit(self) -> str | None:
        """
        The unit of the newest number, in which `values` are; None where no reading is a number.
        """
        numbers = (reading.number for reading in reversed(self.readings))
        return next((number.unit for number in numbers if number is not None), None)

    @property
    def errors(self) -> list[datetime]:
        """
        The times of the readings that are errors.
        """
        return [each.collected_at for each in self.readings if each.metadata.result.error]

    def values(self) -> list[float]:
        """
        Return the numbers of the readings; NaN for a reading that is none, or in a unit that cannot
        be converted.
        """
        unit = self.unit
        return [_value(reading.number, unit) for reading in self.readings]

    def points(self) -> tuple[list[datetime], list[float]]:
        """
        Return the times and the values of a line that breaks at each gap: there, the value is NaN.
        """
        times, values = [], []
        ends = dict(self.gaps)
        for reading, value in zip(self.readings, self.values(), strict=True):
            times.append(reading.collected_at)
            values.append(value)
            end = ends.get(reading.collected_at)
            if end is not None:
                times.append(reading.collected_at + (end - reading.collected_at) / 2)
                values.append(math.nan)
        return times, values


def series_of(readings: Iterable[MetadataReading]) -> list[Series]:
    """
    Return the series of *readings*, in the order of their first readings.
    """
    found: dict[tuple[object, str], list[MetadataReading]] = {}
    for reading in readings:
        found.setdefault((reading.agent.id, reading.key), []).append(reading)
    several = len({agent for agent, _ in found}) > 1
    return [_series(each, several=several) for each in found.values()]


def _series(readings: Sequence[MetadataReading], *, several: bool) -> Series:
    ordered = sorted(readings, key=lambda reading: reading.collected_at)
    newest = ordered[-1].metadata.description
    name = newest.display_name or newest.key
    label = f"{ordered[-1].agent.label} · {name}" if several else name
    return Series(
        label=short(label, _MAX_LABEL),
        readings=tuple(ordered),
        gaps=tuple(_gaps([each.collected_at for each in ordered], newest)),
    )


def _gaps(
    times: Sequence[datetime], description: WorkspaceAgentMetadataDescription
) -> Iterable[tuple[datetime, datetime]]:
    """
    Yield the pairs of *times* between which a reading is missing, by the rule for stale values.

    An item without an interval is collected once in each start of the agent.
    """
    if description.interval <= 0:
        return
    # An age is in whole seconds: a value is stale once its age is a second more than the limit.
    limit = max(description.interval + 2 * description.timeout, _MIN_GAP) + 1
    for begin, end in pairwise(times):
        if end - begin > timedelta(seconds=limit):
            yield begin, end


def _value(number: Number | None, unit: str | None) -> float:
    if number is None or unit is None:
        return math.nan
    converted = number.to(unit)
    return math.nan if converted is None else converted.value
