"""
A terminal that outlives its connections: one thread reads and writes it.

The deployment closes a terminal that nobody reads for half a minute. So a thread of the session reads it, whether or
not a user does.
"""

from __future__ import annotations

import collections
import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from coder_agents.errors import CoderError, TerminalError, TerminalNotFoundError
from coder_agents.streams.reconnect import (
    Outage,
    Reconnect,
    is_resumable,
    requested_pause,
    without_frames,
)
from coder_agents.terminal.replay import History
from coder_agents.terminal.start import Beginning
from coder_agents.transport import ClosedError, DroppedError, fork

if TYPE_CHECKING:
    from coder_agents.terminal.attachment import Attachment

_NORMAL = 1000  # the close code of a process that has ended; RFC 6455, section 7.4.1


@attrs.frozen(kw_only=True)
class Limits:
    """
    How long a session waits, and how much it holds.

    Attributes:
        beginning: seconds until a terminal has reported its beginning; some never attach.
        replay: seconds until the output that another attachment begins with is there.
        unread: bytes of output that wait for the user; after that nothing more is read.
        unsent: characters of input that wait for the connection; after that `write` waits.
    """

    beginning: float = 10.0
    replay: float = 2.0
    unread: int = 1 << 24
    unsent: int = 1 << 20


LIMITS = Limits()


