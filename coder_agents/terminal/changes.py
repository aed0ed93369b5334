"""
Waiting for what other threads change.
"""

from __future__ import annotations

import collections
import contextlib
import math
import threading
import time
from collections.abc import Callable

_CHECK = 5.0  # seconds after which a change is noticed that an interrupt kept from being announced


class Changes:
    """
    Lets threads wait for a change of what they share. Any thread or signal handler may announce one.

    Who waits holds no lock. A Condition may keep its lock for ever: it is released by a function of
    Python, and an interrupt may come at the beginning of that function.
    """

    def __init__(self) -> None:
        self._bells: collections.deque[threading.Lock] = collections.deque()

    def wait_for(self, holds: Callable[[], object], timeout: float | None = None) -> bool:
        """
        Wait until *holds* returns true, at most *timeout* seconds; return whether it does.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        while not holds():
            left = until - time.monotonic()
            if left <= 0:
                return False
            bell = threading.Lock()
            bell.acquire()
            self._bells.append(bell)
            try:
                if not holds():
                    bell.acquire(timeout=min(left, _CHECK))
            finally:
                with contextlib.suppress(ValueError):
                    self._bells.remove(bell)
        return True

    def announce(self) -> None:
        """
        Let everybody who waits check again.
        """
        for bell in list(self._bells):
            with contextlib.suppress(RuntimeError):  # it was rung before
                bell.release()
