"""
What the thread of a terminal shares with its users: output, input and the state.
"""

from __future__ import annotations

import collections
import math
import threading
import time

import attrs

from coder_agents.errors import CoderError, TerminalError
from coder_agents.terminal.changes import Changes

Item = str | tuple[int, int]
"""
What waits for the connection: text that is typed, or a size in columns and rows.
"""


@attrs.frozen(kw_only=True)
class TerminalLimits:
    """
    How long a terminal waits, and how much it holds.

    Attributes:
        beginning: seconds until a terminal has reported its beginning; some never attach.
        beginnings: how many connections may end without a report before a new terminal counts as
            impossible.
        replay: seconds without a byte of a replay that is not whole.
        unread: bytes of output that wait for a user.
        full: seconds for which nothing is read while so much waits; after that the oldest half is
            discarded. The deployment closes a terminal that is not read for 30 seconds.
        unsent: characters of input that wait for the connection; after that `write` waits.
        flush: seconds that closing waits for unsent input.
        burst: bytes of output after which a silence may be a stall; see *quiet*.
        quiet: seconds of silence after a burst, after which the terminal is attached again: some
            connections stop for ever in a large output.
        kill: seconds until a terminal has confirmed that it was killed.
    """

    beginning: float = 10.0
    beginnings: int = 5
    replay: float = 5.0
    unread: int = 1 << 24
    full: float = 10.0
    unsent: int = 1 << 20
    flush: float = 5.0
    burst: int = 32_768
    quiet: float = 10.0
    kill: float = 15.0


LIMITS = TerminalLimits()


class Buffers:
    """
    The output that waits for a user, the input that waits for the connection, and the state.

    Any thread may call the methods, and a signal handler too.

    Attributes:
        is_open: whether the terminal was attached once.
        is_closed: whether a user has closed it.
        is_over: whether nothing more comes.
        has_ended: whether that is because its command has ended.
        discarded: how many times output was discarded because nobody read it.
    """

    def __init__(self, what: str, limits: TerminalLimits) -> None:
        self._what = what
        self._limits = limits
        self._lock = threading.RLock()
        self._changes = Changes()
        self._output: collections.deque[bytes] = collections.deque()
        self._unread = 0
        self._input: collections.deque[Item] = collections.deque()
        self._unsent = 0
        self._is_attached = False
        self._failure: CoderError | None = None
        self.is_open = False
        self.is_closed = False
        self.is_over = False
        self.has_ended = False
        self.discarded = 0

    # For the users.

    @property
    def is_read(self) -> bool:
        """
        Whether the terminal is over and all output was read.
        """
        return self.is_over and not self._output

    def wait_open(self) -> None:
        """
        Wait until the terminal is attached.

        Raises *CoderError* where that failed.
        """
        self._changes.wait_for(lambda: self.is_open or self.is_over)
        if self._failure is not None and not self.is_open:
            raise self._failure

    def read(self, timeout: float | None) -> bytes | None:
        """
        Return the next output, None after *timeout* seconds, b"" at the end.

        Raises *CoderError* where the terminal broke off.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        while (chunk := self._taken()) is None:  # another thread may be quicker
            if self.is_read:
                if self._failure is not None:
                    raise self._failure
                return b""
            left = None if timeout is None else until - time.monotonic()
            if not self._changes.wait_for(lambda: self._output or self.is_over, left):
                return None
        self._changes.announce()
        return chunk

    def _taken(self) -> bytes | None:
        with self._lock:
            if not self._output:
                return None
            chunk = self._output.popleft()
            self._unread -= len(chunk)
            return chunk

    def put(self, item: Item) -> None:
        """
        Let *item* wait for the connection; wait while much is unsent.

        Raises *TerminalError* after the end.
        """
        self._changes.wait_for(lambda: self.is_over or self._unsent < self._limits.unsent)
        if self.is_over:
            raise TerminalError(f"{self._what}: the terminal has ended")
        with self._lock:
            self._input.append(item)
            self._unsent += len(item)
        self._changes.announce()

    def flush(self) -> None:
        """
        Wait until the connection, where there is one, has taken all input.
        """
        self._changes.wait_for(
            lambda: not self._input or not self._is_attached or self.is_over, self._limits.flush
        )

    def close(self) -> None:
        """
        Note that a user has closed the terminal.
        """
        self.is_closed = True
        self._changes.announce()

    def after_fork_in_child(self) -> None:
        """
        The thread is the parent's: here the terminal is over.
        """
        self._lock, self._changes = threading.RLock(), Changes()
        self.is_closed = self.is_over = True
        self._failure = TerminalError(f"{self._what}: the terminal was opened before a fork")

    # For the thread.

    def attached(self, is_attached: bool) -> None:
        """
        Note whether there is a connection that takes input.
        """
        self._is_attached = is_attached
        self.is_open = self.is_open or is_attached
        self._changes.announce()

    def add(self, output: bytes) -> None:
        """
        Let *output* wait for a user.
        """
        if output:
            with self._lock:
                self._output.append(output)
                self._unread += len(output)
            self._changes.announce()

    @property
    def input(self) -> Item | None:
        """
        What is to be sent next; None for nothing.
        """
        return None if self.is_closed or not self._input else self._input[0]

    def sent(self) -> None:
        """
        Note that `input` was sent.
        """
        with self._lock:
            self._unsent -= len(self._input.popleft())
        self._changes.announce()

    def wait_for_room(self) -> None:
        """
        Wait until more output may come, until there is input, or until a user has closed.
        """
        has_room = self._changes.wait_for(
            lambda: self._unread < self._limits.unread or self.is_closed or self._input,
            self._limits.full,
        )
        if has_room:
            return
        with self._lock:
            before = len(self._output)
            while self._unread > self._limits.unread // 2 and len(self._output) > 1:
                self._unread -= len(self._output.popleft())
            # Nothing is discarded where a user has read meanwhile.
            self.discarded += len(self._output) < before

    def pause(self, seconds: float) -> None:
        """
        Wait *seconds*, or until a user has closed.
        """
        self._changes.wait_for(lambda: self.is_closed, seconds)

    def end(self, failure: CoderError | None) -> None:
        """
        Note that nothing more comes: because of *failure*, or because the command has ended.
        """
        self._failure = None if self.is_closed else failure
        self.has_ended = failure is None and not self.is_closed
        self.is_over = True
        self._changes.announce()
