"""
Waiting for many sockets, and for moments, in one thread.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from typing import Generic, TypeVar

from coder_agents.transport import Wait

K = TypeVar("K")

_LONGEST_WAIT = 3600.0  # seconds; no system waits for any length of time at once


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
        Make the wait, the one that is on or the next one, end.
        """
        with contextlib.suppress(OSError):  # rung so often that it is full, or closed already
            self._bell.send(b"\0")

    def hush(self) -> None:
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


class Watch(Generic[K]):
    """
    What is waited for, each under a key; a key that is due is not waited for any more.

    A socket must stay open while it is watched. One thread at a time may use it; any may ring
    the *alarm*.
    """

    def __init__(self) -> None:
        self.alarm = Alarm()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.alarm.socket, selectors.EVENT_READ)
        self._waits: dict[K, Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def add(self, key: K, wait: Wait) -> None:
        """
        Watch for what *wait* says.
        """
        if wait.fileno is not None:
            event = selectors.EVENT_WRITE if wait.writable else selectors.EVENT_READ
            self._selector.register(wait.fileno, event, key)
        self._waits[key] = wait

    def due(self, until: float) -> list[K]:
        """
        Return the keys that are due; wait for one, for the alarm, or until the time *until*.
        """
        soonest = min([until, *(wait.until for wait in self._waits.values())])
        left = min(max(0.0, soonest - time.monotonic()), _LONGEST_WAIT)
        due = [found.data for found, _ in self._selector.select(left)]
        if None in due:
            self.alarm.hush()
        now = time.monotonic()
        due += [key for key, wait in self._waits.items() if wait.until <= now]
        keys = [key for key in dict.fromkeys(due) if key is not None]
        for key in keys:
            self._drop(key)
        return keys

    def _drop(self, key: K) -> None:
        fileno = self._waits.pop(key).fileno
        if fileno is not None:
            self._selector.unregister(fileno)

    def close(self) -> None:
        """
        Wait for nothing any more, also twice.
        """
        self._selector.close()
        self.alarm.close()
