"""
How fast requests may begin, as the refusals of a deployment (status 429) have shown.

These are the rules alone: the caller passes the times, and nothing here waits.
"""

from __future__ import annotations

import collections
import math
import sys

MAX_PAUSE = 6 * 3600.0
"""
The longest pause in seconds, whatever a deployment requests.
"""

MIN_RATE = 0.1
"""
The lowest rate, in requests a second.
"""

_MAX_OWN_PAUSE = 60.0  # seconds, where the deployment requests no pause
_MAX_DOUBLINGS = 60.0

# After a pause, nobody knows whether it was long enough. One request a second finds that out.
_TRIAL_RATE = 1.0

# Exactly at its limit, a deployment refuses now and then.
_SHARE = 0.9

_MANY = 20  # accepted requests whose number says how many are accepted in that time

# A refusal so soon after a pause shows that the limit which the deployment names is not all ours.
_SOON = 60.0  # seconds

# A limit of all requests refuses a request seldom twice in a row while it accepts others.
_OFTEN = 3

# How long the rate takes to double, in pauses and in seconds. Each refusal costs a pause, so the
# longer a pause is, the more slowly the limit is approached. A rate that rests on few requests may
# be far below the limit, and grows faster.
_DOUBLING_IN_PAUSES = 30
_MIN_DOUBLING, _MAX_DOUBLING = 1.0, 1800.0

_MAX_AGE = 3600.0  # seconds for which accepted requests are counted
_RESOLUTION = 10  # counts a second


