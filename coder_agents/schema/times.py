"""
Times and durations as Go writes them.

A time on the wire is RFC 3339: none to nine digits of a second's fraction, then ``Z`` or
an offset. Here it is an aware `datetime` with that offset, cut to microseconds. The zero
time, ``0001-01-01T00:00:00Z``, means never, and is None.

A duration on the wire is an integer of nanoseconds; here it is a `timedelta`, cut to
microseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_ZERO_TEXT = "0001-01-01T00:00:00Z"
_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_MICROSECOND = timedelta(microseconds=1)

# `fromisoformat` reads a good deal more than RFC 3339: dates alone, weeks, no zone.
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


def parse_time(text: str) -> datetime | None:
    """
    The time that *text* says, None for the zero time.

    Raises ValueError for what is not a time with a zone.
    """
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("not a time of RFC 3339")
    moment = datetime.fromisoformat(text)
    return None if moment == _ZERO else moment


def format_time(moment: datetime | None, timespec: str = "auto") -> str:
    """
    *moment* as Go writes it: without trailing zeros, and with ``Z`` for UTC.

    None is the zero time; *timespec* is that of `datetime.isoformat`. An offset that is not
    whole minutes cannot be written: such a time is written in UTC. Raises ValueError for a time
    without a zone.
    """
    if moment is None:
        return _ZERO_TEXT
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError(f"a time needs a zone, and {moment.isoformat()} has none")
    if offset % _MINUTE:
        moment = moment.astimezone(UTC)
    text = moment.isoformat(timespec=timespec)
    clock, zone = text[:-6], text[-6:]
    if "." in clock:
        clock = clock.rstrip("0")
    return clock + ("Z" if zone == "+00:00" else zone)


def from_nanoseconds(count: int) -> timedelta:
    """
    A duration of *count* nanoseconds, cut to microseconds towards zero.
    """
    microseconds = abs(count) // 1000
    return timedelta(microseconds=microseconds if count >= 0 else -microseconds)


def to_nanoseconds(duration: timedelta) -> int:
    """
    How many nanoseconds *duration* is.
    """
    return duration // _MICROSECOND * 1000
