"""
States of which only the changes matter.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from coder_agents.streams.options import StreamOptions
from coder_agents.streams.stream import StateStream
from coder_agents.transport import Source

T = TypeVar("T")
C = TypeVar("C")


class WatchedStream(StateStream[bytes, T], Generic[T, C]):
    """
    A stream of states, each of which says something else than the one before.

    What a deployment repeats, or tells in another order, is left out.
    """

    def __init__(
        self, connect: Callable[[], Source[bytes]], *, what: str, options: StreamOptions
    ) -> None:
        self._before: T | None = None
        self._now: T | None = None
        super().__init__(connect, what=what, options=options)

    def changes(self) -> Iterator[C]:
        """
        Return a generator of what happens, in place of the states.

        It begins with all that is there, as if nothing had been before; behind a state that was
        read already, with what is different from that. It reads this stream, so
        it ends and raises as the stream does: close the stream to end it.
        """
        for state in self:
            for change in self._changes(self._before, state):
                if self._closed:
                    return
                yield change

    def _items(self, message: bytes) -> list[T]:
        new = [state for state in super()._items(message) if not self._is_known(state)]
        for state in new:
            self._before, self._now = self._now, state
        return new

    def _is_known(self, state: T) -> bool:
        return self._now is not None and self._are_same(self._now, state)

    @abc.abstractmethod
    def _are_same(self, before: T, after: T) -> bool:
        """
        Whether both states say the same.
        """

    @abc.abstractmethod
    def _changes(self, before: T | None, after: T) -> Sequence[C]:
        """
        Return what happened between the two; None is before there was anything.
        """
