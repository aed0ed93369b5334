"""
When a stream connects again after its connection broke, and when it does not.
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

# Close codes of RFC 6455 that another connection would not change: one side sent something wrong.
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
    How often, and for how long, a stream tries to connect again.

    Attributes:
        initial: seconds before the first try; doubled for each further one.
        maximum: the maximum pause between two tries, in seconds.
        jitter: the maximum random share, from 0 up to 1, by which a pause is lengthened or
            shortened, so that many clients do not connect at the same time; no pause exceeds
            *maximum*.
        give_up_after: seconds since the stream last made progress after which it gives up; None for
            never. Progress is a new item, or a ping over the connection.
    """

    initial: float = attrs.field(default=0.5, validator=_seconds)
    maximum: float = attrs.field(default=30.0, validator=_seconds)
    jitter: float = attrs.field(default=0.25, validator=_fraction)
    give_up_after: float | None = attrs.field(default=300.0, validator=_seconds_or_none)

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """
        Return the seconds to wait before the try with the number *attempt*, counted from 1.

        *chance* returns random numbers from 0 up to 1.
        """
        doubled = self.initial * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS)
        varied = min(self.maximum, doubled) * (1 + self.jitter * (2 * chance() - 1))
        # A pause above the maximum is mirrored below it. If it were cut off at the maximum, half of
        # all clients would connect at the same moment.
        return min(varied, 2 * self.maximum - varied)


@attrs.define
class Outage:
    """
    The tries since a stream last made progress.

    Attributes:
        since: when the outage began, by `time.monotonic`.
        attempts: how many tries were made.
    """

    since: float
    attempts: int = 0

    def pause(self, policy: Reconnect, requested: float, now: float) -> float | None:
        """
        Count one more try and return the seconds until that try; None where the stream gives up.

        *requested* is the pause that the deployment requests, in seconds. A pause ends no later
        than the time at which the stream gives up, so that one more try is made before.
        """
        self.attempts += 1
        delay = max(policy.delay(self.attempts), requested)
        if policy.give_up_after is None:
            return delay
        remaining = policy.give_up_after - (now - self.since)
        return min(delay, remaining) if remaining > 0 else None


def is_resumable(error: DroppedError | CoderError) -> bool:
    """
    Whether another connection may succeed after *error* ended one.
    """
    if isinstance(error, DroppedError):
        return error.code not in _FINAL_CODES
    if isinstance(error, TLSError) and error.certificate_refused:
        return False
    if isinstance(error, (TransportError, RateLimitError, ServerError, AgentNotConnectedError)):
        return True
    # A page from between the client and the deployment, such as a login page, with any status.
    return isinstance(error, (APIError, DecodeError)) and not error.by_deployment


def requested_pause(error: DroppedError | CoderError) -> float:
    """
    Return the pause that the deployment requests (``Retry-After``), in seconds; 0 where it requests
    none, and 6 hours at most.
    """
    seconds = error.retry_after if isinstance(error, APIError) else None
    return min(seconds or 0.0, _MAX_REQUESTED_PAUSE)


def without_frames(error: E) -> E:
    """
    Return *error* without its traceback and those of its causes. The error is kept after the calls
    that raised it; tracebacks would keep alive all objects of these calls.
    """
    found: list[BaseException] = [error]
    for each in found:
        each.__traceback__ = None
        found += [c for c in (each.__cause__, each.__context__) if c is not None and c not in found]
    return error
