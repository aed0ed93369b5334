"""
What is woken together: sources, and others that wait.
"""

from __future__ import annotations

import weakref
from typing import Protocol

from coder_agents.transport import fork


class Wakeable(Protocol):
    """
    An object that a thread may be waiting for.
    """

    def wake(self) -> None:
        """
        Stop the thread that waits; callable from any thread or signal handler.
        """


class WokenTogether:
    """
    Objects that are woken together, including those that are added later.

    Any thread or signal handler may call any method.
    """

    def __init__(self) -> None:
        self._lock = fork.RenewedLock()
        self._held: weakref.WeakSet[Wakeable] = weakref.WeakSet()
        self._woken = False

    def add(self, source: Wakeable) -> None:
        """
        Wake *source* together with the others; at once where they were woken already.
        """
        with self._lock.current:
            self._held.add(source)
            woken = self._woken
        if woken:
            source.wake()

    def wake(self) -> None:
        """
        Stop every thread that waits for one of the objects.
        """
        with self._lock.current:
            self._woken = True
            held = list(self._held)
        for source in held:
            source.wake()
