"""
Telling those who wait that something has changed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

Callback = Callable[[], None]


class Notices:
    """
    Callbacks that are called when something has changed.

    They are called by whoever changed it, so they must be quick and must not
    raise: `Connection.wake` is what is meant.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callback] = []

    @contextlib.contextmanager
    def subscribed(self, callback: Callback) -> Iterator[None]:
        """
        Call *callback* at each change, inside the context.
        """
        with self._lock:
            self._callbacks.append(callback)
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    def notify(self) -> None:
        """
        Something has changed.
        """
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()
