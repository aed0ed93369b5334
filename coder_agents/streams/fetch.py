"""
One document that a feed needs while it runs. Only its dial waits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from coder_agents.errors import TransportError
from coder_agents.transport import ClosedError, DroppedError, Interest, Source


class Fetch:
    """
    A GET that begins at a given time.

    Args:
        new_source: returns the source of the request.
        connect_timeout: the most seconds that the dial may take.
        at: when the request is due, by `time.monotonic`.

    Attributes:
        requested: when the request was sent, by `time.monotonic`; infinity before.
    """

    def __init__(
        self, new_source: Callable[[], Source[bytes]], *, connect_timeout: float, at: float = 0.0
    ) -> None:
        self._new_source = new_source
        self._connect_timeout = connect_timeout
        self._at = at
        self._source: Source[bytes] | None = None
        self._answered = False
        self._woken = False
        self.requested = math.inf

    def receive(self) -> bytes | None:
        """
        Return the document; None while it is not due or not complete.

        Raises *CoderError* where the request fails, *ClosedError* when woken.
        """
        source = self._source
        if source is None:
            if time.monotonic() < self._at:
                return None
            source = self._source = self._new_source()
            if self._woken:  # a later wake finds the source
                raise ClosedError
            self.requested = time.monotonic()
            source.send_request(self._connect_timeout)
        self._answered = self._answered or source.answered()
        try:
            document = source.receive() if self._answered else None
        except DroppedError as error:
            broken, cause = str(error), error.__cause__
        else:
            if document is not None:
                source.free()
            return document
        raise TransportError(broken) from cause

    @property
    def received(self) -> int:
        """
        How many bytes the request has received.
        """
        return 0 if self._source is None else self._source.received

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before the next `receive`; None where it may find input now.
        """
        if self._source is None:
            return (Interest(None, 0, self._at),)
        interest = self._source.interest()
        return None if interest is None else (interest,)

    def may_connect(self) -> bool:
        """
        Whether the next `receive` may dial.
        """
        if self._source is not None:
            return self._source.may_connect()
        return self._at <= time.monotonic()

    def wake(self) -> None:
        """
        Stop the thread that reads with *ClosedError*; callable from any thread or signal handler.
        """
        self._woken = True
        source = self._source
        if source is not None:
            source.wake()

    def free(self) -> None:
        """
        Free the socket; a second call does nothing.
        """
        if self._source is not None:
            self._source.free()
