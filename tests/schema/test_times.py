from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.schema import times
from coder_agents.schema.times import (
    format_time,
    from_nanoseconds,
    parse_time,
    parse_times,
    to_nanoseconds,
)

# Nothing here reads JSON: one way to read it is enough.
pytestmark = pytest.mark.parametrize("way", ["json"], indirect=True)

USUAL = "2026-11-22T08:36:52.116665Z"
NEWFOUNDLAND = timezone(-timedelta(hours=3, minutes=30))

offsets = st.integers(-24 * 60 + 1, 24 * 60 - 1).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
moments = st.datetimes(min_value=datetime(2, 1, 1), timezones=offsets)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T12:06:52Z", datetime(2026, 11, 22, 12, 6, 52, tzinfo=UTC)),
        ("2026-11-22T12:06:52+00:00", datetime(2026, 11, 22, 12, 6, 52, tzinfo=UTC)),
        (
            "2026-11-22T08:36:52.05718-03:30",
            datetime(2026, 11, 22, 8, 36, 52, 57180, tzinfo=NEWFOUNDLAND),
        ),
        ("2026-11-22T12:06:52.1Z", datetime(2026, 11, 22, 12, 6, 52, 100000, tzinfo=UTC)),
        ("2026-11-22T12:06:52.123456Z", datetime(2026, 11, 22, 12, 6, 52, 123456, tzinfo=UTC)),
        ("2026-11-22T12:06:52.1234569Z", datetime(2026, 11, 22, 12, 6, 52, 123457, tzinfo=UTC)),
        ("2026-11-22T12:06:52.1234565Z", datetime(2026, 11, 22, 12, 6, 52, 123457, tzinfo=UTC)),
        ("2026-11-22T12:06:52.1234564999Z", datetime(2026, 11, 22, 12, 6, 52, 123456, tzinfo=UTC)),
        ("2026-12-31T23:59:59.9999995Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-11-22t12:06:52.5z", datetime(2026, 11, 22, 12, 6, 52, 500000, tzinfo=UTC)),
        ("2026-11-22 12:06:52Z", datetime(2026, 11, 22, 12, 6, 52, tzinfo=UTC)),
        ("2026-11-22T08:36:52-0330", datetime(2026, 11, 22, 8, 36, 52, tzinfo=NEWFOUNDLAND)),
        ("2026-11-22T12:06:52.000000001Z", datetime(2026, 11, 22, 12, 6, 52, tzinfo=UTC)),
    ],
)
def test_times_are_read_with_their_offset_and_rounded_to_microseconds(
    text: str, moment: datetime
) -> None:
    """
    Half up, of any number of fraction digits; the offset is kept.
    """
    read = parse_time(text)

    assert read == moment
    assert read is not None
    assert read.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:00",
        "0001-01-01T02:00:00+02:00",
        "0001-01-01T00:00:00.0Z",
        "0001-01-01T00:00:00.000000Z",
    ],
)
def test_the_zero_time_is_never(text: str) -> None:
    """
    The zero time is an instant, whatever its offset, and reads as None.
    """
    assert parse_time(text) is None
    assert parse_times([USUAL, text]) == [parse_time(USUAL), None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T12:06:52",
        "2026-11-22T12:06Z",
        "20261122T120652Z",
        "2026-W47-7T12:06:52Z",
        "2026-11-22T12:06:52,5Z",
        "2026-11-22T12:06:52.Z",
        "2026-11-22T12:06:52+03:30:15",
        "2026-11-22T12:06:52+24:00",
        "2026-11-22T12:06:52+03:60",
        "2026-11-22T12:06:52+03",
        "9999-12-31T23:59:59.9999995Z",
        "2026-11-22T24:00:00.5Z",
        "2026-11-22T12:06:60Z",
        "2026-11-22T24:00:00Z",
        "2026-02-29T12:06:52Z",
        "0000-01-01T00:00:00Z",
        "\u0662026-11-22T12:06:52Z",
        "2026-11-22T12:06:52Z\n",
        " 2026-11-22T12:06:52Z",
    ],
)
def test_what_is_no_time_with_a_zone_is_refused(text: str) -> None:
    """
    RFC 3339 with its variants, and nothing else that Python would read.
    """
    with pytest.raises(ValueError):  # noqa: PT011
        parse_time(text)


