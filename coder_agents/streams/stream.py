"""
The pump: from a source's messages to items, one blocking read, one way to end.
"""

from __future__ import annotations

import abc
import collections
import math
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar

from coder_agents.errors import CoderError, StreamError
from coder_agents.streams.options import StreamEnd
from coder_agents.transport import ClosedError, DroppedError, Source

M = TypeVar("M")
T = TypeVar("T")


class Stream(Generator[T, None, None], abc.ABC, Generic[M, T]):
    """
    A generator of items that come from a deployment, and a context manager.

    It is connected when it is made. It starts no thread: its socket is read while
    somebody iterates or polls.
    """

    def __init__(self, connect: Callable[[], Source[M]], *, what: str) -> None:
        self._what = what
        self._end: StreamEnd | None = None
        self._closed = False
        # Held by whoever reads or frees. Never waited for.
        self._reading = threading.Lock()
        self._pending: collections.deque[T] = collections.deque()
        self._source = connect()
        self._opened_at = "its constructor"
        self._closed = True  # until it is open there is nothing to warn of
        self._source.open()
        self._closed = False
        self._opened_at = _caller()

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

    def poll(self, timeout: float | None) -> T | None:
        """
        Return the next item, or None after *timeout* seconds; the stream stays whole.

        None as *timeout* waits without limit, 0 not at all. After the end, None is
        returned at once.

        Raises what iterating raises: *StreamError* where the stream broke off,
        *ValueError* where another thread reads it.
        """
        deadline = _deadline(timeout)
        if not self._reading.acquire(blocking=False):
            if self._closed:
                return None
            raise ValueError("the stream is being read already")
        try:
            return self._next_item(deadline)
        finally:
            self._reading.release()
            if self._closed:
                self._try_to_free()

    def _next_item(self, deadline: float | None) -> T | None:
        if self._end is not None:
            return None
        try:
            return self._pump(deadline)
        except ClosedError:
            self._finish(StreamEnd.CLOSED)
            return None
        except (DroppedError, CoderError) as error:
            failure = self._ended_by(error)
        except BaseException:
            # Ctrl-C, most of all: it passes through and leaves nothing open.
            self._finish(StreamEnd.CLOSED)
            raise
        if failure is not None:
            raise failure
        return None

    def _pump(self, deadline: float | None) -> T | None:
        while not self._pending:
            message = self._source.receive(deadline)
            if message is None:
                return None
            self._pending.extend(self._items(message))
        if self._closed:
            raise ClosedError
        return self._yielded(self._pending.popleft())

    @abc.abstractmethod
    def _items(self, message: M) -> Iterable[T]:
        """
        Return what *message* holds.
        """

    def _yielded(self, item: T) -> T:
        """
        Note that *item* is handed out.
        """
        return item

    def _is_end(self, drop: DroppedError) -> bool:
        """
        Whether *drop* is the server's way to end this kind of stream.
        """
        return False

    def _ended_by(self, error: DroppedError | CoderError) -> CoderError | None:
        if isinstance(error, DroppedError):
            if self._is_end(error):
                self._finish(StreamEnd.SERVER_CLOSED)
                return None
            text = f"{self._what}: {error}"
            error = StreamError(text, code=error.code, reason=error.reason)
        if isinstance(error, StreamError):
            error.last_id = self.last_id
        self._finish(StreamEnd.FAILED)
        return error

    def _finish(self, end: StreamEnd) -> None:
        self._end = end
        self._closed = True
        self._pending.clear()

    def close(self) -> None:
        """
        End the stream; from any thread or signal handler, also twice.

        Returns at once. A reader that is blocked wakes and its iteration ends.
        """
        self._closed = True
        if not self._try_to_free():
            self._source.wake()

    def _try_to_free(self) -> bool:
        # Whoever fails to get the lock leaves the socket to the one who holds it:
        # each frees after letting go, so one of the two always does.
        if not self._reading.acquire(blocking=False):
            return False
        try:
            if self._end is None:
                self._finish(StreamEnd.CLOSED)
            self._source.close()
        finally:
            self._reading.release()
        return True

    def __next__(self) -> T:
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
