"""
The settings of a stream, and why one ended.
"""

from __future__ import annotations

import enum
from typing import Any

import attrs

from coder_agents.config import positive_seconds, whole_number


class StreamEnd(enum.Enum):
    """
    Why a stream ended; the value is a sentence for people.
    """

    CLOSED = "closed by this program"
    SERVER_CLOSED = "closed by the server"
    FAILED = "broke off, and an error was raised"

    def __str__(self) -> str:
        return str(self.value)


def _seconds(_: Any, attribute: attrs.Attribute[float], value: float) -> None:
    positive_seconds(attribute.name, value)


def _bytes(_: Any, attribute: attrs.Attribute[int], value: int) -> None:
    whole_number(attribute.name, value, least=1)


@attrs.frozen(kw_only=True)
class StreamOptions:
    """
    How streams behave: for all of a client's, or for one as ``options=``.

    Attributes:
        idle_timeout: seconds without a single byte, not even a ping, after which the
            connection counts as lost. A deployment pings every 15 seconds.
        max_message_size: the most bytes one message may have, a WebSocket message or
            a server-sent event; past it *MessageTooLargeError* is raised.
    """

    idle_timeout: float = attrs.field(default=45.0, validator=_seconds)
    max_message_size: int = attrs.field(default=256 * 1024 * 1024, validator=_bytes)
