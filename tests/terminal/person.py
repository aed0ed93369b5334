"""
A person at a terminal of this machine, played by a thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

SECONDS = 40.0


class Person:
    """
    The other end of a pseudo-terminal: what appears on its screen, and keys to type.

    Attributes:
        screen: all that appeared.
        failure: what went wrong in the thread that plays.
    """

    def __init__(self) -> None:
        self._master, self.slave = os.openpty()
        self.screen = bytearray()
        self.failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.resize(80, 24)

    def resize(self, width: int, height: int) -> None:
        """
        Give the window a size, without a signal.
        """
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def press(self, keys: bytes) -> None:
        """
        Type.
        """
        os.write(self._master, keys)

    def see(self, wanted: bytes) -> None:
        """
        Wait until *wanted* is on the screen, and forget all up to it.
        """
        until = time.monotonic() + SECONDS
        while wanted not in self.screen:
            left = until - time.monotonic()
            assert left > 0, f"no {wanted!r}, but {bytes(self.screen[-300:])!r}"
            if select.select([self._master], [], [], left)[0]:
                self.screen += os.read(self._master, 65_536)
        del self.screen[: self.screen.index(wanted) + len(wanted)]

    def attributes(self) -> list[object]:
        """
        Return how the terminal is set.
        """
        return list(termios.tcgetattr(self.slave))

    def does(self, work: Callable[[], object]) -> None:
        """
        Do *work* in a thread, while this one is at the terminal.
        """

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.failure = error
                self.hang_up()

        self._thread = threading.Thread(target=run)
        self._thread.start()

    @contextlib.contextmanager
    def seated(self) -> Iterator[None]:
        """
        Be at the terminal of this program meanwhile; check that it is as before after that.
        """
        before, held = self.attributes(), (sys.stdin, sys.stdout)
        with open(os.dup(self.slave)) as sys.stdin, open(os.dup(self.slave), "w") as sys.stdout:
            try:
                yield
            finally:
                sys.stdin, sys.stdout = held
        assert self.attributes() == before

    def hang_up(self) -> None:
        """
        End whoever reads the keyboard.
        """
        master, self._master = self._master, -1
        if master >= 0:
            os.close(master)

    def __enter__(self) -> Person:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._thread.join()
        self.hang_up()
        os.close(self.slave)
        if self.failure is not None:
            raise self.failure
