"""
How fast requests may begin, as the refusals of a deployment (status 429) have shown.

These are the rules alone: the caller passes the times, and nothing here waits.
"""

from __future__ import annotations

import collections
import math

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

# Refusals less far apart than that belong to one row, whose pauses become longer.
_ROW = 60.0  # seconds

# Exactly at its limit, a deployment refuses now and then.
_SHARE = 0.9

# How long the rate takes to double, in pauses and in seconds. Each refusal costs a pause, so the
# longer a pause is, the more slowly the limit is approached.
_DOUBLING_IN_PAUSES = 30
_MIN_DOUBLING, _MAX_DOUBLING = 60.0, 1800.0

_MAX_AGE = 3600  # seconds for which accepted requests are counted


class Throttle:
    """
    What the answers of a deployment have shown of its limit.

    A refusal begins a pause. It is as long as the deployment requests, and without a request
    *first_pause* seconds long. Further refusals soon after a pause belong to the same row: each
    pause of a row is at least twice as long as *first_pause*, then four times, up to a minute.

    The length of a row, and the requests that were accepted in that time, give the rate after it.
    The time begins before the first refusal, by the length of the last pause: that is how a burst
    counts that used up the limit. From then on the rate grows slowly, because another program may
    have used up the limit.

    All times are of one monotonic clock.

    Args:
        first_pause: seconds without requests after a refusal that requests no pause.

    Attributes:
        not_before: when the last pause ends; minus infinity before the first one.
    """

    def __init__(self, first_pause: float = 1.0) -> None:
        self._first_pause = first_pause
        self._accepted = _Counts()
        self._refusals = 0  # pauses of the row
        self._row_since = -math.inf
        self._paused_at = -math.inf
        self._is_trial = False  # whether no request was accepted that was sent after the pause
        self._is_learnt = True  # whether the rate after the last pause was computed
        self._rate = math.inf
        self._rate_since = 0.0
        self._doubling = _MIN_DOUBLING
        self.not_before = -math.inf

    def accepted(self, sent: float, now: float) -> None:
        """
        Note that a request of the time *sent* was answered at *now* with another status than 429.
        """
        if sent >= self.not_before:
            self._learn()
            self._is_trial = False
        self._accepted.add(now)

    def refused(self, sent: float, now: float, requested: float | None) -> bool:
        """
        Note that a request of the time *sent* was refused at *now*; return whether a pause begins.

        *requested* is the pause in seconds that the deployment requests; None where it requests
        none.
        """
        pause = min(max(0.0, requested or 0.0), MAX_PAUSE)
        if sent <= self._paused_at:  # sent when the refusal that began the pause was not known yet
            self.not_before = max(self.not_before, now + pause)
            return False
        self._learn()
        if not self._is_trial and now > self.not_before + max(_ROW, self._last_pause):
            self._refusals, self._row_since = 0, now
        self._refusals += 1
        self._paused_at = now
        self._is_trial = True
        self._is_learnt = False
        self._rate, self._rate_since = self._grown(now), now
        self.not_before = now + max(pause, self._own_pause(has_request=pause > 0))
        return True

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
        return min(rate, _TRIAL_RATE) if self._is_trial else rate

    def _grown(self, now: float) -> float:
        return self._rate * _doubled((now - self._rate_since) / self._doubling)

    def _learn(self) -> None:
        """
        Compute the rate after the last pause, once the pause is over.
        """
        if self._is_learnt:
            return
        self._is_learnt = True
        length = self.not_before - self._row_since
        count = self._accepted.since(self._row_since - self._last_pause)
        self._rate_since = self.not_before
        if count:
            self._rate = min(self._rate, max(MIN_RATE, _SHARE * count / length))
            pauses = _DOUBLING_IN_PAUSES * self._last_pause
            self._doubling = min(max(pauses, _MIN_DOUBLING), _MAX_DOUBLING)


def _doubled(times: float) -> float:
    return math.pow(2.0, min(max(0.0, times), _MAX_DOUBLINGS))


class _Counts:
    """
    How many requests were accepted in each of the last seconds.
    """

    def __init__(self) -> None:
        self._seconds: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, now: float) -> None:
        """
        Count one more at *now*.
        """
        second, count = float(math.floor(now)), 0
        if self._seconds and self._seconds[-1][0] >= second:
            second, count = self._seconds.pop()
        self._seconds.append((second, count + 1))
        while self._seconds[0][0] < second - _MAX_AGE:
            self._seconds.popleft()

    def since(self, moment: float) -> int:
        """
        Return how many were counted since *moment*, which is exact to a second.
        """
        first = math.floor(moment)
        return sum(count for second, count in self._seconds if second >= first)
