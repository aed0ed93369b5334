"""
How many bytes of a file or of an output one request carries.
"""

from __future__ import annotations

from typing import Final

MIN_PIECE: Final = 2**16
FIRST_PIECE: Final = 2**20
MAX_RECEIVED: Final = 2**22  # the client holds an answer three times while it is decoded
MAX_PIECE: Final = 2**23

_FAST = 0.25  # seconds
_SLOW = 2.0
_MAX_GROWTH = 8


class PieceSize:
    """
    The size of the next piece: large where the connection is fast, since each is a round trip, and
    small where it is slow, since a piece is repeated as a whole and has to pass between two drops.

    Attributes:
        bytes: the size.
        max_bytes: what it grows to.
    """

    def __init__(self, max_bytes: int = MAX_RECEIVED) -> None:
        self.bytes = FIRST_PIECE
        self.max_bytes = max_bytes

    def passed(self, size: int, seconds: float) -> None:
        """
        Note that a piece of *size* bytes has passed in *seconds*, with all tries.
        """
        if seconds > _SLOW:
            self.bytes = max(MIN_PIECE, min(self.bytes, size) // 2)
        elif seconds < _FAST and size >= self.bytes:
            growth = min(_MAX_GROWTH, _FAST / max(seconds, 0.001))
            self.bytes = min(self.max_bytes, int(growth * self.bytes))
