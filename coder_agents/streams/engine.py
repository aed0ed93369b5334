"""
The protocols of an engine and a feed, and the engine over one feed.

References point down only: a stream holds its core, the core an engine, the engine its feeds, a
feed its connection, the connection a source. No part refers to its holder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import attrs

from coder_agents.errors import CoderError
from coder_agents.streams.options import StreamEnd
from coder_agents.streams.pauses import PAUSES, Pauses
from coder_agents.streams.poller import Poller, single_selector
from coder_agents.streams.position import Position
from coder_agents.transport import ClosedError, Interest

T = TypeVar("T")


class EndedError(Exception):
    """
    The stream is over, with the reason *end*; *failure* is the exception to raise, or None.
    """

    def __init__(self, end: StreamEnd, failure: CoderError | None = None) -> None:
        super().__init__(str(end))
        self.end = end
        self.failure = failure


@attrs.frozen
class Counts:
    """
    The counts of a stream's connections.

    Attributes:
        bytes: bytes received, headers included.
        reconnects: connections made after an earlier one broke.
        checks: answered requests beside the connection, for late lines or for containers.
        overflowed: whether the agent's log is full, so that the deployment drops new lines.
    """

    bytes: int = 0
    reconnects: int = 0
    checks: int = 0
    overflowed: bool = False


class Feed(Protocol[T]):
    """
    The items of one agent. No method waits, except for a dial in `open` and `step`.
    """

    @property
    def what(self) -> str:
        """
        The name of the data, for messages.
        """

    def position(self) -> Position[T]:
        """
        Return the position before the first item.
        """

    def open(self) -> bool:
        """
        Take the next step of the first connection; return whether it is open.

        Raises *CoderError* where no connection can be opened, *ClosedError* when woken.
        """

    def step(self) -> Position[T] | None:
        """
        Return the next position; None where nothing has come. Called only when all items of the
        last position were handed out.

        Raises *EndedError* or *CoderError* at the end, *ClosedError* when woken.
        """

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before another step; None where a step may find input now.
        """

    def expect_break(self) -> None:
        """
        Note that no thread has read for a long time: a broken connection is expected.
        """

    def counts(self) -> Counts:
        """
        Return the counts of the connections.
        """

    def wake(self) -> None:
        """
        Stop the thread that opens or steps with *ClosedError*; callable from any thread or signal
        handler.
        """

    def free(self) -> None:
        """
        Free all sockets; a second call does nothing. Only the thread that steps may call it, or any
        thread while none steps.
        """


class Engine(Protocol[T]):
    """
    The engine that a core runs.
    """

    @property
    def what(self) -> str:
        """
        The name of the data, for messages.
        """

    def position(self) -> Position[T]:
        """
        Return the position before the first item.
        """

    def open(self) -> None:
        """
        Connect.

        Raises *CoderError* where that fails, *ClosedError* when woken.
        """

    def read(self, deadline: float) -> Position[T] | None:
        """
        Return the next position, or None at *deadline*, a time of `time.monotonic` or infinity.

        Raises as `Feed.step` does.
        """

    def counts(self) -> Counts:
        """
        Return the counts of the connections.
        """

    def wake(self) -> None:
        """
        Stop the thread that opens or reads with *ClosedError*; callable from any thread or signal
        handler.
        """

    def free(self) -> None:
        """
        Free all resources; a second call does nothing. Only the thread that reads may call it, or
        any thread while none reads.
        """

    def after_fork_in_child(self) -> None:
        """
        Release all that belongs to the parent process.
        """


def connect(feed: Feed[Any], poller: Poller[int]) -> None:
    """
    Make the first connection of *feed*, and wait for it with *poller*.

    Raises as `Feed.open` does.
    """
    while not feed.open():
        interests = feed.interests()
        if interests is not None:
            poller.set(0, interests)
            poller.wait(math.inf)


class FeedEngine(Generic[T]):
    """
    An engine over one feed: it steps the feed, and waits for the feed's interests.
    """

    def __init__(self, feed: Feed[T], *, pauses: Pauses = PAUSES) -> None:
        self.feed = feed
        self._pauses = pauses
        self._poller: Poller[int] = Poller(single_selector())
        self._left_at = math.inf
        self._woken = False

    @property
    def what(self) -> str:
        """
        The name of the data, for messages.
        """
        return self.feed.what

    def position(self) -> Position[T]:
        """
        Return the position before the first item.
        """
        return self.feed.position()

    def open(self) -> None:
        """
        Connect; see `Engine.open`.
        """
        connect(self.feed, self._poller)

    def read(self, deadline: float) -> Position[T] | None:
        """
        Return the next position; see `Engine.read`.
        """
        if time.monotonic() - self._left_at > self._pauses.long_absence:
            self.feed.expect_break()
        try:
            is_last = False
            while (position := self.feed.step()) is None:
                if is_last or not self._wait(deadline):
                    return None
                is_last = time.monotonic() >= deadline
            return position
        finally:
            self._left_at = time.monotonic()

    def _wait(self, deadline: float) -> bool:
        """
        Wait for the feed's interests; return False where none has come by *deadline*.
        """
        if self._woken:  # also in a process that a callback of the step forked
            raise ClosedError
        interests = self.feed.interests()
        if interests is None:
            return time.monotonic() < deadline
        self._poller.set(0, interests)
        due = self._poller.wait(deadline)
        if self._woken:
            raise ClosedError
        return bool(due) or time.monotonic() < deadline

    def counts(self) -> Counts:
        """
        Return the counts of the connections.
        """
        return self.feed.counts()

    def wake(self) -> None:
        """
        Stop the thread that opens or reads; see `Engine.wake`.
        """
        self._woken = True
        self.feed.wake()
        self._poller.alarm.ring()

    def free(self) -> None:
        """
        Free all resources; see `Engine.free`.
        """
        self.feed.free()
        self._poller.close()

    def after_fork_in_child(self) -> None:
        """
        Release all that belongs to the parent process. A read that the parent began stops in the
        child.
        """
        self._woken = True
        self._poller.after_fork_in_child()