class Session:
    """
    The thread of one terminal, and what it shares with its users.

    Args:
        attach: makes an attachment, unopened.
        beginning: reads the report at the beginning of the output; see `beginning_of`.
        reconnect: how a broken connection is tried again; None for not at all.

    Attributes:
        reconnects: how many times the connection was replaced.
        gaps: how many times output was missing between two attachments.
    """

    def __init__(
        self,
        attach: Callable[[], Attachment],
        beginning: Callable[[bytes], Beginning | None],
        *,
        what: str,
        reconnect: Reconnect | None,
        limits: Limits = LIMITS,
    ) -> None:
        self._attach = attach
        self._beginning = beginning
        self._what = what
        self._reconnect = reconnect
        self._limits = limits
        self._changed = threading.Condition()
        self._output: collections.deque[bytes] = collections.deque()
        self._unread = 0
        self._input: collections.deque[str | tuple[int, int]] = collections.deque()
        self._unsent = 0
        self._attachment: Attachment | None = None
        self._size: tuple[int, int] | None = None
        self._history = History()
        self._begun: bytearray | None = bytearray()
        self._is_open = False
        self._is_closed = False
        self._is_over = False
        self._failure: CoderError | None = None
        self._outage: Outage | None = None
        self.reconnects = 0
        self.gaps = 0
        self._thread = threading.Thread(target=self._run, name=f"terminal of {what}", daemon=True)

    def open(self) -> None:
        """
        Attach, and wait until the command runs.

        Raises *CoderError* where that fails.
        """
        fork.register(self)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_open or self._is_over)
            if self._failure is not None:
                raise self._failure

    @property
    def is_over(self) -> bool:
        """
        Whether the terminal has ended or was closed, and all output was read.
        """
        return self._is_over and not self._output

    def read(self, timeout: float | None) -> bytes | None:
        """
        Return the next output, None after *timeout* seconds, b"" at the end.

        Raises *CoderError* where the terminal broke off.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._output or self._is_over, timeout)
            if self._output:
                chunk = self._output.popleft()
                self._unread -= len(chunk)
                self._changed.notify_all()
                return chunk
            if self._failure is not None:
                raise self._failure
            return b"" if self._is_over else None

    def put(self, item: str | tuple[int, int]) -> None:
        """
        Send *item*, text that is typed or the size; wait while much is unsent.

        Raises *TerminalError* after the end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._unsent < self._limits.unsent)
            if self._is_over:
                raise TerminalError(f"{self._what}: the terminal has ended")
            self._input.append(item)
            self._unsent += len(item)
            attachment = self._attachment
        if attachment is not None:
            attachment.interrupt()

    def close(self) -> None:
        """
        Detach, also twice; what runs in the terminal lives on.
        """
        with self._changed:
            self._is_closed = True
            attachment = self._attachment
            self._changed.notify_all()
        if attachment is not None:
            attachment.wake()

    def after_fork_in_child(self) -> None:
        """
        The thread is the parent's: here the terminal is over.
        """
        self._changed = threading.Condition()
        self._is_closed = self._is_over = True
        self._failure = TerminalError(f"{self._what}: the terminal was opened before a fork")

    def join(self) -> None:
        """
        Wait until the thread has ended.
        """
        self._thread.join()

    def _run(self) -> None:
        failure: CoderError | None = None
        try:
            while not self._is_closed and not self._follow_one():
                pass
        except CoderError as error:
            failure = without_frames(error)
        finally:
            with self._changed:
                self._failure = None if self._is_closed else failure
                self._is_over = True
                self._changed.notify_all()

    def _follow_one(self) -> bool:
        """
        Follow one attachment to its end; return whether the terminal has ended.

        Raises *CoderError* where no other attachment is to be tried.
        """
        attachment = self._attach()
        with self._changed:
            self._attachment = attachment
        broken: DroppedError | CoderError
        try:
            attachment.open()
            return self._follow(attachment)
        except ClosedError:
            return True
        except DroppedError as error:
            broken = error
        except CoderError as error:
            if not self._is_open or not is_resumable(error):
                raise
            broken = error
        finally:
            with self._changed:
                self._attachment = None
            attachment.close()
        if isinstance(broken, DroppedError) and broken.code == _NORMAL:
            return True
        self._pause(without_frames(broken))
        return False

    def _follow(self, attachment: Attachment) -> bool:
        """
        Read and write *attachment*; return whether the command has ended.
        """
        if not self._begin(attachment):
            return True
        self._outage = None
        while not self._is_closed:
            self._send(attachment)
            self._wait_for_room()
            output = attachment.read(math.inf, unless=lambda: bool(self._input) or self._is_closed)
            if output is not None:
                self._receive(output)
        return True

    def _begin(self, attachment: Attachment) -> bool:
        """
        Read the first output; return whether the command runs.

        It begins with the report of a new terminal, or with the replay of one that is known.
        """
        first = bytearray()
        deadline = time.monotonic() + self._limits.beginning
        while (begun := self._beginning(bytes(first))) is None or not first:
            output = attachment.read(deadline)
            if output is None:
                raise DroppedError("the agent attached no terminal in time")
            first += output
        if not begun.is_running:
            if not begun.is_known:
                raise TerminalNotFoundError(f"{self._what}: no terminal of this id")
            return False
        deadline = time.monotonic() + self._limits.replay
        while len(first) < self._history.replayed:
            output = attachment.read(deadline)
            if output is None:
                break
            first += output
        new, is_whole = self._history.new_in(bytes(first))
        if self._size is not None:
            attachment.resize(*self._size)
        self.reconnects += self._is_open
        self.gaps += not is_whole
        self._receive(new)
        with self._changed:
            self._is_open = True
            self._changed.notify_all()
        return True

    def _receive(self, output: bytes) -> None:
        self._history.add(output)
        if self._begun is not None:
            self._begun += output
            begun = self._beginning(bytes(self._begun))
            if begun is None:
                return
            self._begun, output = None, begun.output
        if output:
            with self._changed:
                self._output.append(output)
                self._unread += len(output)
                self._changed.notify_all()

    def _send(self, attachment: Attachment) -> None:
        while self._input and not self._is_closed:
            item = self._input[0]
            if isinstance(item, str):
                attachment.write(item, self._receive)
            else:
                self._size = item
                attachment.resize(*item)
            with self._changed:
                self._input.popleft()
                self._unsent -= len(item)
                self._changed.notify_all()

    def _wait_for_room(self) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._unread < self._limits.unread or self._is_closed or self._input
            )

    def _pause(self, broken: DroppedError | CoderError) -> None:
        """
        Wait before another attachment.

        Raises *CoderError* where none is to be tried.
        """
        delay: float | None = None
        now = time.monotonic()
        if self._reconnect is not None and is_resumable(broken):
            self._outage = self._outage or Outage(since=now)
            delay = self._outage.pause(self._reconnect, requested_pause(broken), now)
        if delay is None:
            raise (
                broken
                if isinstance(broken, CoderError)
                else TerminalError(f"{self._what}: {broken}")
            )
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed, delay)
