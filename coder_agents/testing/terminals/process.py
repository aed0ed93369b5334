"""
One process with a terminal of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable

from coder_agents.testing.terminals.attachment import ClientAttachment, Replay
from coder_agents.testing.terminals.launch import Launch

READ_SIZE = 65_536

Size = tuple[int, int]  # rows and columns


class TerminalProcess:
    """
    A process, its pseudo-terminal, and the clients that are attached to it.

    A thread reads the terminal, from ``start`` on. It waits for the slowest client, and the process waits for it.

    Arguments:
        launch: what is started.
        max_alone: returns how many seconds the terminal may be without clients.
        forget: is called when the terminal is over, before the clients notice.

    Attributes:
        launch: what was started.
        pid: the process, which leads its group and its session.

    Raises:
        OSError, ValueError: the process cannot be started.
    """

    def __init__(
        self,
        launch: Launch,
        *,
        max_alone: Callable[[], float],
        forget: Callable[[TerminalProcess], None],
    ) -> None:
        self.launch = launch
        self._max_alone = max_alone
        self._forget = forget
        self._changed = threading.Condition()
        self._attachments: list[ClientAttachment] = []
        self._replay = Replay()
        self._alone_since = time.monotonic()
        self._hung_up = False
        self._over = False
        self._reaped = False
        self._master, slave = os.openpty()
        try:
            self.pid = launch.spawn(os.ttyname(slave))
        except (OSError, ValueError):
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        # Both ways: what the process does not read may not stop who writes.
        os.set_blocking(self._master, False)
        self._wake_reader, self._wake_writer = os.pipe()
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLIN)
        self._poll.register(self._wake_reader, select.POLLIN)
        self.thread = threading.Thread(target=self._run, name="deployment-terminal", daemon=True)

    def start(self) -> None:
        """
        Begin to read the terminal, once the first client is attached.
        """
        self.thread.start()

    # What a client does.

    def attach(self, wake: Callable[[], None], size: Size) -> ClientAttachment | None:
        """
        Attach a client, to which the last output is replayed.

        Returns:
            The attachment; None where the terminal is over.
        """
        with self._changed:
            if self._over:
                return None
            attachment = ClientAttachment(wake, bytearray(self._replay.data))
            self._attachments.append(attachment)
            self._resize(size)
            return attachment

    def detach(self, attachment: ClientAttachment) -> None:
        """
        Let a client go. Twice is once.
        """
        with self._changed:
            if attachment not in self._attachments:
                return
            self._attachments.remove(attachment)
            self._alone_since = time.monotonic()
            self._changed.notify_all()
            self._wake()

    def take(self, attachment: ClientAttachment, size: int) -> bytes:
        """
        Return up to *size* bytes of output for a client.
        """
        with self._changed:
            data = attachment.take(size)
            self._changed.notify_all()
            return data

    def write(self, data: memoryview) -> int:
        """
        Write input.

        Returns:
            How many bytes the terminal took. Input after its end is lost.
        """
        with self._changed:
            if self._over:
                return len(data)
            try:
                return os.write(self._master, data)
            except BlockingIOError:
                return 0
            except OSError:  # pragma: no cover - some systems, between the process's end and ours
                return len(data)

    def resize(self, size: Size) -> None:
        """
        Set the size of the terminal.
        """
        with self._changed:
            self._resize(size)

    def _resize(self, size: Size) -> None:
        if not self._over:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    @property
    def input(self) -> int | None:
        """
        What can be selected on until the terminal takes more input; None after its end.
        """
        return None if self._over else self._master

    @property
    def clients(self) -> int:
        """
        How many clients are attached.
        """
        return len(self._attachments)

    @property
    def replayed(self) -> bytes:
        """
        What a client gets first that attaches now: the last 65,536 bytes of output.
        """
        with self._changed:
            return self._replay.data

    # What ends it.

    def hang_up(self) -> None:
        """
        End the terminal: its foreground and its shell get SIGHUP, and live on if they like.
        """
        with self._changed:
            self._hung_up = True
            self._changed.notify_all()
            self._wake()

    def kill(self) -> None:
        """
        Kill the process and its group, and end the terminal; callable from any thread.
        """
        with self._changed:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
        self.hang_up()

    def wake(self) -> None:
        """
        Let the time-out be read again.
        """
        with self._changed:
            self._wake()

    def _wake(self) -> None:
        if not self._over:
            os.write(self._wake_writer, b"!")

    # What the thread does.

    def _run(self) -> None:
        while data := self._read():
            self._distribute(data)
        with self._changed:
            self._over = True
            os.close(self._master)
            os.close(self._wake_reader)
            os.close(self._wake_writer)
        self._forget(self)
        with self._changed:
            for attachment in self._attachments:
                attachment.end()
        self._reap()

    def _read(self) -> bytes:
        """
        Return the next output; nothing after the last of it.
        """
        while (left := self._time_left()) > 0 and not self._hung_up:
            ready = dict(self._poll.poll(None if left == math.inf else left * 1000))
            if self._wake_reader in ready:
                os.read(self._wake_reader, READ_SIZE)
            if self._master in ready:
                return self._read_all()
        return b""

    def _read_all(self) -> bytes:
        """
        Return the output that the terminal holds, which gives little at a time; nothing at its end.
        """
        data = bytearray()
        with contextlib.suppress(OSError):
            while len(data) < READ_SIZE and (piece := os.read(self._master, READ_SIZE)):
                data += piece
        return bytes(data)

    def _time_left(self) -> float:
        with self._changed:
            if self._attachments:
                return math.inf
            return self._alone_since + self._max_alone() - time.monotonic()

    def _distribute(self, data: bytes) -> None:
        with self._changed:
            self._replay.add(data)
            for attachment in self._attachments:
                attachment.put(data)
            self._changed.wait_for(
                lambda: self._hung_up or not any(each.full for each in self._attachments)
            )

    def _reap(self) -> None:
        # First wait without reaping: the number of a zombie is not given to another process.
        if hasattr(os, "waitid"):  # pragma: no branch - macOS with Python before 3.13
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._changed:
            os.waitpid(self.pid, 0)
            self._reaped = True
