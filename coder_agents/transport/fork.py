"""
Cleaning up in the child process after a fork.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """
    An object with resources that belong to one process.
    """

    def after_fork_in_child(self) -> None:
        """
        Drop the resources of the parent process. Takes no lock, which another thread may have held.
        """


_objects: weakref.WeakSet[Forkable] = weakref.WeakSet()
_registered: dict[int, object] = {}


def register(obj: Forkable) -> None:
    """
    Call ``obj.after_fork_in_child()`` in each process that is forked while *obj* exists.
    """
    _objects.add(obj)
    me = object()
    if _registered.setdefault(0, me) is me and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork_in_child)


def _after_fork_in_child() -> None:
    for obj in list(_objects):
        with contextlib.suppress(Exception):
            obj.after_fork_in_child()


class RenewedLock:
    """
    A lock that is free in a forked process, also where another thread held it at the fork.

    The thread that holds it can enter it again: the garbage collector or a signal handler may run
    other code while it is held.

    Attributes:
        current: the lock of this process. A ``with`` statement that a fork interrupts leaves the lock
            that it has entered.
    """

    def __init__(self) -> None:
        self.current = threading.RLock()
        register(self)

    def after_fork_in_child(self) -> None:
        """
        Replace the lock of the parent process.
        """
        self.current = threading.RLock()


def close_number(sock: object) -> None:
    """
    Close the file number of *sock* in this process only: no shutdown, no TLS, no warning.
    """
    sock = getattr(sock, "socket", sock)  # urllib3's TLS within TLS wraps the socket
    detach = getattr(sock, "detach", None)
    number = -1 if detach is None else detach()
    if number >= 0:
        os.close(number)
