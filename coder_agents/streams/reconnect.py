"""
When a stream that broke off is connected again, and when it is not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs

from coder_agents.config import positive_seconds
from coder_agents.errors import (
    AgentNotConnectedError,
    APIError,
    CoderError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    TransportError,
)
from coder_agents.transport import DroppedError

# Close codes of RFC 6455 that another connection would not change: what was sent is wrong,
# or the peer says that what we do is.
_FINAL_CODES = frozenset({1002, 1003, 1007, 1008, 1009})
_MOST_DOUBLINGS = 60
_LONGEST_ASKED_PAUSE = 6 * 3600.0  # seconds; what a deployment may ask for at most


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
        maximum: the most seconds between two tries.
        jitter: by what part of itself a pause is made longer or shorter by chance, so that
            many clients do not come back at once.
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
        doubled = self.initial * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS)
        return min(self.maximum, doubled) * (1 + self.jitter * (2 * chance() - 1))


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


def is_resumable(error: DroppedError | CoderError) -> bool:
    """
    Whether another connection may go better than one that ended by *error*.
    """
    if isinstance(error, DroppedError):
        return error.code not in _FINAL_CODES
    if isinstance(error, (TransportError, RateLimitError, ServerError, AgentNotConnectedError)):
        return True
    # From something between us and the deployment, which has no such answer.
    between = (PermissionDeniedError, NotFoundError)
    return isinstance(error, between) and not error.by_deployment


def asked_pause(error: DroppedError | CoderError) -> float:
    """
    Return the seconds that the deployment asks to wait, 0 where it does not.

    At most 6 hours, whatever it asks.
    """
    asked = error.retry_after if isinstance(error, APIError) else None
    return min(asked or 0.0, _LONGEST_ASKED_PAUSE)
