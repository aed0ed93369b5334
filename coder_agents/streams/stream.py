"""
From a link's messages to items.
"""

from __future__ import annotations

import abc
import collections
import math
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from coder_agents.errors import CoderError, StreamError
from coder_agents.streams.link import Broken, Link
from coder_agents.streams.options import StreamEnd, StreamOptions, StreamStats
from coder_agents.streams.pump import LONG_ABSENCE, Pump
from coder_agents.transport import Source, Wait

M = TypeVar("M")
T = TypeVar("T")


class _Held(Generic[T]):
    """
    The items of one message: which were handed out, and which are pending.

    What was handed out is told by what is left, so that handing out costs nothing more.

    Attributes:
        count_before: how many items were handed out before these.
        pending: those that were not handed out yet.
    """

    def __init__(self, items: list[T], count_before: int) -> None:
        self._items = items
        self.count_before = count_before
        self.pending = collections.deque(items)

    def handed_out(self) -> list[T]:
        """
        Return what was handed out so far.
        """
        return self._items[: len(self._items) - len(self.pending)]

    def take(self) -> list[T]:
        """
        Hand out all that is pending.
        """
        return list(self._popped())

    def close(self) -> list[T]:
        """
        Hand out nothing more; return what was handed out.
        """
        if not self.pending:
            return self._items
        # One by one: another thread may be taking some at the same time.
        left = sum(1 for _ in self._popped())
        return self._items[: len(self._items) - left]

    def _popped(self) -> Iterator[T]:
        while True:
            try:
                yield self.pending.popleft()
            except IndexError:
                return


class Stream(Pump[T], Generic[M, T]):
    """
    A generator of items that come from a deployment, and a context manager.

    It is connected by `open`, and connected again when it breaks off. It starts no
    thread: its socket is read while somebody iterates or polls.
    """

    def __init__(self, *, what: str, options: StreamOptions) -> None:
        super().__init__(what)
        self._options = options
        self._held: _Held[T] = _Held([], 0)
        self._pending = self._held.pending
        self._answered = False
        self._checks = 0
        self._left_at = math.inf
        self._link: Link[M] = Link(self._new_source, self._judge, what=what, options=options)

    def _connect_first(self) -> None:
        try:
            self._link.dial()
        except BaseException:
            self._link.close()
            raise

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was yielded; None on a stream without ids.
        """
        return None

    @property
    def bookmark(self) -> str | None:
        """
        What another process passes as ``after=`` to go on; None on a stream without ids.
        """
        return None

    @property
    def stats(self) -> StreamStats:
        """
        What was counted so far.
        """
        return StreamStats(
            items=self._held.count_before + len(self._held.handed_out()),
            bytes=self._link.received,
            reconnects=self._link.reconnects,
            late=self._count_late(),
            checks=self._checks,
            overflowed=self._is_overflowed(),
            since=self._since,
        )

    def _count_late(self) -> int:
        """
        Return how many items came out of order.
        """
        return 0

    def _is_overflowed(self) -> bool:
        """
        Whether the deployment drops what the stream would show.
        """
        return False

    @abc.abstractmethod
    def _new_source(self) -> Source[M]:
        """
        Return the source that goes on where the stream is, unopened.
        """

    @abc.abstractmethod
    def _items(self, message: M) -> list[T]:
        """
        Return what is new in *message*.
        """

    def _judge(self, broken: Broken) -> float | None:
        """
        Say what a break means; see `Link`.
        """
        return None

    def _receive(self, deadline: float | None) -> M | None:
        """
        Return the next message; None where there is none yet.
        """
        return self._link.receive(deadline)

    def _account(self, items: list[T]) -> None:
        """
        Note that *items*, one at least, were handed out.
        """

    @property
    def answered(self) -> bool:
        """
        Whether the deployment has sent a first message.
        """
        return self._answered

    @property
    def pending(self) -> list[T]:
        """
        What has come and was not handed out yet.
        """
        return list(self._pending)

    def waits_for(self) -> Wait | None:
        """
        Return what to wait for before another `look`; None where it may find something now.
        """
        return self._link.waits_for()

    def may_dial(self) -> bool:
        """
        Whether another `look` may connect, and so take longer than it takes to look.
        """
        return self._link.broken

    def attended(self) -> None:
        """
        Note that somebody has been waiting for what the stream waits for.
        """
        self._left_at = time.monotonic()

    def _take_one(self) -> T:
        try:
            return self._pending.popleft()
        except IndexError:
            raise self._read_twice() from None

    def _take_all(self) -> list[T]:
        return self._held.take()

    def _fill(self, deadline: float | None) -> bool:
        if self._pending:
            return True
        now = time.monotonic()
        self._link.quietly = now - self._left_at > LONG_ABSENCE
        try:
            while not self._pending:
                self._hold([])
                self._drained()
                message = self._receive(deadline)
                if message is not None:
                    self._answered = True
                    self._hold(self._items(message))
                elif deadline is not None and time.monotonic() >= deadline:
                    return False
        finally:
            self._left_at = time.monotonic()
        return True

    def _hold(self, items: list[T]) -> None:
        """
        Hold *items* to be handed out, in place of those that were; what was not, is gone.
        """
        handed_out = self._held.close()
        if handed_out:
            self._account(handed_out)
        self._held = _Held(items, self._held.count_before + len(handed_out))
        self._pending = self._held.pending

    def _drained(self) -> None:
        """
        Note that all that was pending is handed out.
        """

    def _marked(self, failure: CoderError) -> CoderError:
        if isinstance(failure, StreamError):
            failure.last_id = self.last_id
            failure.bookmark = self.bookmark
        return failure

    def _finish(self, end: StreamEnd) -> None:
        super()._finish(end)
        self._hold([])

    def wake(self) -> None:
        """
        Make whoever opens or reads stop with *ClosedError*; from any thread or signal handler.
        """
        self._link.wake()

    def _free(self) -> None:
        self._link.close()

    def __next__(self) -> T:
        # Most items are there already, and cost no more than this. A deque can be taken from
        # while another thread closes the stream.
        try:
            return self._pending.popleft()
        except IndexError:
            pass
        return super().__next__()


class StateStream(Stream[M, T]):
    """
    A stream whose every message is the full state.

    The first message of a new connection is left out where it repeats the last of the old
    one: nothing has happened meanwhile.
    """

    def __init__(
        self, connect: Callable[[], Source[M]], *, what: str, options: StreamOptions
    ) -> None:
        self._connect = connect
        self._last: M | None = None
        super().__init__(what=what, options=options)

    def _new_source(self) -> Source[M]:
        return self._connect()

    def _items(self, message: M) -> list[T]:
        self._link.progress()
        repeated = self._link.messages == 1 and message == self._last
        self._last = message
        return [] if repeated else [self._state(message)]

    @abc.abstractmethod
    def _state(self, message: M) -> T:
        """
        Return the state that *message* tells.
        """