class Throttle:
    """
    What the answers of a deployment have shown of its limit.

    A refusal begins a pause. It is as long as the deployment requests, and without a request
    *first_pause* seconds long; as long as requests are refused after it, each further pause is at
    least twice as long, up to a minute.

    The requests that were accepted in a time as long as all these pauses, before the first of them,
    are what the deployment accepts in such a time. That gives the rate after the pauses. Where they
    are too few for that, the rate is half of the rate before. Where the refusal names the limit, as
    Coder's does, that gives the rate, unless a second refusal follows soon.

    From then on the rate grows slowly, because another program may have used up the limit.

    All times are of one monotonic clock.

    Args:
        first_pause: seconds without requests after a refusal that requests no pause.

    Attributes:
        not_before: when the last pause ends; minus infinity before the first one.
    """

    def __init__(self, first_pause: float = 1.0) -> None:
        self._first_pause = first_pause
        self._accepted = _RequestCounts()
        self._refusals = 0  # pauses since a request was accepted that was sent after a pause
        self._refused_at = -math.inf  # when the first of these pauses began
        self._paused_at = -math.inf
        self._is_learnt = True  # whether the rate after the last pause was computed
        self._rate = math.inf
        self._rate_since = 0.0
        self._doubling = _MIN_DOUBLING
        self._claimed = 0.0  # the rate that the last refusal names
        self.not_before = -math.inf

    def accepted(self, sent: float, now: float) -> None:
        """
        Note that a request of the time *sent* was answered at *now* with another status than 429.
        """
        if sent >= self.not_before:
            self._learn()
            self._refusals = 0
        self._accepted.add(now)

    def refused(
        self, sent: float, now: float, requested: float | None, limit: int | None = None
    ) -> bool:
        """
        Note that a request of the time *sent* was refused at *now*; return whether a pause begins.

        *requested* is the pause in seconds that the deployment requests; None where it requests
        none. *limit* is how many requests the deployment accepts in that time; None where it does
        not say that.
        """
        pause = min(max(0.0, requested or 0.0), MAX_PAUSE)
        if sent <= self._paused_at:  # sent when the refusal that began the pause was not known yet
            self.not_before = max(self.not_before, now + pause)
            return False
        self._learn()
        is_soon = now <= self.not_before + max(_SOON, self._last_pause)
        self._claimed = 0.0 if is_soon or not pause else (limit or 0) / pause
        if not self._refusals:
            self._refused_at = now
            self._rate, self._rate_since = self._grown(now), now
        self._refusals += 1
        self._paused_at = now
        self._is_learnt = False
        self.not_before = now + max(pause, self._own_pause(has_request=pause > 0))
        return True

    def pause_alone(self, refusals: int, requested: float | None) -> float:
        """
        Return for how many seconds a request alone has to wait that was refused *refusals* times in a
        row, and whose last refusal requests a pause of *requested* seconds; 0 where all have to wait.

        The request has a limit of its own, as Coder counts requests for each path, where others were
        accepted after it was refused.
        """
        if refusals < _OFTEN or self.is_trying:
            return 0.0
        own = self._first_pause * _doubled(refusals - _OFTEN)
        return max(min(requested or 0.0, MAX_PAUSE), min(own, _MAX_OWN_PAUSE))

    @property
    def is_trying(self) -> bool:
        """
        Whether no request was accepted yet that was sent after the last pause.
        """
        return self._refusals > 0

    def refused_for(self, now: float) -> float:
        """
        Return for how many seconds requests were refused, and none of them accepted after a pause.
        """
        return now - self._refused_at if self._refusals else 0.0

    @property
    def _last_pause(self) -> float:
        return 0.0 if math.isinf(self._paused_at) else self.not_before - self._paused_at

    def _own_pause(self, *, has_request: bool) -> float:
        doublings = self._refusals - 1
        if has_request and not doublings:
            return 0.0
        return min(_MAX_OWN_PAUSE, self._first_pause * _doubled(doublings))

    def rate(self, now: float) -> float:
        """
        Return how many requests a second may begin after *now*; infinity before any refusal.
        """
        if now >= self.not_before:
            self._learn()
        rate = self._grown(now)
        return min(rate, _TRIAL_RATE) if self._refusals else rate

    def _grown(self, now: float) -> float:
        return self._rate * _doubled((now - self._rate_since) / self._doubling)

    def _learn(self) -> None:
        """
        Compute the rate after the last pause, once the pause is over.
        """
        if self._is_learnt:
            return
        self._is_learnt = True
        length = self.not_before - self._refused_at
        count = self._accepted.since(self._refused_at - length)
        if self._claimed:
            rate, doubling = max(count / length, self._claimed), _DOUBLING_IN_PAUSES * length
        elif count >= _MANY or (count and math.isinf(self._rate)):
            rate = count / length
            doubling = min(count, _DOUBLING_IN_PAUSES) * self._last_pause
        else:
            rate, doubling = self._rate / 2, 2 * self._doubling
        self._rate = min(self._rate, max(MIN_RATE, _SHARE * rate))
        self._rate_since = self.not_before
        self._doubling = min(max(doubling, _MIN_DOUBLING), _MAX_DOUBLING)


def checked_rate(rate: float) -> float:
    """
    Return *rate*, how many requests a second begin at most, as a float.

    Raises *TypeError* or *ValueError* where *rate* is no finite number above 0.
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        raise TypeError(f"rate must be a number of requests a second, not {type(rate).__name__}")
    if not 0 < rate <= sys.float_info.max:
        raise ValueError(f"rate must be a finite number of requests a second above 0, not {rate}")
    return float(rate)


def _doubled(times: float) -> float:
    return math.pow(2.0, min(max(0.0, times), _MAX_DOUBLINGS))


class _RequestCounts:
    """
    How many requests were accepted in each tenth of the last seconds.
    """

    def __init__(self) -> None:
        self._tenths: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, now: float) -> None:
        """
        Count one more at *now*.
        """
        tenth, count = float(math.floor(now * _RESOLUTION)), 0
        if self._tenths and self._tenths[-1][0] >= tenth:
            tenth, count = self._tenths.pop()
        self._tenths.append((tenth, count + 1))
        while self._tenths[0][0] < tenth - _MAX_AGE * _RESOLUTION:
            self._tenths.popleft()

    def since(self, moment: float) -> int:
        """
        Return how many were counted since *moment*, exact to a tenth of a second.
        """
        first = math.floor(moment * _RESOLUTION)
        return sum(count for tenth, count in self._tenths if tenth >= first)
