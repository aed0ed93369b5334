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
from coder_agents.representation.objects import Represented
from coder_agents.streams.pauses import PAUSES, Pauses
from coder_agents.streams.reconnect import Reconnect

OnReconnect = Callable[[str, int, float], object]
"""
Called with the reason, the number of the try, and the seconds until that try.
"""


class StreamEnd(enum.Enum):
    """
    Why a stream ended; the value is a sentence for people.
    """

    CLOSED = "closed by this program"
    INTERRUPTED = "interrupted"
    FORKED = "forked: the stream belongs to the parent process"
    SERVER_CLOSED = "closed by the server repeatedly: no more lines will come"
    NOT_IN_LATEST_BUILD = "the workspace has a newer build without this agent"
    AGENT_GONE = "the deployment no longer has the agent"
    WORKSPACE_STOPPED = "the workspace was stopped, and nobody started it again"
    WORKSPACE_DELETED = "the workspace was deleted"
    JOB_ENDED = "the job has ended"
    BUILD_ENDED = "the build has ended"
    ALL_ENDED = "the log of every agent has ended"
    GAVE_UP = "could not connect again in time, and an error was raised"
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
    How streams behave: all streams of a client, or one stream as ``options=``.

    Attributes:
        reconnect: how the stream connects again after a connection breaks; with None the stream
            raises at the first break.
        idle_timeout: seconds without a single byte, not even a ping, after which the connection
            counts as dropped. A deployment pings every 15 seconds.
        settle: seconds within which a log line is committed after it took its id. A line that is
            committed out of order within that time is still delivered; 0 trusts the order of the
            ids and requests nothing twice.
        remember: how many ids of log lines may be held; a stream with more lines than that in 40
            seconds or so needs more, or a smaller *settle*.
        max_message_size: how many bytes a WebSocket message, a document or a server-sent event may
            have; a larger one raises *MessageTooLargeError*.
        on_reconnect: called before each try to connect again, with the reason, the number of the
            try, and the seconds until that try.
    """

    reconnect: Reconnect | None = attrs.field(factory=Reconnect, validator=_policy_or_none)
    idle_timeout: float = attrs.field(default=45.0, validator=_seconds)
    settle: float = attrs.field(default=10.0, validator=_seconds_or_zero)
    remember: int = attrs.field(default=200_000, validator=_at_least_one)
    max_message_size: int = attrs.field(default=256 * 1024 * 1024, validator=_at_least_one)
    on_reconnect: OnReconnect | None = attrs.field(default=None, validator=_callable_or_none)

    @property
    def _pauses(self) -> Pauses:
        return PAUSES  # a subclass in the tests returns other pauses


def choose_options(
    given: StreamOptions | None, default: StreamOptions, *, name: str = "options"
) -> StreamOptions:
    """
    Return *given*, or *default* where *given* is None.

    Raises *TypeError* where *given*, the argument *name*, is neither.
    """
    if given is None:
        return default
    if not isinstance(given, StreamOptions):
        raise TypeError(f"{name} must be a StreamOptions or None, not {type(given).__name__}")
    return given


@attrs.frozen(kw_only=True, repr=False)
class StreamStats(Represented):
    """
    The counts of a stream so far.

    Attributes:
        items: items yielded.
        bytes: bytes received, headers included.
        reconnects: connections made after an earlier one broke.
        late: log lines that came out of the order of their ids.
        checks: answered requests beside the stream's connection, for late lines or for containers.
        overflowed: whether the agent's log was full when the agent was last read: a deployment then
            drops further lines.
        since: when the stream was opened.
    """

    items: int
    bytes: int
    reconnects: int
    late: int
    checks: int
    overflowed: bool
    since: datetime
