"""
One of several agents whose logs are followed together.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

from coder_agents.errors import CoderError
from coder_agents.streams.engine import connect
from coder_agents.streams.log_feed import LogFeed
from coder_agents.streams.merged_position import A
from coder_agents.streams.options import StreamEnd
from coder_agents.streams.poller import Poller, single_selector
from coder_agents.streams.position import LogPosition
from coder_agents.transport import ClosedError

R = TypeVar("R")


@attrs.define(eq=False)
class Member(Generic[A]):
    """
    One of the agents, with its log.

    Attributes:
        agent: the agent.
        number: its number among the agents.
        feed: the feed of its log.
        pending: the position whose lines are to be handed out; None where there are no lines.
        end: why its log ended; None while it runs.
        failure: the error with which its log ended; None where no error ended it.
    """

    agent: A
    number: int
    feed: LogFeed
    pending: LogPosition | None = None
    end: StreamEnd | None = None
    failure: CoderError | None = None
    _is_dropped: bool = False
    _in_thread: threading.Lock = attrs.field(factory=threading.Lock)

    def open(self) -> None:
        """
        Make the first connection; called by a thread that dials.
        """
        with contextlib.closing(Poller[int](single_selector())) as poller:
            self._run(lambda: connect(self.feed, poller))

    def step(self) -> LogPosition | None:
        """
        Step the feed; called by a thread that dials.
        """
        return self._run(self.feed.step)

    def _run(self, work: Callable[[], R]) -> R:
        try:
            with self._in_thread:
                if self._is_dropped:
                    raise ClosedError
                return work()
        finally:
            if self._is_dropped:
                self.free()

    def free(self) -> None:
        """
        Free the feed, unless a thread runs it: that thread then frees the feed.
        """
        self._is_dropped = True
        self.feed.wake()
        if self._in_thread.acquire(blocking=False):
            try:
                self.feed.free()
            finally:
                self._in_thread.release()
