"""
The clock of a deployment, which each of its answers shows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from coder_agents.transport.http import HTTP


def clock_skew(http: HTTP) -> timedelta | None:
    """
    Return how far the deployment's clock is ahead of the clock of this machine; one request.

    The result is exact to a second and half the time that the request takes, because the header ``Date`` has whole
    seconds. None where the answer has no such header, or none that can be read.

    Raises *TransportError* where no answer came.
    """
    sent = datetime.now(UTC)
    # Everybody may read that, whatever the token is.
    response = http._send("GET", http.url("/buildinfo"), (), None)
    received = datetime.now(UTC)
    try:
        shown = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    if shown.tzinfo is None:
        shown = shown.replace(tzinfo=UTC)
    # On average, a time that was cut to seconds was half a second later.
    return shown + timedelta(seconds=0.5) - (sent + (received - sent) / 2)
