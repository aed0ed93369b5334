"""
The pause that an answer requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import urllib3


def retry_after(headers: Mapping[str, str]) -> float | None:
    """
    Return the seconds in the header ``Retry-After``; None where it has no valid time, or is missing.

    A date counts from the answer's own ``Date``, because the server's clock may be wrong; a date in
    the past is 0. The names of *headers* are in lower case, or found in any case.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = urllib3.Retry().parse_retry_after(value)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
    until, now = _moment(value), _moment(headers.get("date"))
    if until is None or now is None:
        return seconds
    return max(0.0, (until - now).total_seconds())


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
