"""
The pump: from a link's messages to items, one blocking read, one way to end.
"""

from __future__ import annotations

import abc
import collections
import math
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar

from coder_agents.errors import CoderError, StreamError
from coder_agents.streams.link import Broken, EndedError, Link
from coder_agents.streams.options import StreamEnd, StreamOptions, StreamStats
from coder_agents.transport import ClosedError, Source

M = TypeVar("M")
T = TypeVar("T")
R = TypeVar("R")

_SLOW = 10.0  # seconds without a reader after which a break is no wonder


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


class Stream(Generator[T, None, None], abc.ABC, Generic[M, T]):
    """
    A generator of items that come from a deployment, and a context manager.

    It is connected when it is made, and connected again when it breaks off. It starts no
    thread: its socket is read while somebody iterates or polls.
    """

    def __init__(self, *, what: str, options: StreamOptions) -> None:
        self._what = what
        self._options = options
        self._end: StreamEnd | None = None
        self._closed = True  # until it is open there is nothing to warn of
        # Held by whoever reads or frees. Never waited for.
        self._reading = threading.Lock()
        self._held: _Held[T] = _Held([], 0)
        self._pending = self._held.pending
        self._checks = 0
        self._left_at = math.inf
        self._link: Link[M] = Link(self._new_source, self._judge, what=what, options=options)
        try:
            self._link.dial()
        except BaseException:
            self._link.close()
            raise
        self._opened_at = _caller()
        self._since = datetime.now(UTC)
        self._closed = False

    def __repr__(self) -> str:
        state = "open" if self._end is None else f"ended: {self._end}"
        return f"<{type(self).__name__} of {self._what}, {state}>"

    @property
    def end(self) -> StreamEnd | None:
        """
        Why the stream ended; None while it runs.
        """
        return self._end

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

    def poll(self, timeout: float | None) -> T | None:
        """
        Return the next item, or None after *timeout* seconds; the stream stays whole.

        None as *timeout* waits without limit, 0 not at all. Only connecting again may
        overrun it. After the end, None is returned at once.

        Raises what iterating raises: *StreamError* where the stream broke off for good,
        *ValueError* where another thread reads it.
        """
        return self._read(_deadline(timeout), self._take_one)

    def batches(self) -> Iterator[list[T]]:
        """
        Return a generator of lists: the items of each of the server's messages at once.
        """
        while (batch := self._read(None, self._take_all)) is not None:
            yield batch

    def _take_one(self) -> T:
        try:
            return self._pending.popleft()
        except IndexError:
            raise self._read_twice() from None

    def _read_twice(self) -> ValueError:
        return ValueError("the stream is being read already")

    def _take_all(self) -> list[T]:
        return self._held.take()

    def _read(self, deadline: float | None, take: Callable[[], R]) -> R | None:
        if not self._reading.acquire(blocking=False):
            if self._closed:
                return None
            raise self._read_twice()
        try:
            return self._next(deadline, take)
        finally:
            self._reading.release()
            if self._closed:
                self._try_to_free()

    def _next(self, deadline: float | None, take: Callable[[], R]) -> R | None:
        if self._end is not None:
            return None
        try:
            return take() if self._fill(deadline) else None
        except ClosedError:
            ended = EndedError(StreamEnd.CLOSED)
        except EndedError as error:
            ended = error
        except CoderError as error:
            ended = EndedError(StreamEnd.FAILED, error)
        except BaseException:
            # Ctrl-C, most of all: it passes through and leaves nothing open.
            self._finish(StreamEnd.CLOSED)
            raise
        self._finish(ended.end)
        if ended.failure is not None:
            raise self._marked(ended.failure)
        return None

    def _fill(self, deadline: float | None) -> bool:
        """
        Wait until something is pending; return whether something is.
        """
        if self._pending:
            return True
        now = time.monotonic()
        self._link.quietly = now - self._left_at > _SLOW
        try:
            while not self._pending:
                self._hold([])
                self._drained()
                message = self._receive(deadline)
                if message is not None:
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
        self._end = end
        self._closed = True
        self._hold([])

    def close(self) -> None:
        """
        End the stream; from any thread or signal handler, also twice.

        Returns at once. A reader that is blocked wakes and its iteration ends.
        """
        self._closed = True
        if not self._try_to_free():
            self._link.wake()

    def _try_to_free(self) -> bool:
        # Whoever fails to get the lock leaves the socket to the one who holds it:
        # each frees after letting go, so one of the two always does.
        if not self._reading.acquire(blocking=False):
            return False
        try:
            if self._end is None:
                self._finish(StreamEnd.CLOSED)
            self._link.close()
        finally:
            self._reading.release()
        return True

    def __next__(self) -> T:
        # Most items are there already, and cost no more than this. A deque can be taken from
        # while another thread closes the stream.
        try:
            return self._pending.popleft()
        except IndexError:
            pass
        item = self.poll(None)
        if item is None:
            raise StopIteration
        return item

    def send(self, value: None) -> T:
        """
        Return the next item; nothing can be sent into a stream.
        """
        return next(self)

    def throw(
        self,
        typ: Any,
        val: Any = None,
        tb: TracebackType | None = None,
    ) -> NoReturn:
        """
        Close the stream and raise the exception.
        """
        self.close()
        error = typ if val is None else val
        if isinstance(error, type):
            error = error()
        raise error.with_traceback(tb)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            text = f"{self!r} was left open; it was opened at {self._opened_at}."
            self.close()  # first: a warning may be an error
            warnings.warn(
                f"{text} Use `with`, or call close()", ResourceWarning, source=self, stacklevel=2
            )


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


def _deadline(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be seconds or None, not {type(timeout).__name__}")
    if math.isnan(timeout) or timeout < 0:
        raise ValueError(f"timeout must be 0 or more seconds, or None, not {timeout}")
    return None if math.isinf(timeout) else time.monotonic() + timeout


def _caller() -> str:
    """
    Return the place outside this package that is being run.
    """
    package = __name__.partition(".")[0] + "."
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
