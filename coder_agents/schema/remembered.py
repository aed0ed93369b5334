"""
What was read before, and comes again with every line.

The ids of sources and agents, the times of batches and the descriptions of metadata are few and
are sent again and again: each is read once and shared from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any


class Remembered(dict[Any, Any]):
    """
    What *read* makes of the keys it is asked for, remembered: ``remembered[key]``.

    It holds at most *limit* of them and then begins anew, and none that *is_small* says no of: so
    its memory is bounded whatever comes. What *read* raises is raised. A dict, because looking
    into one costs a third of calling a function that is cached; any number of threads may.
    """

    def __init__(
        self,
        read: Callable[[Any], Any],
        *,
        limit: int = 1024,
        is_small: Callable[[Any], bool] = lambda _: True,
    ) -> None:
        super().__init__()
        self._read = read
        self._limit = limit
        self._is_small = is_small

    def __missing__(self, key: Hashable) -> Any:
        value = self._read(key)
        if self._is_small(key):
            if len(self) >= self._limit:
                self.clear()
            self[key] = value
        return value
