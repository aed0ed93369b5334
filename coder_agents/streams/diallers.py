"""
Threads for steps that may dial.
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
    A pool of at most *max_threads* threads for steps that may dial.

    Args:
        max_threads: how many.
        max_leaving: the seconds that `close` waits for threads that are connecting.
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
        Run *work* in one of the threads.
        """
        return self._pool.submit(work)

    def close(self) -> None:
        """
        Wait a short time for the threads. A DNS look-up, and a connection that nobody answers,
        cannot be woken: their thread ends when they end.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + self._max_leaving
        for thread in self._threads:
            with contextlib.suppress(RuntimeError):  # where one of these threads closes
                thread.join(max(0.0, until - time.monotonic()))
