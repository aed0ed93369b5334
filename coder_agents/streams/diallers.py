"""
A few threads for what may dial.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Diallers:
    """
    A few threads that do what may connect.

    Args:
        max_threads: how many.
        max_leaving: the seconds that `close` waits for those that are connecting.
    """

    def __init__(self, max_threads: int, *, max_leaving: float) -> None:
        self._max_leaving = max_leaving
        self._threads: list[threading.Thread] = []
        threads = self._threads
        self._pool = ThreadPoolExecutor(
            max_workers=max(1, max_threads),
            thread_name_prefix="coder-agents-connect",
            initializer=lambda: threads.append(threading.current_thread()),
        )

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """
        Let one of them do *work*.
        """
        return self._pool.submit(work)

    def close(self) -> None:
        """
        Wait for them, but not for long: a look-up of a name, or a connection that nobody
        answers, cannot be woken; its thread ends with it.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + self._max_leaving
        for thread in self._threads:
            with contextlib.suppress(RuntimeError):  # where it is one of them that closes
                thread.join(max(0.0, until - time.monotonic()))
