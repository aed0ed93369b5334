"""
The last bytes of a terminal, held back for a fault that loses them.
"""

from __future__ import annotations

import math
import time


class Tail:
    """
    Holds back the newest *size* bytes of output for *seconds*.

    Attributes:
        due: when what is held back has to be sent, by the monotonic clock.
    """

    def __init__(self, size: int, seconds: float) -> None:
        self.due = math.inf
        self._size = size
        self._seconds = seconds
        self._held = b""

    def add(self, data: bytes) -> bytes:
        """
        What is to be sent now that *data* has come.
        """
        whole = self._held + data
        at = max(0, len(whole) - self._size)
        self._held = whole[at:]
        self.due = time.monotonic() + self._seconds if self._held else math.inf
        return whole[:at]

    def release(self) -> bytes:
        """
        What is held back, once it is due.
        """
        if time.monotonic() < self.due:
            return b""
        held, self._held, self.due = self._held, b"", math.inf
        return held
