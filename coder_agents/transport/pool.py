"""
The connections that a client's own session keeps for the next call.
"""

from __future__ import annotations

import queue
from typing import Any

import requests.adapters
import urllib3

# One for each concurrent thread. With more threads than that, urllib3 closes the excess
# connections, and warns each time.
POOL_SIZE = 256


class PooledAdapter(requests.adapters.HTTPAdapter):
    """
    An adapter whose pools have many places, and are made quickly.
    """

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        """
        Make the pools of requests without a proxy; requests calls this, after unpickling too.
        """
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


class Places(queue.LifoQueue[Any]):
    """
    The places of a pool, the last one that was given back first; get and put never wait.

    urllib3 fills all places of a pool when it makes the pool, and empties them when it closes it. With
    the locks and conditions of *LifoQueue* this takes longer than a request. A list needs no lock; where
    two threads put at the same moment, there may be one place more.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self.maxsize = maxsize
        self.queue: list[Any] = []

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """
        Give *item* back. Raises *queue.Full* where no place is free.
        """
        if len(self.queue) >= self.maxsize:
            raise queue.Full
        self.queue.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """
        Take what was given back last. Raises *queue.Empty* where everything is taken.
        """
        try:
            return self.queue.pop()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        """
        Return how many connections and free places there are.
        """
        return len(self.queue)


class _HTTPPool(urllib3.HTTPConnectionPool):
    QueueCls = Places


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    QueueCls = Places
