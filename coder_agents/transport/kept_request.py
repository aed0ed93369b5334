"""
One GET over a kept connection of the client.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from coder_agents.errors import CoderError, TransportError
from coder_agents.transport.decoding import JSON
from coder_agents.transport.exchange import Exchange, Head, headers_of
from coder_agents.transport.failures import page_error
from coder_agents.transport.http_source import MAX_REFUSAL
from coder_agents.transport.kept import HEADERS, KeptConnection, KeptConnections
from coder_agents.transport.pace import Pace, Turn
from coder_agents.transport.pages import media_type
from coder_agents.transport.request_log import log_answer, log_failure, logs_requests
from coder_agents.transport.waiting import ClosedError, DroppedError, Interest
from coder_agents.transport.wire import WIRE_ERRORS, response_of, wire_failure

if TYPE_CHECKING:
    from coder_agents.transport.http import Params

_SUCCESS = 200


class KeptRequest:
    """
    One GET over a kept connection.

    Only a dial waits. One thread at a time may receive and free; any thread or signal handler may
    wake.

    Args:
        kept: the client's connections.
        path: the path after ``/api/v2``.
        max_message_size: in bytes.
        pace: when the request may begin; by default the pace of the client. A refusal with the
            status 429 makes the other requests of the pace wait, and is an error here.

    Attributes:
        requested: when the request was last sent, by `time.monotonic`; 0 before.
        lent_out: whether the last `receive` found all connections in use.
    """

    def __init__(
        self,
        kept: KeptConnections,
        path: str,
        params: Params = (),
        *,
        max_message_size: int,
        pace: Pace | None = None,
    ) -> None:
        self._connections = kept
        self._http = kept.http
        self._path = path
        self._params = params
        self._max_message_size = max_message_size
        self._turn = Turn(self._http.pace if pace is None else pace)
        self._may_begin = False
        self._kept: KeptConnection | None = None
        self._woken = False
        self._received = 0
        self._start = 0  # bytes that the connection had received before the request
        self._until = 0.0
        self._head: Head | None = None
        self._body = bytearray()
        self._is_retry = False
        self.requested = 0.0
        self.lent_out = False

    def may_connect(self) -> bool:
        """
        Whether the next `receive` would dial.
        """
        if self._kept is not None or time.monotonic() < self._turn.due:
            return False
        return self._connections.would_dial(self, new=self._is_retry)

    def receive(self, timeout: float) -> bytes | None:
        """
        Return the body of the answer; None while it is not complete, before the request's turn, or
        where all connections are in use (`lent_out`). The first call in its turn sends the request.

        A dial takes *timeout* seconds at most.

        Raises *APIError* where the deployment refuses, *TransportError* where no answer came,
        *MessageTooLargeError*, *DecodeError* where the answer is not JSON, *ClosedError* when
        woken.
        """
        try:
            kept = self._kept or self._begin(timeout)
            return None if kept is None else self._answer(kept)
        except CoderError as error:
            failure = error
        except WIRE_ERRORS as error:
            failure = wire_failure(self._http, self._url, error)
        except ClosedError:
            failure = TransportError(f"GET {self._url}: the client was closed")
        except BaseException:
            self.free()
            raise
        stale = self._drop_stale(failure)
        if self._head is None:
            log_failure("GET", self._url, failure, self.requested)
        if stale:
            return None
        self.free()
        self._check()
        try:
            # Raised outside of the handler: its context would hold the request and so the token.
            raise failure
        finally:
            del failure  # the exception, its traceback and this frame would form a cycle

    def _begin(self, timeout: float) -> KeptConnection | None:
        """
        Send the request; return the connection, None before its turn and where all are in use.
        """
        self._check()
        self._may_begin = self._may_begin or self._turn.has_come()
        if not self._may_begin:
            return None
        kept = self._kept = self._connections.take(self, new=self._is_retry)
        self.lent_out = kept is None
        if kept is None:
            return None
        self._check()  # a later wake finds the connection
        if not kept.connection.is_dialled:
            kept.dial(self._http, timeout)
        self._start = kept.connection.received
        self.requested = time.monotonic()
        self._until = self.requested + self._http.settings.read_timeout
        kept.send(self._http, self._path, self._params)
        return kept

    def _answer(self, kept: KeptConnection) -> bytes | None:
        """
        Return the body where it is complete, else None.
        """
        if self._head is None:
            self._head = kept.exchange.head()
            if self._head is not None:
                self._answered_by(self._head)
        head = self._head
        if head is not None and self._is_whole(head, kept.exchange):
            return self._body_of(head, kept)
        if time.monotonic() < self._until:
            return None
        if head is None or _is_wanted(head):
            raise TimeoutError("no answer in time")
        raise self._refusal(head)

    def _answered_by(self, head: Head) -> None:
        self._turn.answered(head.status_code, headers_of(head))
        if logs_requests():
            log_answer("GET", self._url, head.status_code, self.requested)

    def _is_whole(self, head: Head, exchange: Exchange) -> bool:
        """
        Read the bytes of the body that have come; return whether no more are needed.
        """
        if not _is_wanted(head):
            return self._refusal_is_whole(exchange)
        return exchange.read_into(self._body, self._max_message_size)

    def _refusal_is_whole(self, exchange: Exchange) -> bool:
        try:
            while len(self._body) < MAX_REFUSAL and (data := exchange.read()) != b"":
                if data is None:
                    return False
                self._body += data
        except DroppedError:
            pass  # the part that came is the reason of the error
        return True

    def _body_of(self, head: Head, kept: KeptConnection) -> bytes:
        is_page = head.status_code == _SUCCESS and not _is_wanted(head)
        if (
            is_page
        ):  # the connection does not lead to the deployment: the next request gets a new one
            raise self._refusal(head)
        self._count(kept)
        self._kept = None
        self._connections.give_back(kept)
        if head.status_code != _SUCCESS:
            raise self._refusal(head)
        return bytes(self._body)

    def _refusal(self, head: Head) -> CoderError:
        request = self._http.prepare(self._path, self._params, HEADERS)
        response = response_of(head, bytes(self._body), request)
        if head.status_code == _SUCCESS:
            return page_error(response, token=self._http.settings.token)
        return self._http.refusal(response)

    def _drop_stale(self, failure: CoderError) -> bool:
        """
        Free a connection that had closed while it was idle; return whether the request is sent
        again.
        """
        kept = self._kept
        if (
            self._woken
            or kept is None
            or not kept.was_used
            or kept.connection.received > self._start
            or isinstance(failure, TimeoutError)
        ):
            return False
        self.free()
        self._is_retry = True
        return True

    @property
    def _url(self) -> str:
        query = f"?{urlencode(self._params)}" if self._params else ""
        return f"{self._http.url(self._path)}{query}"

    def _check(self) -> None:
        if self._woken:
            raise ClosedError from None

    @property
    def received(self) -> int:
        """
        How many bytes of the answer have come, headers included.
        """
        kept = self._kept
        return self._received + (0 if kept is None else kept.connection.received - self._start)

    def interest(self) -> Interest | None:
        """
        Return what to wait for before the next `receive`; None where it may find bytes now.
        """
        if self._kept is not None:
            return self._kept.connection.interest(self._until)
        due = self._turn.due
        return None if math.isinf(due) or self._woken else Interest(None, 0, due)

    def wake(self) -> None:
        """
        Stop the thread that receives with *ClosedError*; callable from any thread or signal
        handler.
        """
        self._woken = True
        kept = self._kept
        if kept is not None:
            kept.connection.wake()

    def free(self) -> None:
        """
        Close the connection of an unfinished request; a second call does nothing.
        """
        self._turn.leave()
        kept, self._kept = self._kept, None
        if kept is not None:
            self._count(kept)
            self._connections.discard(kept)
        self._connections.discard_of(self)

    def _count(self, kept: KeptConnection) -> None:
        self._received += kept.connection.received - self._start


def _is_wanted(head: Head) -> bool:
    """
    Whether *head* belongs to an answer with the requested JSON.
    """
    kind = headers_of(head).get("content-type", JSON)
    return head.status_code == _SUCCESS and media_type(kind) == JSON
