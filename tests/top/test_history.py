"""
Histories of numbers, and their pictures.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.cli.top.history import MAX_READINGS, ReadingHistory, bars, histories_with

from .states import item


def test_each_run_of_a_script_is_one_reading() -> None:
    """
    A result that is read twice, an older one and one without a time add nothing.
    """
    history = ReadingHistory().add(item("1", at=10))
    assert history.add(item("1", at=10)) is history
    assert history.add(item("7", at=9)) is history
    assert history.add(item("7", at=None)) is history
    assert [each.value for each in history.add(item("2", at=11)).readings] == [1.0, 2.0]


def test_a_history_is_bounded() -> None:
    """
    The newest readings are kept.
    """
    history = ReadingHistory()
    for second in range(MAX_READINGS + 7):
        history = history.add(item(str(second), at=second))
    assert len(history.readings) == MAX_READINGS
    assert history.readings[-1].value == MAX_READINGS + 6


def test_what_is_no_number_is_a_gap() -> None:
    """
    A gap differs from a zero, whose bar is the lowest one.
    """
    history = (
        ReadingHistory().add(item("0%", at=0)).add(item("broken", at=1)).add(item("100%", at=2))
    )
    assert history.has_numbers
    assert history.picture(8) == ["▁ █"]
    assert not ReadingHistory().add(item("text")).has_numbers


@pytest.mark.parametrize(
    ("values", "picture"),
    [
        (["50%", "25%"], "▄▂"),
        (["2/16 GiB", "16/16 GiB"], "▁█"),
        (["1.5", "3"], "▄█"),
        (["0", "0"], "▁▁"),
        (["-1", "1"], "▁█"),
        (["300%", "150%"], "█▄"),
    ],
)
def test_bars_end_at_the_whole_or_at_the_highest_number(values: list[str], picture: str) -> None:
    """
    The whole of a part is the top, unless a number exceeds it.
    """
    history = ReadingHistory()
    for second, value in enumerate(values):
        history = history.add(item(value, at=second))
    assert history.picture(8) == [picture]


def test_a_picture_shows_the_newest_readings() -> None:
    """
    The older ones do not fit; no width shows nothing.
    """
    history = ReadingHistory()
    for second, value in enumerate(["100%", "50%", "1%"]):
        history = history.add(item(value, at=second))
    assert history.picture(2) == ["▄▁"]
    assert history.picture(0) == [""]


def test_a_high_picture_has_finer_steps() -> None:
    """
    Two lines have sixteen steps.
    """
    assert bars([1, 8, 9, 16], 2) == ["  ▁█", "▁███"]


@given(
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=20),
    st.integers(1, 3),
)
def test_any_numbers_have_a_picture(values: list[float | None], height: int) -> None:
    """
    Each value has one column, and a gap is empty in all lines, whatever the numbers are.
    """
    lines = bars(values, height)
    assert [len(line) for line in lines] == [len(values)] * height
    for column, value in enumerate(values):
        assert (lines[-1][column] == " ") == (value is None)


def test_items_that_disappear_have_no_history() -> None:
    """
    The histories are those of the items, and of so many only.
    """
    first = histories_with({}, [item("1", key="a"), item("2", key="b")], max_items=8)
    assert set(first) == {"a", "b"}
    assert set(histories_with(first, [item("1", key="b", at=1)], max_items=8)) == {"b"}
    assert set(histories_with({}, [item("1", key="a"), item("2", key="b")], max_items=1)) == {"a"}
