"""
Times and durations in Go's formats.

A time on the wire is RFC 3339: a date, ``T``, the time of day with a fraction of any number of
digits, and ``Z`` or an offset. A space, lower-case letters and an offset without a colon are
accepted, too. In Python, a time is a `datetime` with that offset, rounded to microseconds, half up.
The zero time, ``0001-01-01T00:00:00Z``, means never, and is None.

A duration on the wire is an integer of nanoseconds. In Python, it is a `timedelta`, cut to
microseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_ZERO_TEXT = "0001-01-01T00:00:00Z"
ZERO = datetime(1, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_MICROSECOND = timedelta(microseconds=1)

# `fromisoformat` accepts more than RFC 3339 and cuts a fraction, so it gets only checked parts.
_RFC3339 = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]"
    r"(?P<clock>(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<micro>[0-9]{1,6})(?P<next>[0-9])?[0-9]*)?"
    r"(?:[Zz]|(?P<hours>[+-](?:[01][0-9]|2[0-3])):?(?P<minutes>[0-5][0-9]))"
)
_from_iso = datetime.fromisoformat
_DIGITS_TO_0 = bytes.maketrans(b"123456789", b"000000000")
_USUAL = {b"0000-00-00T00:00:00." + b"0" * digits + b"Z" for digits in range(1, 7)}


def parse_time(text: str) -> datetime | None:
    """
    Return *text* as a time; None for the zero time.

    Raises *ValueError* where *text* is not a time with a zone.
    """
    # The usual form: a fraction of one to six digits, UTC, not the zero time. The slice has the
    # separators from the date's first to the dot. 24:00 is excluded, as Python 3.14 accepts it.
    if (
        text[4:20:3] == "--T::."
        and text[-1] == "Z"
        and 22 <= len(text) <= 27
        and text > "0002"
        and text[11:13] < "24"
    ):
        return _from_iso(text)
    return _parse_any_time(text)


def parse_times(texts: list[str]) -> list[datetime | None]:
    """
    Return *texts* as times.

    Each different text is read once. Texts of the usual form are checked together.

    Raises what `parse_time` raises.
    """
    if texts.count(texts[0]) == len(texts):  # a batch of log lines has one time
        return [parse_time(texts[0])] * len(texts)
    distinct = set(texts)
    if len(distinct) == len(texts):
        return _parse_each(texts)
    parsed = dict(zip(distinct, _parse_each(list(distinct)), strict=True))
    return [parsed[text] for text in texts]


def _parse_each(texts: list[str]) -> list[datetime | None]:
    joined = "\n".join(texts).encode()
    forms = joined.translate(_DIGITS_TO_0).split(b"\n")
    if _USUAL.issuperset(forms) and b"T24" not in joined and min(texts) > "0002":
        return list(map(_from_iso, texts))
    return [parse_time(text) for text in texts]


def _parse_any_time(text: str) -> datetime | None:
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("not a time of RFC 3339")
    zone = f"{found['hours']}:{found['minutes']}" if found["hours"] else "+00:00"
    moment = _from_iso(f"{found['date']}T{found['clock']}.{found['micro'] or '0'}{zone}")
    if (found["next"] or "") >= "5":
        try:
            moment += _MICROSECOND
        except OverflowError:
            raise ValueError("a time after the year 9999") from None
    return None if moment == ZERO else moment


def format_time(moment: datetime | None, timespec: str = "auto") -> str:
    """
    Return *moment* in Go's format: without trailing zeros, and with ``Z`` for UTC.

    None is written as the zero time; *timespec* is that of `datetime.isoformat`. The format has
    only offsets of whole minutes: a time with another offset is written in UTC.

    Raises *ValueError* for a time without a zone.
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
    Return a duration of *count* nanoseconds, cut to microseconds towards zero.
    """
    return timedelta(0, 0, count // 1000 if count >= 0 else -(-count // 1000))


def to_nanoseconds(duration: timedelta) -> int:
    """
    Return the nanoseconds of *duration*.
    """
    return duration // _MICROSECOND * 1000
