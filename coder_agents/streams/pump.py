"""
The pump: one blocking read, one way to end, whatever the items come from.
"""

from __future__ import annotations

import abc
import math
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from coder_agents.config import seconds_or_none
from coder_agents.errors import CoderError
from coder_agents.streams.link import EndedError
from coder_agents.streams.options import StreamEnd, StreamStats
from coder_agents.transport import ClosedError

LONG_ABSENCE = 10.0
"""
Seconds without a reader after which a break is no wonder.
"""

T = TypeVar("T")
R = TypeVar("R")


class Pump(Generator[T, None, None], abc.ABC):
    """
    A generator of items that others give, and a context manager.

    One thread at a time reads it; any thread or signal handler may close it. What it holds is
    freed by whoever reads it, or by whoever closes it while nobody does.

    Args:
        what: what it is a stream of, for people.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._end: StreamEnd | None = None
        self._closed = False
        # Held by whoever opens, reads or frees. Never waited for by who closes.
        self._reading = threading.Lock()
        self._since = datetime.now(UTC)
        self._opened_at = ""  # until it is open there is nothing to warn of

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
    @abc.abstractmethod
    def stats(self) -> StreamStats:
        """
        What was counted so far.
        """

    @abc.abstractmethod
    def _connect_first(self) -> None:
        """
        Connect; leave nothing open where that fails.
        """

    @abc.abstractmethod
    def _fill(self, deadline: float | None) -> bool:
        """
        Wait until something is pending, until *deadline* at the latest; return whether something is.

        Raises *ClosedError* when woken, *EndedError* and *CoderError* at the end.
        """

    @abc.abstractmethod
    def _take_one(self) -> T:
        """
        Hand out the first of what is pending.
        """

    @abc.abstractmethod
    def _take_all(self) -> list[T]:
        """
        Hand out all that is pending.
        """

    @abc.abstractmethod
    def wake(self) -> None:
        """
        Make whoever opens or reads stop with *ClosedError*; from any thread or signal handler.
        """

    @abc.abstractmethod
    def _free(self) -> None:
        """
        Free all that is held, also twice. Only for whoever reads, or while nobody does.
        """

    def open(self) -> Self:
        """
        Connect, once, and return the stream.

        Raises *CoderError* where that fails, *ClosedError* where it was closed meanwhile.
        """
        with self._reading:
            try:
                self._connect_first()
            except BaseException as error:
                failed = isinstance(error, CoderError)
                self._finish(StreamEnd.FAILED if failed else StreamEnd.CLOSED)
                raise
            self._opened_at = _caller()
            self._since = datetime.now(UTC)
        if self._closed:
            self._try_to_free()
        return self

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

    def look(self) -> bool:
        """
        Return whether an item is there now; hand out none.

        Raises what `poll` raises.
        """
        return self._read(time.monotonic(), lambda: True) is not None

    def _read_twice(self) -> ValueError:
        return ValueError("the stream is being read already")

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

    def _marked(self, failure: CoderError) -> CoderError:
        """
        Return *failure* with what it shall tell of the stream.
        """
        return failure

    def _finish(self, end: StreamEnd) -> None:
        self._end = end
        self._closed = True

    def close(self) -> None:
        """
        End the stream; from any thread or signal handler, also twice.

        Returns at once. A reader that is blocked wakes and its iteration ends.
        """
        self._closed = True
        if not self._try_to_free():
            self.wake()

    def _try_to_free(self) -> bool:
        # Whoever fails to get the lock leaves the socket to the one who holds it:
        # each frees after letting go, so one of the two always does.
        if not self._reading.acquire(blocking=False):
            return False
        try:
            if self._end is None:
                self._finish(StreamEnd.CLOSED)
            self._free()
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
        if getattr(self, "_opened_at", "") and not self._closed:
            text = f"{self!r} was left open; it was opened at {self._opened_at}."
            self.close()  # first: a warning may be an error
            warnings.warn(
                f"{text} Use `with`, or call close()", ResourceWarning, source=self, stacklevel=2
            )


def _deadline(timeout: float | None) -> float | None:
    seconds = seconds_or_none("timeout", timeout)
    return None if seconds is None or math.isinf(seconds) else time.monotonic() + seconds


def _caller() -> str:
    """
    Return the place outside this package that is being run.
    """
    package = __name__.partition(".")[0] + "."
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
