"""
The core of a stream, below the handle that a user holds.

The core owns the engine, the position and the end. One thread at a time runs the core; any thread
or signal handler may close it. Nothing here refers to the handle, so a traceback that is kept
leaves no stream open.
"""

from __future__ import annotations

import functools
import math
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

import attrs

from coder_agents.errors import StreamError
from coder_agents.streams.engine import EndedError, Engine
from coder_agents.streams.options import StreamEnd, StreamStats
from coder_agents.streams.position import Position
from coder_agents.streams.saving import Saver
from coder_agents.streams.stores import BookmarkStore
from coder_agents.transport import ClosedError, fork

T = TypeVar("T")

# Resolved once: the attribute access of an enumeration runs code, and an interrupt can hit it.
_CLOSED, _FAILED = StreamEnd.CLOSED, StreamEnd.FAILED
_INTERRUPTED, _FORKED = StreamEnd.INTERRUPTED, StreamEnd.FORKED


@attrs.frozen
class _RunOutcome:
    """
    The outcome of one run of the engine.

    Attributes:
        done: whether the run did its work.
        end: why the run ended the stream; None where it did not.
        failure: the exception to raise; None for no exception.
    """

    done: bool = False
    end: StreamEnd | None = None
    failure: Exception | None = None


class Core(Generic[T]):
    """
    The engine of a stream, with its owner, its position and its end.

    Args:
        engine: yields the positions.
        store: where the bookmarks are saved; None where they are not.

    Attributes:
        position: how far the stream has come.
        end: why the stream ended; None while it runs.
        closed: whether no further item is handed out.
        owner: holds one token while a thread opens, reads or frees.
        opened_at: where the stream was opened, as ``file:line``; empty where no warning is due.
        saver: saves the bookmarks; None where they are not saved.
    """

    __slots__ = (
        "__weakref__",
        "_freed",
        "closed",
        "end",
        "engine",
        "opened_at",
        "owner",
        "position",
        "saver",
        "since",
    )

    def __init__(self, engine: Engine[T], store: BookmarkStore | None = None) -> None:
        self.engine = engine
        self.position: Position[T] = engine.position()
        self.end: StreamEnd | None = None
        self.closed = False
        self.owner: dict[int, object] = {}
        self.since = datetime.now(UTC)
        self.opened_at = ""
        self._freed = False
        self.saver = None if store is None else Saver(store, self.position)
        fork.register(self)

    def open(self) -> None:
        """
        Connect, once.

        Raises *CoderError* where that fails, *ClosedError* where the stream was closed meanwhile.
        """
        if not self._finished(self._run(functools.partial(self._outcome, self._connect, math.inf))):
            raise ClosedError
        self.opened_at = _caller()
        self.since = datetime.now(UTC)

    def fill(self, deadline: float) -> bool:
        """
        Wait until an item is pending; return False at *deadline* and after the end.

        Raises the exception that ended the stream, with ``last_id`` and ``bookmark``; *ValueError*
        where another thread reads; *StreamError* in a process that was forked after the stream was
        opened.
        """
        if self.saver is None:
            return self.advance(deadline)
        return self.saver.fill(self, deadline)

    def advance(self, deadline: float) -> bool:
        """
        Wait as `fill` does, and save nothing.
        """
        outcome = self._run(functools.partial(self._outcome, self._advance, deadline))
        return outcome.done if outcome.failure is None else self._finished(outcome)

    def run_aside(self, work: Callable[[], object]) -> None:
        """
        Run *work* while no other thread runs the engine. An exception of *work* leaves the stream as
        it is and passes through; an interrupt ends the stream.
        """
        self._finished(self._run(functools.partial(_outcome_aside, work)))

    def _finished(self, outcome: _RunOutcome) -> bool:
        if outcome.failure is None:
            return outcome.done
        if outcome.end is not None:
            self.mark(outcome.failure)
        try:
            raise outcome.failure
        finally:
            del outcome  # the exception, its traceback and this frame would form a cycle

    def _run(self, work: Callable[[], _RunOutcome]) -> _RunOutcome:
        # An interrupt may come at each call. So one call inside the `try` sets the token of the
        # core's owner, and the `finally` calls nothing before it removes the token.
        me = object()
        owner = self.owner
        end: StreamEnd | None = _INTERRUPTED
        try:
            if owner.setdefault(0, me) is me:
                outcome = work()
                end = outcome.end
            else:
                outcome = _RunOutcome(failure=self._refusal())
        finally:
            if 0 in owner and owner[0] is me:
                if end is not None:
                    self.end = self.end or end
                    self.closed = True
                del owner[0]
            if self.closed:
                self.try_free()
        if self.end is _FORKED:  # before this run, or by a function that it called
            return _RunOutcome(failure=self._failure_of_child())
        return outcome

    def _outcome(self, work: Callable[[float], bool], deadline: float) -> _RunOutcome:
        if self.closed:
            return _RunOutcome()
        try:
            return _RunOutcome(done=work(deadline))
        except ClosedError:
            return _RunOutcome(end=_CLOSED)
        except EndedError as ended:
            return _RunOutcome(end=ended.end, failure=ended.failure)
        except Exception as error:
            return _RunOutcome(end=_FAILED, failure=error)

    def _connect(self, _: float) -> bool:
        self.engine.open()
        return True

    def _advance(self, deadline: float) -> bool:
        is_last = False
        while not self.position.pending:
            position = self.engine.read(deadline)
            if position is None:
                return False
            self.position = position
            if not position.pending and time.monotonic() >= deadline:
                if is_last:  # a filter skips every line that comes
                    return False
                is_last = True
        return True

    def _refusal(self) -> ValueError | None:
        return None if self.closed else ValueError("another thread is reading the stream")

    def _failure_of_child(self) -> StreamError:
        failure = StreamError(
            f"{self.engine.what}: the stream was opened before this process was forked, and belongs to"
            " the parent process: open another one here"
        )
        self.mark(failure)
        return failure

    def mark(self, error: BaseException) -> None:
        """
        Set ``last_id`` and ``bookmark`` of *error*, which ends the stream.
        """
        position = self.position
        try:
            error.last_id = position.last_id  # type: ignore[attr-defined]
            error.bookmark = position.bookmark  # type: ignore[attr-defined]
        except (AttributeError, TypeError):  # the class of *error* accepts no attributes
            pass

    def close(self, end: StreamEnd = _CLOSED) -> None:
        """
        End the stream and return at once; callable from any thread or signal handler, and
        repeatedly.
        """
        if self.end is None:
            self.end = end
        self.closed = True
        self.try_free()
        if not self._freed:
            self.engine.wake()  # another thread reads, and frees the engine
            self.try_free()

    def try_free(self) -> None:
        """
        Free the engine, unless a thread runs it: that thread frees the engine afterwards.
        """
        me = object()
        owner = self.owner
        try:
            if owner.setdefault(0, me) is me and not self._freed:
                self.position = self.position.closed()
                self.engine.free()
                self._freed = True
        finally:
            if 0 in owner and owner[0] is me:
                del owner[0]

    def interrupted(self, error: BaseException) -> BaseException:
        """
        End the stream because of *error*, such as Ctrl-C, and return *error* without its traceback.
        """
        self.close(_INTERRUPTED)
        self.mark(error)
        if self.saver is not None:
            self.saver.save_at_end(self, error)
        return error.with_traceback(None)

    def stats(self) -> StreamStats:
        """
        Return the counts so far.
        """
        position, counts = self.position, self.engine.counts()
        return StreamStats(
            items=position.count,
            bytes=counts.bytes,
            reconnects=counts.reconnects,
            late=position.late,
            checks=counts.checks,
            overflowed=counts.overflowed,
            since=self.since,
        )

    def forget(self, shown: str) -> None:
        """
        Close a stream without references and warn if it was open; *shown* is the stream's repr.
        """
        self.close()  # first: a warning may be an error
        if self.saver is not None:
            self.saver.save_forgotten(self)
        if self.opened_at:
            warnings.warn(
                f"{shown} was left open; it was opened at {self.opened_at}."
                " Use `with`, or call close()",
                ResourceWarning,
                stacklevel=3,
            )

    def after_fork_in_child(self) -> None:
        """
        Release what belongs to the parent process: in the child the stream has ended, with nothing
        pending.
        """
        self.owner.clear()
        self.saver = None
        self.opened_at = ""
        if self.end is None:
            self.end = _FORKED
        self.closed = self._freed = True
        self.position = self.position.closed()
        self.engine.after_fork_in_child()


def _outcome_aside(work: Callable[[], object]) -> _RunOutcome:
    try:
        work()
    except Exception as error:
        return _RunOutcome(failure=error)
    return _RunOutcome(done=True)


def _caller() -> str:
    """
    Return the line outside this package that called into it, as ``file:line``.
    """
    package = __name__.partition(".")[0] + "."
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
