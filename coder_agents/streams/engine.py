"""
What drives a stream: an engine over one feed, and what an engine and a feed have to be able to do.

References point down only: a stream holds its core, the core an engine, the engine its feeds, a
feed its connection, the connection a source. None of them knows who holds it.
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
    The stream is over: for *end*, and with *failure* to raise where there is one.
    """

    def __init__(self, end: StreamEnd, failure: CoderError | None = None) -> None:
        super().__init__(str(end))
        self.end = end
        self.failure = failure


@attrs.frozen
class Counts:
    """
    What the connections of a stream have counted.

    Attributes:
        bytes: bytes received, headers and all.
        reconnects: connections made again after one broke.
        checks: answered requests beside the connection, for late lines or for containers.
        overflowed: whether the deployment drops what the stream would show.
    """

    bytes: int = 0
    reconnects: int = 0
    checks: int = 0
    overflowed: bool = False


class Feed(Protocol[T]):
    """
    Where the items of one agent come from. No verb waits, but for a dial in `open` and `step`.
    """

    @property
    def what(self) -> str:
        """
        What is read, for messages.
        """

    def position(self) -> Position[T]:
        """
        Return the position before the first item.
        """

    def open(self) -> bool:
        """
        Take the next step of the first connection; return whether it is there.

        Raises *CoderError* where there is none to be had, *ClosedError* when woken.
        """

    def step(self) -> Position[T] | None:
        """
        Return the next position; None where nothing has come. Only called when all items of
        the position before were handed out.

        Raises *EndedError* and *CoderError* at the end, *ClosedError* when woken.
        """

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before another step; None where that may find something now.
        """

    def expect_break(self) -> None:
        """
        Note that nobody has read for long: a broken connection is no surprise.
        """

    def counts(self) -> Counts:
        """
        Return what the connections have counted.
        """

    def wake(self) -> None:
        """
        Make whoever opens or steps stop with *ClosedError*; from any thread or signal handler.
        """

    def free(self) -> None:
        """
        Free all sockets, also twice. Only for whoever steps, or while nobody does.
        """


class Engine(Protocol[T]):
    """
    What a core runs.
    """

    @property
    def what(self) -> str:
        """
        What is read, for messages.
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
        Return the next position, None at *deadline*; a time of `time.monotonic`, or infinity.

        Raises as `Feed.step` does.
        """

    def counts(self) -> Counts:
        """
        Return what the connections have counted.
        """

    def wake(self) -> None:
        """
        Make whoever opens or reads stop with *ClosedError*; from any thread or signal handler.
        """

    def free(self) -> None:
        """
        Free all that is held, also twice. Only for whoever reads, or while nobody does.
        """

    def after_fork_in_child(self) -> None:
        """
        Let go of all that belongs to the parent.
        """


def connect(feed: Feed[Any], poller: Poller[int]) -> None:
    """
    Make the first connection of *feed*, with *poller* to wait.

    Raises as `Feed.open` does.
    """
    while not feed.open():
        interests = feed.interests()
        if interests is not None:
            poller.set(0, interests)
            poller.wait(math.inf)


class FeedEngine(Generic[T]):
    """
    An engine over one feed: it steps, and waits for what the feed waits for.
    """

    def __init__(self, feed: Feed[T], *, pauses: Pauses = PAUSES) -> None:
        self._feed = feed
        self._pauses = pauses
        self._poller: Poller[int] = Poller(single_selector())
        self._left_at = math.inf
        self._woken = False

    @property
    def what(self) -> str:
        """
        What is read, for messages.
        """
        return self._feed.what

    def position(self) -> Position[T]:
        """
        Return the position before the first item.
        """
        return self._feed.position()

    def open(self) -> None:
        """
        Connect; see `Engine.open`.
        """
        connect(self._feed, self._poller)

    def read(self, deadline: float) -> Position[T] | None:
        """
        Return the next position; see `Engine.read`.
        """
        if time.monotonic() - self._left_at > self._pauses.long_absence:
            self._feed.expect_break()
        try:
            is_last = False
            while (position := self._feed.step()) is None:
                if is_last or not self._wait(deadline):
                    return None
                is_last = time.monotonic() >= deadline
            return position
        finally:
            self._left_at = time.monotonic()

    def _wait(self, deadline: float) -> bool:
        """
        Wait for what the feed waits for; return False where that has not come by *deadline*.
        """
        if self._woken:  # also in a process that was forked by what the step called
            raise ClosedError
        interests = self._feed.interests()
        if interests is None:
            return time.monotonic() < deadline
        self._poller.set(0, interests)
        due = self._poller.wait(deadline)
        if self._woken:
            raise ClosedError
        return bool(due) or time.monotonic() < deadline

    def counts(self) -> Counts:
        """
        Return what the connections have counted.
        """
        return self._feed.counts()

    def wake(self) -> None:
        """
        Make whoever opens or reads stop; see `Engine.wake`.
        """
        self._woken = True
        self._feed.wake()
        self._poller.alarm.ring()

    def free(self) -> None:
        """
        Free all that is held; see `Engine.free`.
        """
        self._feed.free()
        self._poller.close()

    def after_fork_in_child(self) -> None:
        """
        Let go of all that belongs to the parent. Who reads, as its parent did, stops.
        """
        self._woken = True
        self._poller.after_fork_in_child()
