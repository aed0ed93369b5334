"""
The output of a terminal on its way to those who are attached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

REPLAY_BYTES = 65_536

# What may wait for one client before the terminal waits for the client. The sockets hold more.
MAX_PENDING_BYTES = 65_536


class Replay:
    """
    The last 65,536 bytes of output.
    """

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        """
        Add *data*, and forget what is too old.
        """
        self._pieces.append(data)
        self._size += len(data)
        while self._size - len(self._pieces[0]) >= REPLAY_BYTES:
            self._size -= len(self._pieces.popleft())

    @property
    def data(self) -> bytes:
        """
        What is replayed to a client that attaches.
        """
        return b"".join(self._pieces)[-REPLAY_BYTES:]


@attrs.define(eq=False)
class ClientAttachment:
    """
    One client of a terminal. The lock of the terminal's process guards it.

    Attributes:
        wake: is called when there is something for the client after nothing was.
        pending: output that the client has not taken yet.
        ended: whether no more output comes.
    """

    wake: Callable[[], None]
    pending: bytearray
    ended: bool = False

    @property
    def full(self) -> bool:
        """
        Whether the terminal has to wait for the client.
        """
        return len(self.pending) >= MAX_PENDING_BYTES

    def put(self, data: bytes) -> None:
        """
        Add output.
        """
        waiting = not self.pending
        self.pending += data
        if waiting:
            self.wake()

    def take(self, size: int) -> bytes:
        """
        Remove the oldest *size* bytes of output, or all where there are fewer.
        """
        data = bytes(self.pending[:size])
        del self.pending[:size]
        return data

    def end(self) -> None:
        """
        Note that no more output comes.
        """
        self.ended = True
        self.wake()
