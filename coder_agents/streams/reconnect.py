"""
When a stream that broke off is connected again, and when it is not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from coder_agents.config import positive_seconds
from coder_agents.errors import (
    AgentNotConnectedError,
    APIError,
    CoderError,
    DecodeError,
    RateLimitError,
    ServerError,
    TLSError,
    TransportError,
)
from coder_agents.transport import DroppedError

E = TypeVar("E", bound=BaseException)

# Close codes of RFC 6455 that another connection would not change: what was sent is wrong,
# or the peer says that what we do is.
_FINAL_CODES = frozenset({1002, 1003, 1007, 1008, 1009})
_MAX_DOUBLINGS = 60
_MAX_REQUESTED_PAUSE = 6 * 3600.0  # seconds


def _seconds(_: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    positive_seconds(attribute.name, value)


def _seconds_or_none(_: Any, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None:
        positive_seconds(attribute.name, value)


def _fraction(_: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{attribute.name} must be a number, not {type(value).__name__}")
    if not 0 <= value < 1:
        raise ValueError(f"{attribute.name} must be 0 or more and below 1, not {value}")


@attrs.frozen(kw_only=True)
class Reconnect:
    """
    How often, and for how long, a broken connection is tried again.

    Attributes:
        initial: seconds before the first try; doubled for each one after it.
        maximum: the longest pause between two tries, in seconds.
        jitter: by what part of itself a pause is made longer or shorter by chance, so that
            many clients do not come back at once; no pause gets longer than *maximum*.
        give_up_after: seconds since the stream last made progress after which it gives up;
            None for never. Progress is a new item, or a connection that lived to see a ping.
    """

    initial: float = attrs.field(default=0.5, validator=_seconds)
    maximum: float = attrs.field(default=30.0, validator=_seconds)
    jitter: float = attrs.field(default=0.25, validator=_fraction)
    give_up_after: float | None = attrs.field(default=300.0, validator=_seconds_or_none)

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """
        Return the seconds to wait before try number *attempt*, which begins at 1.

        *chance* gives numbers from 0 up to 1.
        """
        doubled = self.initial * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS)
        varied = min(self.maximum, doubled) * (1 + self.jitter * (2 * chance() - 1))
        # What would be too long is as much too short: cut off, half of all clients would come back
        # at the same moment.
        return min(varied, 2 * self.maximum - varied)


@attrs.define
class Outage:
    """
    The tries since a stream last made progress.

    Attributes:
        since: when it began, by `time.monotonic`.
        attempts: how many tries there were.
    """

    since: float
    attempts: int = 0

    def pause(self, policy: Reconnect, requested: float, now: float) -> float | None:
        """
        Count one more try and return the seconds until it; None where it is time to give up.

        *requested* is the pause that the deployment wants. No pause goes past the time at which
        the stream gives up, so that one more try is made before it does.
        """
        self.attempts += 1
        delay = max(policy.delay(self.attempts), requested)
        if policy.give_up_after is None:
            return delay
        left = policy.give_up_after - (now - self.since)
        return min(delay, left) if left > 0 else None


def is_resumable(error: DroppedError | CoderError) -> bool:
    """
    Whether another connection may go better than one that ended by *error*.
    """
    if isinstance(error, DroppedError):
        return error.code not in _FINAL_CODES
    if isinstance(error, TLSError) and error.certificate_refused:
        return False
    if isinstance(error, (TransportError, RateLimitError, ServerError, AgentNotConnectedError)):
        return True
    # A page of something between us and the deployment, such as a login, whatever its status.
    return isinstance(error, (APIError, DecodeError)) and not error.by_deployment


def requested_pause(error: DroppedError | CoderError) -> float:
    """
    Return the seconds that the deployment wants us to wait (``Retry-After``), 0 where it names none.

    At most 6 hours, whatever it names.
    """
    seconds = error.retry_after if isinstance(error, APIError) else None
    return min(seconds or 0.0, _MAX_REQUESTED_PAUSE)


def without_frames(error: E) -> E:
    """
    Return *error* with no traceback, and its causes with none: it is kept for longer than the calls
    through which it came, and would keep alive all that they refer to.
    """
    found: list[BaseException] = [error]
    for each in found:
        each.__traceback__ = None
        found += [c for c in (each.__cause__, each.__context__) if c is not None and c not in found]
    return error
