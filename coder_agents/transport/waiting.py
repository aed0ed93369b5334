"""
What to wait for, and why a wait ends without a message.
"""

from __future__ import annotations

import attrs


class ClosedError(Exception):
    """
    The connection was woken by `Connection.wake`: the reader has to stop.
    """


class DroppedError(Exception):
    """
    The connection broke, or the peer ended it.

    *code* is the WebSocket close code of the peer; None where the peer sent none. *reason* is the
    reason that the peer sent; empty where it sent none.
    """

    def __init__(self, text: str, *, code: int | None = None, reason: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason


@attrs.frozen
class Interest:
    """
    What to wait for before the next read.

    Attributes:
        fileno: the socket's file number; None where only time has to pass.
        events: `selectors.EVENT_READ`, `selectors.EVENT_WRITE` or both; 0 without a socket.
        until: when the wait ends at the latest, by `time.monotonic`; may be infinite.
    """

    fileno: int | None
    events: int
    until: float
