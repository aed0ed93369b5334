"""
Waiting for sockets, for moments and for an alarm, in one thread.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
import selectors
import socket
import time
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from coder_agents.transport import Interest

K = TypeVar("K", bound=Hashable)

_MAX_WAIT = 3600.0  # seconds; no system waits for any length of time at once


class Alarm:
    """
    Ends a wait, from any thread or signal handler: a socket that a byte comes to.

    No Event or Condition: they deadlock when a signal handler sets them over their own wait,
    and nothing can wait for them and for sockets together.
    """

    def __init__(self) -> None:
        self.socket, self._bell = socket.socketpair()
        self.socket.setblocking(False)
        self._bell.setblocking(False)

    def ring(self) -> None:
        """
        End the wait, the one that is in progress or the next one.
        """
        with contextlib.suppress(OSError):  # rung so often that it is full, or closed already
            self._bell.send(b"\0")

    def reset(self) -> None:
        """
        Forget that it rang.
        """
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(4096):
                pass

    def close(self) -> None:
        """
        Close both ends, also twice.
        """
        self.socket.close()
        self._bell.close()

    def after_fork_in_child(self) -> None:
        """
        Close the file numbers alone: the sockets belong to the parent.
        """
        for held in (self.socket, self._bell):
            number = held.detach()
            if number >= 0:
                os.close(number)


class Poller(Generic[K]):
    """
    What is waited for, under keys: for each key, sockets and one moment.

    A socket has to stay open while it is registered. One thread at a time may use it; any may
    ring the *alarm*.

    Args:
        selector: what waits for the sockets.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.alarm = Alarm()
        self._selector = selector
        self._selector.register(self.alarm.socket, selectors.EVENT_READ)
        self._events: dict[K, dict[int, int]] = {}
        self._owners: dict[int, K] = {}
        self._until: dict[K, float] = {}
        # When each key has an entry in the heap: one that fires too early is put back.
        self._armed: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._until)

    def set(self, key: K, interests: Iterable[Interest]) -> None:
        """
        Wait for *interests* under *key*, in place of what was waited for before.
        """
        events: dict[int, int] = {}
        until = _MAX_WAIT + time.monotonic()
        for interest in interests:
            if interest.fileno is not None:
                events[interest.fileno] = interest.events
            until = min(until, interest.until)
        self._register(key, events)
        self._until[key] = until
        armed = self._armed.get(key)
        if armed is None or until < armed:
            self._arm(key, until)

    def drop(self, key: K) -> None:
        """
        Wait for nothing under *key* any more.
        """
        self._register(key, {})
        self._until.pop(key, None)

    def wait(self, deadline: float) -> list[K]:
        """
        Return the keys that something came for; wait for one, for the alarm, or until *deadline*.
        """
        until = min(deadline, self._next_timer())
        seconds = min(max(0.0, until - time.monotonic()), _MAX_WAIT)
        due: dict[K, None] = {}
        for found, _ in self._selector.select(seconds):
            if found.data is None:
                self.alarm.reset()
            else:
                due[found.data] = None
        if self._timers and self._timers[0][0] <= time.monotonic():
            due.update(dict.fromkeys(self._expired(time.monotonic())))
        return list(due)

    def _register(self, key: K, events: dict[int, int]) -> None:
        before = self._events.get(key, {})
        if events == before:
            return
        self._events[key] = events
        for fileno in before.keys() - events.keys():
            self._unregister(fileno, key)
        for fileno, mask in events.items():
            if before.get(fileno) != mask or self._owners.get(fileno) is not key:
                # A number that was closed may be another's socket by now.
                self._unregister(fileno, self._owners.get(fileno))
                self._selector.register(fileno, mask, key)
                self._owners[fileno] = key

    def _unregister(self, fileno: int, key: K | None) -> None:
        if key is not None and self._owners.get(fileno) is key:
            del self._owners[fileno]
            self._selector.unregister(fileno)

    def _next_timer(self) -> float:
        """
        Return when the next timer is due, infinity for none.
        """
        timers = self._timers
        while timers:
            moment, _, key = timers[0]
            until = self._until.get(key)
            if self._armed.get(key) == moment and until is not None and until <= moment:
                return moment
            # What was moved to later wakes nobody up.
            heapq.heappop(timers)
            self._rearm(key, moment)
        return math.inf

    def _rearm(self, key: K, moment: float) -> None:
        """
        Put *key*, whose entry of *moment* is out of the heap, in again where it waits for a moment.
        """
        if self._armed.get(key) != moment:
            return
        del self._armed[key]
        until = self._until.get(key)
        if until is not None:
            self._arm(key, until)

    def _arm(self, key: K, moment: float) -> None:
        self._armed[key] = moment
        heapq.heappush(self._timers, (moment, next(self._numbers), key))

    def _expired(self, now: float) -> Iterable[K]:
        while self._timers and self._timers[0][0] <= now:
            moment, _, key = heapq.heappop(self._timers)
            until = self._until.get(key)
            if self._armed.get(key) == moment and until is not None and until <= now:
                del self._armed[key]
                yield key
            else:
                self._rearm(key, moment)

    def close(self) -> None:
        """
        Wait for nothing any more, also twice.
        """
        self._selector.close()
        self.alarm.close()

    def after_fork_in_child(self) -> None:
        """
        Leave the sockets alone: they, and what a shared selector knows of them, are the parent's.
        """
        self._selector.close()
        self.alarm.after_fork_in_child()


def single_selector() -> selectors.BaseSelector:
    """
    Return a selector for a few sockets, which needs no file of its own where the system has one.
    """
    kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
    selector: selectors.BaseSelector = kind()
    return selector
