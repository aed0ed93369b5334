"""
One document that a feed needs while it runs, read without waiting but for its dial.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from coder_agents.errors import TransportError
from coder_agents.transport import ClosedError, DroppedError, Interest, Source


class Fetch:
    """
    A GET that begins at some moment.

    Args:
        new_source: makes the request.
        connect_timeout: seconds that its dial may take in all.
        at: when it begins, by `time.monotonic`.

    Attributes:
        requested: when it was sent, by `time.monotonic`.
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
        Return the document; None while it is not due or not whole.

        Raises *CoderError* where it cannot be had, *ClosedError* when woken.
        """
        source = self._source
        if source is None:
            if time.monotonic() < self._at:
                return None
            source = self._source = self._new_source()
            if self._woken:  # whoever wakes from now on finds the source
                raise ClosedError
            self.requested = time.monotonic()
            source.ask(self._connect_timeout)
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
        How many bytes have come.
        """
        return 0 if self._source is None else self._source.received

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before it is asked again; None where that may be now.
        """
        if self._source is None:
            return (Interest(None, 0, self._at),)
        interest = self._source.interest()
        return None if interest is None else (interest,)

    def may_connect(self) -> bool:
        """
        Whether `receive` may dial.
        """
        return self._source is None and self._at <= time.monotonic()

    def wake(self) -> None:
        """
        Make whoever reads stop with *ClosedError*; from any thread or signal handler.
        """
        self._woken = True
        source = self._source
        if source is not None:
            source.wake()

    def free(self) -> None:
        """
        Free the socket, also twice.
        """
        if self._source is not None:
            self._source.free()
