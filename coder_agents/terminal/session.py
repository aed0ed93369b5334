"""
A terminal that outlives its connections: one thread reads and writes it.

The deployment closes a terminal that nobody reads for half a minute. So a thread of the session reads it, whether or
not a user does.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from coder_agents.errors import (
    CoderError,
    TerminalError,
    TerminalNotFoundError,
    UnsupportedError,
)
from coder_agents.streams.reconnect import (
    Outage,
    Reconnect,
    is_resumable,
    requested_pause,
    without_frames,
)
from coder_agents.terminal.attachment import pieces
from coder_agents.terminal.buffers import LIMITS, Buffers, TerminalLimits
from coder_agents.terminal.replay import History
from coder_agents.terminal.start import Beginning
from coder_agents.transport import ClosedError, DroppedError, fork

if TYPE_CHECKING:
    from coder_agents.terminal.attachment import Attachment

_NORMAL = 1000  # the close code of a process that has ended; RFC 6455, section 7.4.1
_MAX_SHORT_REPLAYS = 2
_CLOSING = 10.0  # seconds; a signal handler may close over the thread that the lock belongs to


class Session:
    """
    The thread of one terminal.

    Args:
        attach: returns an attachment, unopened: with True one that starts the command where it was
            never started, with False one that starts nothing.
        beginning: reads the report at the beginning of the output; see `beginning_of`.
        what: the agent, for errors.
        is_new: whether the terminal is to be started.
        reconnect: how a broken connection is tried again; None for not at all.

    Attributes:
        buffers: what the thread shares with the users.
        reconnects: how many times the connection was replaced.
    """

    def __init__(
        self,
        attach: Callable[[bool], Attachment],
        beginning: Callable[[bytes], Beginning | None],
        *,
        what: str,
        is_new: bool,
        reconnect: Reconnect | None,
        limits: TerminalLimits = LIMITS,
    ) -> None:
        self._attach = attach
        self._beginning = beginning
        self._what = what
        self._is_new = is_new
        self._reconnect = reconnect
        self._limits = limits
        self.buffers = Buffers(what, limits)
        self._attachment: Attachment | None = None
        self._size: tuple[int, int] | None = None
        self._history = History()
        self._has_begun = False  # this attachment
        self._unbegun = 0
        self._short_replays = 0
        self._outage: Outage | None = None
        self._burst = 0
        self._last_output = 0.0
        self._missed = 0
        self.reconnects = 0
        self._thread = threading.Thread(target=self._run, name=f"terminal of {what}", daemon=True)

    def open(self) -> None:
        """
        Attach, and wait until the command runs.

        Raises *CoderError* where that fails.
        """
        fork.register(self)
        self._thread.start()
        self.buffers.wait_open()

    @property
    def gaps(self) -> int:
        """
        How many times output is missing.
        """
        return self._missed + self.buffers.discarded

    def write(self, text: str) -> None:
        """
        Type *text*; wait while much is unsent. Raises *TerminalError* after the end.
        """
        for piece in pieces(text):
            self.buffers.put(piece)
            self._interrupt()

    def resize(self, size: tuple[int, int]) -> None:
        """
        Set the size. Raises *TerminalError* after the end.
        """
        self.buffers.put(size)
        self._interrupt()

    def _interrupt(self) -> None:
        attachment = self._attachment
        if attachment is not None:
            attachment.interrupt()

    def close(self) -> None:
        """
        Detach, also twice; what runs in the terminal lives on.
        """
        self.buffers.close()
        attachment = self._attachment
        if attachment is not None:
            attachment.wake()

    def after_fork_in_child(self) -> None:
        """
        The thread and its socket are the parent's: here the terminal is over.
        """
        attachment, self._attachment = self._attachment, None
        if attachment is not None:
            attachment.after_fork_in_child()
        self.buffers.after_fork_in_child()

    def join(self) -> None:
        """
        Wait until the thread has ended.
        """
        if self._thread.is_alive():  # an interrupt may have come before the start
            self._thread.join(_CLOSING)

    def _run(self) -> None:
        failure: CoderError | None = TerminalError(f"{self._what}: the terminal's thread failed")
        try:
            while not self.buffers.is_closed and not self._follow_one():
                pass
            failure = None
        except CoderError as error:
            failure = without_frames(error)
        finally:
            self.buffers.end(failure)

    def _follow_one(self) -> bool:
        """
        Follow one attachment to its end; return whether the terminal has ended.

        Raises *CoderError* where no other attachment is to be tried.
        """
        buffers = self.buffers
        self._has_begun = False
        self._attachment = attachment = self._attach(self._is_new and not buffers.is_open)
        if buffers.is_closed:  # before there was an attachment to wake
            attachment.wake()
        broken: DroppedError | CoderError
        try:
            attachment.open()
            return self._follow(attachment)
        except ClosedError:
            return True
        except DroppedError as error:
            broken = error
        except CoderError as error:
            if not buffers.is_open or not is_resumable(error):
                raise
            broken = error
        finally:
            buffers.attached(False)
            self._attachment = None
            attachment.close()
        if self._is_end(broken):
            return True
        self._pause(without_frames(broken))
        return False

    def _is_end(self, broken: DroppedError | CoderError) -> bool:
        """
        Whether the command has ended where an attachment ended by *broken*.

        Raises *TerminalError* where a new terminal never begins.
        """
        if self._has_begun:
            return isinstance(broken, DroppedError) and broken.code == _NORMAL
        self._unbegun += 1
        if not self.buffers.is_open and self._unbegun >= self._limits.beginnings:
            raise TerminalError(
                f"{self._what}: the agent started no terminal: it needs a POSIX shell, /bin/sh ({broken})"
            )
        return False

    def _follow(self, attachment: Attachment) -> bool:
        """
        Read and write *attachment*; return whether the command has ended.
        """
        if not self._begin(attachment):
            return True
        buffers = self.buffers
        self._has_begun, self._outage = True, None
        buffers.attached(True)
        while True:  # until the attachment is woken
            self._send(attachment)
            buffers.wait_for_room()
            output = attachment.read(
                self._check_at, unless=lambda: buffers.input is not None or buffers.is_closed
            )
            if output is not None:
                self._receive(output)
            elif time.monotonic() >= self._check_at:
                self._burst = 0
                raise DroppedError("nothing came after much: a stall, or the end of an output")

    @property
    def _check_at(self) -> float:
        """
        When the terminal is attached again, to find out whether the connection has stalled.
        """
        if self._burst < self._limits.burst or self._reconnect is None:
            return math.inf
        return self._last_output + self._limits.quiet

    def _begin(self, attachment: Attachment) -> bool:
        """
        Read the first output; return whether the command runs.

        It begins with the report of a new terminal, or with the replay of one that is known.
        """
        first = bytearray()
        deadline = time.monotonic() + self._limits.beginning
        while (begun := self._beginning(bytes(first))) is None:
            output = attachment.read(deadline)
            if output is None:
                raise DroppedError("the agent attached no terminal in time")
            first += output
        if not begun.is_running:
            self._check_known(begun)
            return False
        self._complete(attachment, first)
        if self._size is not None:
            attachment.resize(*self._size)
        if not self.buffers.is_open:
            self._receive(bytes(first), begun.output)
            return True
        new, is_whole = self._history.new_in(bytes(first))
        self.reconnects += 1
        self._missed += not is_whole
        self._receive(new)
        return True

    def _check_known(self, begun: Beginning) -> None:
        """
        Raise *CoderError* where a terminal that is not running is no terminal of ours that has ended.
        """
        if begun.is_outside:
            raise UnsupportedError(
                f"{self._what}: the agent did not run the command in the container; nothing was run."
                " Containers are switched off there",
                call="agent.terminal()",
                found="the agent's machine",
            )
        if self._is_new and not self.buffers.is_open:
            if not begun.is_known:
                raise TerminalError(f"{self._what}: the agent cannot write its folder of terminals")
        elif not (begun.is_known and self.buffers.is_open):
            raise TerminalNotFoundError(f"{self._what}: no terminal of this id runs")

    def _complete(self, attachment: Attachment, first: bytearray) -> None:
        """
        Read on until *first* holds the whole replay.
        """
        while len(first) < self._history.replayed:
            output = attachment.read(time.monotonic() + self._limits.replay)
            if output is None:
                self._short_replays += 1
                if self._short_replays <= _MAX_SHORT_REPLAYS:
                    raise DroppedError("the replay stopped")
                return  # an agent may keep less than those that are known
            first += output
        self._short_replays = 0

    def _receive(self, output: bytes, shown: bytes | None = None) -> None:
        """
        Take *output*, of which users get *shown*, by default all.
        """
        self._history.add(output)
        self._burst += len(output)
        self._last_output = time.monotonic()
        self.buffers.add(output if shown is None else shown)

    def _send(self, attachment: Attachment) -> None:
        while (item := self.buffers.input) is not None:
            if isinstance(item, str):
                self._type(attachment, item)
            else:
                self._size = item
                attachment.resize(*item)
            self.buffers.sent()

    def _type(self, attachment: Attachment, text: str) -> None:
        """
        Type *text*, which is one object: the agent ignores one that has not come in whole.

        So where the connection breaks before, it is typed over the next one; after that never again.
        """
        try:
            attachment.write(text, self._receive)
        except DroppedError:
            if not attachment.has_unsent:
                self.buffers.sent()
            raise

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
            if isinstance(broken, CoderError):
                raise broken
            raise TerminalError(f"{self._what}: {broken}")
        self.buffers.pause(delay)
