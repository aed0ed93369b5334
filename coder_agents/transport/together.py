"""
Sources that are woken together.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from coder_agents.transport.source import Source


class WokenTogether:
    """
    Sources that are woken together, including those that are opened later.

    Any thread may call any method.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: weakref.WeakSet[Source[Any]] = weakref.WeakSet()
        self._woken = False

    def add(self, source: Source[Any]) -> None:
        """
        Wake *source* together with the others; at once where they were woken already.
        """
        with self._lock:
            self._held.add(source)
            woken = self._woken
        if woken:
            source.wake()

    def wake(self) -> None:
        """
        Stop every thread that opens or reads one of the sources.
        """
        with self._lock:
            self._woken = True
            held = list(self._held)
        for source in held:
            source.wake()
