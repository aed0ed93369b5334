"""
The changes between the states of a stream.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, cast

from coder_agents.streams.core import Core
from coder_agents.streams.position import StatePosition
from coder_agents.streams.stream import Stream

C = TypeVar("C")


class StateChanges(Iterator[C], Generic[C]):
    """
    The changes between the states of a stream. The first changes are the whole first state.

    Args:
        stream: the states. The iterator reads this stream, and ends and raises as the stream does.
        changes_of: returns the changes between two states; None as the first stands for no state
            yet.
    """

    __slots__ = ("_changes_of", "_core", "_pending", "_stream")

    def __init__(self, stream: Stream[Any], changes_of: Callable[[Any, Any], Sequence[C]]) -> None:
        self._stream = stream
        self._core: Core[Any] = stream._core
        self._changes_of = changes_of
        self._pending: collections.deque[C] = collections.deque()

    def __next__(self) -> C:
        core = self._core
        try:
            while not core.closed:
                if self._pending:
                    change: C = self._pending[0]
                    del self._pending[0]
                    return change
                next(self._stream)
                position = cast("StatePosition[Any]", core.position)
                self._pending.extend(self._changes_of(position.before, position.state))
        except Exception:
            self = None  # type: ignore[assignment]
            raise
        except BaseException as error:
            self = None  # type: ignore[assignment]
            raise core.interrupted(error)  # noqa: B904 (it is the same)
        raise StopIteration
