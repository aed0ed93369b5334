"""
The limit of requests, as Coder's server applies it.

The server counts the requests of each window of time, and weights those of the window before by the
share of it that is still within one window's length from now.
"""

from __future__ import annotations

import collections
import math
import threading
import time
from collections.abc import Callable
from typing import Literal

import attrs

from coder_agents.testing.documents import message
from coder_agents.testing.http import Headers, ServerRequest, ServerResponse

PREFIX = "/api/"


@attrs.frozen
class RateLimit:
    """
    How many requests a user may send.

    Attributes:
        requests: how many are accepted in a window, for each user and endpoint.
        window: its length in seconds; a minute in a real deployment.
        retry_after: whether a refusal has the header ``Retry-After``, with the length of the window in
            whole seconds.
        per: what counts as one endpoint. With ``route``, the same call is counted for all agents
            together, as by a gateway in front of a deployment; with ``path``, for each agent apart,
            as by Coder itself.

    Raises:
        ValueError: a number is below its least value.
    """

    requests: int = attrs.field(validator=attrs.validators.ge(1))
    window: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))
    retry_after: bool = True
    per: Literal["route", "path"] = attrs.field(
        default="route", validator=attrs.validators.in_(("route", "path"))
    )


@attrs.frozen
class LimitVerdict:
    """
    What the limit means for a request.

    Attributes:
        headers: the headers of its answer, whatever that is.
        refusal: the answer of a request that is refused; None where it is accepted.
    """

    headers: Headers = ()
    refusal: ServerResponse | None = None


class Limiter:
    """
    Applies *limit* to requests; None is no limit. Any thread may use it.

    Args:
        clock: returns the seconds since the epoch.

    Attributes:
        refused: how many requests were refused, by the names of their routes.
    """

    def __init__(self, limit: RateLimit | None, *, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._counts: dict[tuple[str, str], dict[int, int]] = {}
        self._lock = threading.Lock()
        self.refused: collections.Counter[str] = collections.Counter()

    def check(self, route: str, request: ServerRequest) -> LimitVerdict:
        """
        Count *request*, of the route with the name *route*, and return what the limit means for it.
        """
        limit = self._limit
        if limit is None or not request.path.startswith(PREFIX):
            return LimitVerdict()
        user = request.headers.get("coder-session-token", "")
        now = self._clock()
        with self._lock:
            left = self._left(limit, (user, request.path if limit.per == "path" else route), now)
            if left < 0:
                self.refused[route] += 1
        end = (math.floor(now / limit.window) + 1) * limit.window
        headers = (
            ("X-RateLimit-Limit", str(limit.requests)),
            ("X-RateLimit-Remaining", str(max(0, left))),
            ("X-RateLimit-Reset", str(math.floor(end))),
        )
        return LimitVerdict(headers, None if left >= 0 else _refusal(limit))

    def _left(self, limit: RateLimit, key: tuple[str, str], now: float) -> int:
        """
        Return how many requests are left after this one; -1 where it is refused.
        """
        window = math.floor(now / limit.window)
        counts = self._counts.setdefault(key, {})
        for old in [number for number in counts if number < window - 1]:
            del counts[old]
        share = 1 - (now / limit.window - window)
        rate = round(counts.get(window - 1, 0) * share + counts.get(window, 0))
        if rate >= limit.requests:
            return -1
        counts[window] = counts.get(window, 0) + 1
        return limit.requests - rate - 1


def _refusal(limit: RateLimit) -> ServerResponse:
    sent = f"You've been rate limited for sending more than {limit.requests} requests"
    refusal = message(429, f"{sent} in {_duration(limit.window)}.")
    if not limit.retry_after:
        return refusal
    retry_after = ("Retry-After", str(math.ceil(limit.window)))
    return attrs.evolve(refusal, headers=(*refusal.headers, retry_after))


def _duration(seconds: float) -> str:
    """
    Return *seconds* in the form of Go, such as ``1m0s``.
    """
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
