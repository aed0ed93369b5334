"""
How often the thread that follows many logs wakes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_PER_LOG = 40e-6  # seconds; a thousand logs wake the thread at most 25 times a second
_MAX = 0.04  # seconds, by which a line may come later than without this
_MIN = 0.001  # seconds; a shorter sleep costs more than it saves


class Turns:
    """
    The turns of a thread that waits for many sockets, with a shortest time between two of them.

    A turn costs about the same whether one socket has input or fifty have: the system call, and the thread
    that wakes. Of a thousand logs, one writes every few milliseconds, and so would wake the thread each time.
    Few logs have no shortest time, and the first input after a longer pause does not wait.

    Args:
        logs: how many logs are followed.
        clock: returns the time in seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        logs: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        seconds = min(logs * _PER_LOG, _MAX)
        self._apart = seconds if seconds >= _MIN else 0.0
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf

    def begin(self, deadline: float) -> None:
        """
        Wait until a turn may begin, at most until *deadline*, by the clock.
        """
        if self._apart:
            left = min(self._next, deadline) - self._clock()
            if left > 0:
                self._sleep(left)

    def end(self) -> None:
        """
        Note that the thread has woken.
        """
        if self._apart:
            self._next = self._clock() + self._apart
