"""
The pace of requests: in which order, how fast, and when none at all.

One pace is shared by all threads and calls that send requests to several agents of one deployment.
A burst begins no more than so many requests a second, and a refusal with the status 429 makes all of
them wait: the refused request was not executed, and is sent again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping

from coder_agents.render.line import counted
from coder_agents.transport import fork
from coder_agents.transport.retry_after import retry_after, window_limit
from coder_agents.transport.throttle import Throttle, checked_rate

logger = logging.getLogger("coder_agents")

DEFAULT_RATE = 256.0
"""
How many requests a second begin at most, unless a caller chooses another rate.
"""

TOO_MANY_REQUESTS = 429
"""
The status of a request that was refused, and not executed, because there were too many.
"""

# A clock that jumps, or threads that did not run for long, must not cause a burst.
_MAX_STEP = 1.0  # seconds

_RECHECK = 0.1  # seconds
_MAX_WAIT = 60.0  # seconds; meanwhile the rate may have grown
_TINY = 1e-9  # of one request: what is lost by computing with floats
_LONG = 60.0  # seconds; a program that waits for so long without any word seems to hang


class Pace:
    """
    When each request may begin.

    Requests begin in the order in which they came, *rate* in a second at most. After a refusal none
    begins for a while, and then they begin at a rate that the deployment has shown to accept; see
    `Throttle`.

    Any thread may use it. A copy, such as a pickled one, has the rate alone.

    Args:
        rate: how many requests begin in a second at most.
        first_pause: seconds without requests after a refusal that requests no pause.
        clock: returns the time, as `time.monotonic` does.

    Attributes:
        rate: as above; it may be changed at any time.

    Raises *TypeError* or *ValueError* where *rate* is no number above 0.
    """

    def __init__(
        self,
        rate: float = DEFAULT_RATE,
        *,
        first_pause: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = checked_rate(rate)
        self._clock = clock
        self._throttle = Throttle(first_pause)
        self._lock = fork.RenewedLock()
        self._begin_again()
        fork.register(self)

    def at(self, rate: float) -> Pace:
        """
        Return a pace of another *rate*: the refusals of the requests of one slow down both.

        Raises *TypeError* or *ValueError* where *rate* is no number above 0.
        """
        other = type(self)(rate, clock=self._clock)
        other._lock, other._throttle = self._lock, self._throttle
        return other

    def __reduce__(self) -> tuple[type[Pace], tuple[float]]:
        return type(self), (self.rate,)

    def __repr__(self) -> str:
        return f"<Pace of {self.rate:g} requests a second>"

    def _begin_again(self) -> None:
        self._numbers = 0  # how many requests have a number
        self._begun = 0  # how many of these have begun, or will not
        self._released = 1.0  # how many of these may have begun by now
        self._released_at = -math.inf
        self._alone_until = -math.inf  # when the last request may begin that waits alone

    def after_fork_in_child(self) -> None:
        """
        Forget the requests that wait: their threads are in the parent process.
        """
        self._begin_again()

    @property
    def pause(self) -> float:
        """
        For how many seconds no request begins, because the deployment has refused one; else 0.
        """
        return max(0.0, self._throttle.not_before - self._clock())

    @property
    def limit(self) -> str:
        """
        Text for an error, which says how the deployment limits requests; empty where no request waits
        because of that.
        """
        pause = self.pause
        with self._lock.current:
            now = self._clock()
            rate = self._current_rate(now)
            alone = self._alone_until - now
        if pause:
            which = f"none is sent for another {counted(max(1, round(pause)), 'second')}"
        elif rate < self.rate:
            which = f"{rate:.2g} a second are sent"
        elif alone > 0:
            which = f"one of them is not sent for another {counted(max(1, round(alone)), 'second')}"
        else:
            return ""
        return f"the deployment limits requests (status {TOO_MANY_REQUESTS}): {which}"

    def turn(self) -> Turn:
        """
        Return the turn of one request.
        """
        return Turn(self)

    def _queue(self) -> int:
        """
        Return the number of the next request.
        """
        with self._lock.current:
            self._advance()
            self._numbers += 1
            return self._numbers

    def _due(self, number: int) -> float:
        """
        Return when the request *number* may begin, as far as is known; the current time at the
        earliest.
        """
        with self._lock.current:
            now = self._advance()
            lacking = number - self._released
            rate = self._current_rate(now)
            wait = lacking / rate if lacking > _TINY else 0.0
            if self._throttle.is_trying:  # the rate may rise at any moment
                wait = min(wait, _RECHECK)
            elif rate < self.rate:
                # The rate grows. Requests that came late would all begin in the same second.
                wait = min(wait, _MAX_STEP)
            return max(now, self._throttle.not_before) + wait

    def _begin(self, number: int) -> float | None:
        """
        Return the current time where the request *number* may begin now, else None.
        """
        with self._lock.current:
            now = self._advance()
            if now < self._throttle.not_before or number - self._released > _TINY:
                return None
            self._begun += 1
            return now

    def _leave(self) -> None:
        """
        Note that a request that has a number will not begin: another one takes its place.
        """
        with self._lock.current:
            self._begun += 1
            self._released += 1

    def _advance(self) -> float:
        """
        Release the requests whose time has come; return the current time.
        """
        now = self._clock()
        since = max(self._released_at, self._throttle.not_before)
        if now > since:
            rate = self._current_rate(now)
            step = min(now - since, max(_MAX_STEP, 2 / rate))
            # Time in which no request waits is not saved for a later burst.
            self._released = min(self._released + step * rate, self._numbers + 1.0)
            self._released_at = now
        return now

    def _current_rate(self, now: float) -> float:
        return min(self.rate, self._throttle.rate(now))

    def _accepted(self, sent: float) -> None:
        with self._lock.current:
            self._throttle.accepted(sent, self._advance())

    def _refused(
        self, sent: float, requested: float | None, limit: int | None = None, refusals: int = 1
    ) -> float:
        """
        Note a refusal, the last one of *refusals* in a row; return when the request may begin again,
        where it waits alone, and otherwise minus infinity.
        """
        with self._lock.current:
            now, begins = self._advance(), False
            alone = self._throttle.pause_alone(refusals, requested)
            if alone:
                self._alone_until = max(self._alone_until, now + alone)
            elif begins := self._throttle.refused(sent, now, requested, limit):
                # One request begins at the end of the pause, and the others after it.
                self._released = self._begun + 1.0
            pause, since = self.pause, self._throttle.refused_for(now)
        if alone:
            _log_pause(f"one that was refused {refusals} times is sent", alone, 0.0)
            return now + alone
        if begins:
            _log_pause("the next one is sent", pause, since)
        return -math.inf


def _log_pause(what: str, pause: float, since: float) -> None:
    """
    Log *what* happens after *pause* seconds, and that no request was accepted for *since* seconds.
    """
    level = logging.WARNING if round(since + pause) >= _LONG else logging.INFO
    text = "the deployment limits requests (status %d): %s in %.1f s%s"
    more = f"; none was accepted for {since:.0f} s" if since else ""
    logger.log(level, text, TOO_MANY_REQUESTS, what, pause, more)


class Turn:
    """
    The turn of one request, and of the same request once more after each refusal.

    One thread at a time may use it.

    Args:
        pace: the pace of the request; None where it may begin at once, and is not repeated.

    Attributes:
        waited: how many seconds the request has waited for its turns.
    """

    __slots__ = ("_not_before", "_number", "_pace", "_refusals", "_sent", "_since", "waited")

    def __init__(self, pace: Pace | None) -> None:
        self._pace = pace
        self._number = 0  # 0 where it has none
        self._refusals = 0  # in a row
        self._not_before = -math.inf  # where it waits alone
        self._since = 0.0
        self._sent = 0.0
        self.waited = 0.0

    def has_come(self) -> bool:
        """
        Return whether the request may begin now; True once, then the request has to begin.
        """
        pace = self._pace
        if pace is None:
            return True
        now = pace._clock()
        if not self.is_awaited:
            self._since = now
        if now < self._not_before:
            return False
        self._number = self._number or pace._queue()
        sent = pace._begin(self._number)
        if sent is None:
            return False
        self._number, self._not_before = 0, -math.inf
        self._sent = sent
        self.waited += sent - self._since
        return True

    def wait(self, pause: Callable[[float], object]) -> None:
        """
        Wait until the turn has come; *pause* waits for so many seconds.
        """
        pace = self._pace
        try:
            while pace is not None and not self.has_come():
                pause(min(_MAX_WAIT, max(0.0, self.due - pace._clock())))
        except BaseException:  # mostly Ctrl-C
            self.leave()
            raise

    @property
    def is_awaited(self) -> bool:
        """
        Whether the request waits for its turn.
        """
        return self._number > 0 or self._not_before > -math.inf

    @property
    def due(self) -> float:
        """
        When to call `has_come` again, by the pace's clock; minus infinity where the request does
        not wait.
        """
        return self._pace._due(self._number) if self._pace and self._number else self._not_before

    def answered(self, status: int, headers: Mapping[str, str]) -> bool:
        """
        Note the answer to the request; return whether the request has to be sent again.

        The names of *headers* are in lower case, or found in any case.
        """
        pace = self._pace
        if pace is None:
            return False
        if status != TOO_MANY_REQUESTS:
            pace._accepted(self._sent)
            self._refusals = 0
            return False
        self._refusals += 1
        self._since = pace._clock()
        requested, limit = retry_after(headers), window_limit(headers)
        self._not_before = pace._refused(self._sent, requested, limit, self._refusals)
        if not self.is_awaited:
            self._number = pace._queue()
        return True

    def leave(self) -> None:
        """
        Wait no longer: the request will not begin.
        """
        pace = self._pace
        if pace is None:
            return
        if self._number:
            self._number = 0
            pace._leave()
        elif self.is_awaited:
            # Where others wait alone, only the text of an error lacks that.
            pace._alone_until = -math.inf
        self._not_before = -math.inf
