"""
The settings of a stream, why one ended, and what it counted.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs

from coder_agents.config import function_or_none, positive_seconds, whole_number
from coder_agents.streams.pauses import PAUSES, Pauses
from coder_agents.streams.reconnect import Reconnect

OnReconnect = Callable[[str, int, float], object]
"""
Called with the reason, the number of the try, and the seconds until it.
"""


class StreamEnd(enum.Enum):
    """
    Why a stream ended; the value is a sentence for people.
    """

    CLOSED = "closed by this program"
    INTERRUPTED = "interrupted"
    FORKED = "forked: the stream belongs to the parent process"
    SERVER_CLOSED = "closed by the server, again and again: there is nothing more to come"
    NOT_IN_LATEST_BUILD = "the workspace has a newer build, which the agent is not part of"
    AGENT_GONE = "the deployment has the agent no more"
    WORKSPACE_STOPPED = "the workspace was stopped, and nobody started it again"
    WORKSPACE_DELETED = "the workspace was deleted"
    ALL_ENDED = "the log of each of the agents has ended"
    JOB_ENDED = "the job has ended"
    GAVE_UP = "the connection could not be made again in time, and an error was raised"
    FAILED = "broke off, and an error was raised"

    def __str__(self) -> str:
        return str(self.value)


def _seconds(_: Any, attribute: attrs.Attribute[float], value: float) -> None:
    positive_seconds(attribute.name, value)


def _seconds_or_zero(_: Any, attribute: attrs.Attribute[float], value: float) -> None:
    if isinstance(value, bool) or value != 0:
        positive_seconds(f"{attribute.name}, where it is not 0,", value)


def _at_least_one(_: Any, attribute: attrs.Attribute[int], value: int) -> None:
    whole_number(attribute.name, value, least=1)


def _policy_or_none(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, Reconnect):
        raise TypeError(f"{attribute.name} must be a Reconnect or None, not {type(value).__name__}")


def _callable_or_none(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    function_or_none(attribute.name, value)


@attrs.frozen(kw_only=True)
class StreamOptions:
    """
    How streams behave: for all of a client's, or for one as ``options=``.

    Attributes:
        reconnect: how a broken connection is tried again; with None the first break is raised.
        idle_timeout: seconds without a single byte, not even a ping, after which the
            connection counts as lost. A deployment pings every 15 seconds.
        settle: seconds within which a log line is committed after it took its id. A line that
            is committed out of order is still delivered if it takes no longer; 0 trusts
            the order of the ids and asks nothing twice.
        remember: the most ids of log lines that are held; a stream with more lines than that
            in 40 seconds or so needs more, or a smaller *settle*.
        max_message_size: the most bytes one message may have, a WebSocket message or
            a server-sent event; past it *MessageTooLargeError* is raised.
        on_reconnect: called before each try to connect again, with the reason, the number of
            the try and the seconds until it.
    """

    reconnect: Reconnect | None = attrs.field(factory=Reconnect, validator=_policy_or_none)
    idle_timeout: float = attrs.field(default=45.0, validator=_seconds)
    settle: float = attrs.field(default=10.0, validator=_seconds_or_zero)
    remember: int = attrs.field(default=200_000, validator=_at_least_one)
    max_message_size: int = attrs.field(default=256 * 1024 * 1024, validator=_at_least_one)
    on_reconnect: OnReconnect | None = attrs.field(default=None, validator=_callable_or_none)

    @property
    def _pauses(self) -> Pauses:
        return PAUSES  # a subclass in the tests has others


def choose_options(
    given: StreamOptions | None, default: StreamOptions, *, name: str = "options"
) -> StreamOptions:
    """
    Return *given*, or *default* where it is None.

    Raises *TypeError* where *given*, the argument *name*, is neither.
    """
    if given is None:
        return default
    if not isinstance(given, StreamOptions):
        raise TypeError(f"{name} must be a StreamOptions or None, not {type(given).__name__}")
    return given


@attrs.frozen(kw_only=True)
class StreamStats:
    """
    What a stream has counted so far.

    Attributes:
        items: items yielded.
        bytes: bytes received, headers and all.
        reconnects: connections made again after one broke.
        late: log lines that came out of the order of their ids.
        checks: requests beside the stream that were answered: for such lines, or for containers.
        overflowed: whether the agent's log was full when the agent was last read: a
            deployment then drops lines before anybody can ask for them.
        since: when the stream was opened.
    """

    items: int
    bytes: int
    reconnects: int
    late: int
    checks: int
    overflowed: bool
    since: datetime
