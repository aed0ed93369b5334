"""
Notifying waiting threads of changes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

Callback = Callable[[], None]


class Notices:
    """
    Callbacks that are called at each change.

    The thread that made the change calls them, so they must be quick and must not raise, like
    `Connection.wake`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callback] = []

    @contextlib.contextmanager
    def subscribed(self, callback: Callback) -> Iterator[None]:
        """
        Call *callback* at each change during the context.
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
        Call the callbacks, because something has changed.
        """
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()
