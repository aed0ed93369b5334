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

_MAX_WAIT = 3600.0  # seconds; no system waits for an unlimited time at once


class Alarm:
    """
    Ends a wait, from any thread or signal handler, by a byte on a socket.

    An Event or a Condition deadlocks when a signal handler sets it during its own wait, and no call
    can wait for them and for sockets together.
    """

    def __init__(self) -> None:
        self.socket, self._bell = socket.socketpair()
        self.socket.setblocking(False)
        self._bell.setblocking(False)

    def ring(self) -> None:
        """
        End the wait in progress, or the next one.
        """
        with contextlib.suppress(OSError):  # the socket is full after many rings, or closed already
            self._bell.send(b"\0")

    def reset(self) -> None:
        """
        Forget earlier rings.
        """
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(4096):
                pass

    def close(self) -> None:
        """
        Close both ends; a second call does nothing.
        """
        self.socket.close()
        self._bell.close()

    def after_fork_in_child(self) -> None:
        """
        Close only the file numbers: the sockets belong to the parent process.
        """
        for held in (self.socket, self._bell):
            number = held.detach()
            if number >= 0:
                os.close(number)


class Poller(Generic[K]):
    """
    Waits for keys: each key stands for sockets and one moment.

    A socket has to stay open while it is registered. One thread at a time may use the poller; any
    thread may ring the *alarm*.

    Args:
        selector: waits for the sockets.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.alarm = Alarm()
        self._selector = selector
        # By its number: a selector is part of a cycle, in which the socket would outlive a poller that
        # an interrupt has left without an owner.
        self._selector.register(self.alarm.socket.fileno(), selectors.EVENT_READ)
        self._events: dict[K, dict[int, int]] = {}
        self._owners: dict[int, K] = {}
        self._until: dict[K, float] = {}
        # The moment of each key's entry in the heap. An entry that fires too early is put back.
        self._armed: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._until)

    def set(self, key: K, interests: Iterable[Interest]) -> None:
        """
        Wait for *interests* under *key*, in place of its earlier interests.
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
        Remove the interests of *key*.
        """
        self._register(key, {})
        self._until.pop(key, None)

    def wait(self, deadline: float) -> list[K]:
        """
        Wait for a key, for the alarm, or until *deadline*; return the keys that are due.
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
                # The system may have given a closed number to another socket.
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
            # An entry that was moved to a later time wakes no thread.
            heapq.heappop(timers)
            self._rearm(key, moment)
        return math.inf

    def _rearm(self, key: K, moment: float) -> None:
        """
        Put *key*, whose entry of *moment* left the heap, back where the key still waits for a
        moment.
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
        Remove all keys and close the selector; a second call does nothing.
        """
        self._selector.close()
        self.alarm.close()

    def after_fork_in_child(self) -> None:
        """
        Do not touch the sockets: they, and their entries in a shared selector, belong to the parent
        process.
        """
        self._selector.close()
        self.alarm.after_fork_in_child()


def single_selector() -> selectors.BaseSelector:
    """
    Return a selector for a few sockets, without a file descriptor of its own where the system has
    one.
    """
    kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
    selector: selectors.BaseSelector = kind()
    return selector
