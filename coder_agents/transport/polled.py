"""
A document that is asked for again and again, where a deployment has no stream of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from coder_agents.transport.alarm import Alarm
from coder_agents.transport.connection import ClosedError, Wait
from coder_agents.transport.document import DocumentSource
from coder_agents.transport.source import Source


class PolledSource(Source[bytes]):
    """
    The bodies of one GET after the other, each over a connection of its own.

    Between two of them nothing is open. What a GET cannot have, a refusal most of all, is
    raised as `Source.open` raises it.

    Args:
        new_document: makes the next GET, unopened.
        interval: seconds from an answer to the next GET.
    """

    def __init__(self, new_document: Callable[[], DocumentSource], *, interval: float) -> None:
        self._new_document = new_document
        self._interval = interval
        self._document: DocumentSource | None = None
        self._alarm = Alarm()
        self._woken = False
        self._due = 0.0
        self._received_before = 0

    def open(self) -> None:
        """
        Ask for the first document and wait for the head of the answer.
        """
        self._ask().answered(None)

    def receive(self, deadline: float | None) -> bytes | None:
        """
        Return the next document, None where it is not due or not whole at *deadline*.

        Only a dial may overrun *deadline*, by the connect time-out.
        """
        document = self._document
        if document is None:
            if not self._is_due(deadline):
                return None
            document = self._ask()
        if not document.answered(deadline):
            return None
        body = document.receive(deadline)
        if body is not None:
            self.free()
            self._due = time.monotonic() + self._interval
        return body

    def _is_due(self, deadline: float | None) -> bool:
        """
        Wait for the next GET, until *deadline*; return whether it is time for it.
        """
        now = time.monotonic()
        self._alarm.wait((self._due if deadline is None else min(self._due, deadline)) - now)
        self._check()
        return time.monotonic() >= self._due

    def _ask(self) -> DocumentSource:
        document = self._document = self._new_document()
        self._check()  # whoever wakes from now on finds it
        document.ask()
        return document

    def _check(self) -> None:
        if self._woken:
            raise ClosedError

    @property
    def received(self) -> int:
        """
        How many bytes have come over all connections.
        """
        current = 0 if self._document is None else self._document.received
        return self._received_before + current

    def waits_for(self) -> Wait | None:
        """
        Return what to wait for: the next GET, or something of the one that is under way.
        """
        if self._document is None:
            return Wait(None, writable=False, until=self._due)
        return self._document.waits_for()

    def wake(self) -> None:
        """
        Make whoever opens, receives or waits stop with *ClosedError*; from anywhere.
        """
        self._woken = True
        document = self._document
        if document is not None:
            document.wake()
        self._alarm.ring()

    def free(self) -> None:
        """
        Free the socket, where there is one.
        """
        document, self._document = self._document, None
        if document is not None:
            self._received_before += document.received
            document.free()
