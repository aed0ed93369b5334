"""
A wait that can be ended from anywhere.
"""

from __future__ import annotations

import contextlib
import threading


class Alarm:
    """
    Lets one thread wait, until any thread or signal handler rings; once and for all.

    A lock, held as long as nobody rings. No Event or Condition: they deadlock when a signal
    handler sets them over their own wait.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> None:
        """
        Return after *seconds*, or as soon as the alarm rings or has rung.
        """
        if seconds > 0 and self._lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)):
            self._lock.release()

    def ring(self) -> None:
        """
        End the wait, and every later one; from anywhere, also twice.
        """
        with contextlib.suppress(RuntimeError):  # let go already
            self._lock.release()
