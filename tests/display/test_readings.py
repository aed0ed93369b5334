"""
Readings, and the series of numbers in them.
"""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from coder_agents import Agent, Client
from coder_agents.display.readings import MetadataReading, Series, series_of
from coder_agents.schema import WorkspaceAgentMetadata
from coder_agents.schema.numbers import Number

from .conftest import NOON, item, unread_agent


def readings(agent: Agent, *items: WorkspaceAgentMetadata) -> list[MetadataReading]:
    """
    Return the readings of *items*, all of which were collected.
    """
    found = []
    for each in items:
        assert each.result.collected_at is not None
        found.append(
            MetadataReading(agent=agent, metadata=each, collected_at=each.result.collected_at)
        )
    return found


def only(found: list[Series]) -> Series:
    """
    Return the only series of *found*.
    """
    [series] = found
    return series


@pytest.fixture
def other(client: Client) -> Agent:
    """
    An agent that is not requested.
    """
    return unread_agent(client)


def test_a_series_is_in_the_order_of_its_times(other: Agent) -> None:
    """
    Readings that arrived late have their place.
    """
    series = only(series_of(readings(other, item("2", 10), item("1", 0), item("3", 20))))
    assert series.values() == [1.0, 2.0, 3.0]
    assert (series.label, series.unit, series.gaps) == ("CPU", "", ())
    assert {each.key for each in series.readings} == {"cpu"}


@pytest.mark.parametrize(("pause", "is_gap"), [(10, False), (13, False), (13.5, True)])
def test_a_gap_is_where_a_value_was_stale(other: Agent, pause: float, is_gap: bool) -> None:
    """
    The dashboard calls a value stale at an age of an interval, two time-outs and a second: 13 here.
    """
    series = only(series_of(readings(other, item("1", 0), item("2", pause))))
    times, values = series.points()
    if not is_gap:
        assert values == [1.0, 2.0]
        return
    end = NOON + timedelta(seconds=pause)
    assert series.gaps == ((NOON, end),)
    assert times == [NOON, NOON + timedelta(seconds=pause / 2), end]
    assert math.isnan(values[1])


def test_an_item_without_an_interval_has_no_gaps(other: Agent) -> None:
    """
    It is collected once in each start of the agent.
    """
    series = only(series_of(readings(other, item(at=0, interval=0), item(at=9e4, interval=0))))
    assert series.gaps == ()


def test_errors_are_kept_and_have_no_value(other: Agent) -> None:
    """
    The value that a script printed before it failed is not a reading of the number.
    """
    series = only(series_of(readings(other, item("1", 0), item("2", 10, error="exit 1"))))
    assert series.values()[0] == 1.0
    assert math.isnan(series.values()[1])
    assert series.errors == [NOON + timedelta(seconds=10)]


def test_values_are_in_the_unit_of_the_newest_number(other: Agent) -> None:
    """
    Sizes are converted; what cannot be converted, and what is no number, has no value.
    """
    texts = ["512 MiB", "0.5 h", "broken", "1.5 GiB"]
    found = readings(other, *(item(text, at * 10) for at, text in enumerate(texts)))
    series = only(series_of(found))
    assert series.unit == "GiB"
    half, hours, broken, whole = series.values()
    assert (half, whole) == (0.5, 1.5)
    assert math.isnan(hours)
    assert math.isnan(broken)


def test_a_series_without_numbers_has_no_unit(other: Agent) -> None:
    """
    A branch's name is recorded, but cannot be plotted.
    """
    series = only(series_of(readings(other, item("main"))))
    assert series.unit is None
    assert all(map(math.isnan, series.values()))


def test_series_of_several_agents_have_their_names(client: Client, agent: Agent) -> None:
    """
    The items of two agents are two series, though they have one key; a key stands for a missing name.
    """
    found = [*readings(agent, item(name="")), *readings(unread_agent(client), item())]
    labels = [series.label for series in series_of(found)]
    assert labels[0] == "dev.main · cpu"
    assert len(labels) == 2


@pytest.mark.parametrize(
    ("number", "unit", "converted"),
    [
        (Number(512, 1024, "MiB"), "GiB", Number(0.5, 1.0, "GiB")),
        (Number(1, None, "%"), "%", Number(1, None, "%")),
        (Number(1, None, ""), "", Number(1, None, "")),
        (Number(1, None, "%"), "GiB", None),
        (Number(1, None, ""), "GiB", None),
        (Number(1, None, "GiB"), "", None),
    ],
)
def test_a_number_converts_its_unit(number: Number, unit: str, converted: Number | None) -> None:
    """
    Only units of size can be converted, and a number without a unit has no other.
    """
    assert number.to(unit) == converted