@given(
    st.lists(st.tuples(st.integers(0, 27), st.sampled_from("0123459+-:.,ZTtz W\n")), max_size=3),
    st.integers(20, 27),
)
def test_the_quick_form_is_read_as_any_form_is(changes: list[tuple[int, str]], end: int) -> None:
    """
    What looks like the usual time is the same time, or as wrong, alone and among others.
    """
    text = USUAL[:end].removesuffix("Z") + "Z"
    for at, sign in changes:
        text = text[:at] + sign + text[at + 1 :]

    def outcome(read: Callable[[str], datetime | None]) -> datetime | str | None:
        try:
            return read(text)
        except ValueError:
            return "no time"

    expected = outcome(times._parse_any_time)
    assert outcome(parse_time) == expected
    assert outcome(lambda text: parse_times([USUAL, text])[1]) == expected
    assert outcome(lambda text: parse_times([USUAL, USUAL, text])[2]) == expected


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, "0001-01-01T00:00:00Z"),
        (datetime(2026, 11, 22, 12, 6, 52, tzinfo=UTC), "2026-11-22T12:06:52Z"),
        (datetime(2026, 11, 22, 12, 6, 50, 120000, tzinfo=UTC), "2026-11-22T12:06:50.12Z"),
        (datetime(2026, 11, 22, 12, 6, 52, 1, tzinfo=UTC), "2026-11-22T12:06:52.000001Z"),
        (datetime(2026, 11, 22, 8, 0, tzinfo=NEWFOUNDLAND), "2026-11-22T08:00:00-03:30"),
        (
            datetime(2026, 11, 22, 8, 0, 0, 500000, tzinfo=NEWFOUNDLAND),
            "2026-11-22T08:00:00.5-03:30",
        ),
        (
            datetime(1900, 1, 1, 0, 0, 30, tzinfo=timezone(timedelta(minutes=30, seconds=15))),
            "1899-12-31T23:30:15Z",
        ),
    ],
)
def test_times_are_written_as_go_writes_them(moment: datetime | None, text: str) -> None:
    """
    They have no trailing zeros and ``Z`` for UTC, and are in UTC where the offset is not whole
    minutes.
    """
    assert format_time(moment) == text


def test_a_time_without_a_zone_is_not_written() -> None:
    """
    Nobody could tell which instant it is, so it is an error that names it.
    """
    with pytest.raises(ValueError, match="2026-11-22T00:00:00 has none"):
        format_time(datetime(2026, 11, 22))  # noqa: DTZ001


@given(moments)
def test_times_survive_a_round_trip(moment: datetime) -> None:
    """
    What is written reads as the same instant with the same offset.
    """
    read = parse_time(format_time(moment))

    assert read == moment
    assert read is not None
    assert read.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    ("nanoseconds", "duration", "back"),
    [
        (0, timedelta(), 0),
        (60_000_000_000, timedelta(minutes=1), 60_000_000_000),
        (1_999, timedelta(microseconds=1), 1_000),
        (999, timedelta(), 0),
        (-1_999, timedelta(microseconds=-1), -1_000),
        (2**63 - 1, timedelta(microseconds=(2**63 - 1) // 1000), (2**63 - 1) // 1000 * 1000),
    ],
)
def test_durations_are_cut_to_microseconds(
    nanoseconds: int, duration: timedelta, back: int
) -> None:
    """
    Towards zero, exactly, over the whole range of Go's durations.
    """
    assert from_nanoseconds(nanoseconds) == duration
    assert to_nanoseconds(duration) == back
