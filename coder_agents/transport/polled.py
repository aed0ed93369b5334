"""
A document that is requested repeatedly, where a deployment has no stream of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from coder_agents.transport.document import DocumentSource
from coder_agents.transport.source import Source
from coder_agents.transport.waiting import ClosedError, Interest


class PolledSource(Source[bytes]):
    """
    The bodies of repeated GETs, each over a connection of its own.

    Between two GETs no connection is open.

    Args:
        new_document: returns the source of the next GET, unopened.
        interval: seconds from an answer to the next GET.
    """

    def __init__(self, new_document: Callable[[], DocumentSource], *, interval: float) -> None:
        self._new_document = new_document
        self._interval = interval
        self._document: DocumentSource | None = None
        self._woken = False
        self._due = 0.0
        self._received_before = 0

    def send_request(self, timeout: float) -> None:
        """
        Connect and request the first document; see `Source.send_request`.
        """
        self._next().send_request(timeout)

    def answered(self) -> bool:
        """
        Return whether the deployment has accepted the request; see `Source.answered`.
        """
        return self._document is not None and self._document.answered()

    def receive(self) -> bytes | None:
        """
        Return the next document, None while it is not due or not complete.

        Dials when a document is due, within the connect time-out of the settings.
        """
        self._check()
        document = self._document
        if document is None:
            if time.monotonic() < self._due:
                return None
            document = self._next()
            document.send_request(document.connect_timeout)
        if not document.answered():
            return None
        body = document.receive()
        if body is not None:
            self.free()
            self._due = time.monotonic() + self._interval
        return body

    def may_connect(self) -> bool:
        """
        Whether the next document is due and not requested yet.
        """
        if self._document is not None:
            return self._document.may_connect()
        return time.monotonic() >= self._due

    def _next(self) -> DocumentSource:
        document = self._document = self._new_document()
        self._check()  # a later wake finds the document
        return document

    def _check(self) -> None:
        if self._woken:
            raise ClosedError

    @property
    def waited(self) -> float:
        """
        For how many seconds the current request has waited for its turns.
        """
        return 0.0 if self._document is None else self._document.waited

    @property
    def received(self) -> int:
        """
        How many bytes all connections have received.
        """
        current = 0 if self._document is None else self._document.received
        return self._received_before + current

    def interest(self) -> Interest | None:
        """
        Return what to wait for: the time of the next GET, or input of the current one.
        """
        if self._woken:
            return None
        if self._document is None:
            return Interest(None, 0, self._due)
        return self._document.interest()

    def wake(self) -> None:
        """
        Stop the thread that opens or receives with *ClosedError*; callable from any thread or
        signal handler.
        """
        self._woken = True
        document = self._document
        if document is not None:
            document.wake()

    def free(self) -> None:
        """
        Free the socket, if any.
        """
        document, self._document = self._document, None
        if document is not None:
            self._received_before += document.received
            document.free()
