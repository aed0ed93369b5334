"""
The common part of sources over one HTTP connection: request, answer, refusal and silence.
"""

from __future__ import annotations

import abc
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import requests

from coder_agents.errors import CoderError
from coder_agents.render.line import counted
from coder_agents.transport.connection import Connection
from coder_agents.transport.decoding import JSON
from coder_agents.transport.exchange import Exchange, Head, headers_of, request_of
from coder_agents.transport.failures import page_error
from coder_agents.transport.http import HTTP, Params
from coder_agents.transport.pace import Pace, Turn
from coder_agents.transport.pages import media_type
from coder_agents.transport.request_log import log_answer, log_failure, logs_requests
from coder_agents.transport.source import Source
from coder_agents.transport.waiting import ClosedError, DroppedError, Interest
from coder_agents.transport.wire import WIRE_ERRORS, response_of, wire_failure

MAX_REFUSAL = 65536
"""
The most bytes that are read of an error's body.
"""

# Seconds to read a page that has the status of success: the page may have no end.
_PAGE_TIMEOUT = 1.0

_NO_ANSWER = (DroppedError, OSError)

M = TypeVar("M")


class HTTPSource(Source[M]):
    """
    A source of messages over one connection.

    Args:
        http: the deployment.
        path: the path after ``/api/v2``.
        idle_timeout: seconds without a byte after which the connection counts as dropped.
        max_message_size: in bytes.
        on_open: called once, with None when the request is accepted, or with the error.
        open_by: the time of `time.monotonic` by which the connection has to be open, in addition to
            the limits of the settings. It is later by the time that the request waits for its turn.
        pace: when the request may begin; by default the pace of *http*. With a pace, a refusal with
            the status 429 is no error: the request waits for its next turn.
    """

    def __init__(
        self,
        http: HTTP,
        path: str,
        params: Params = (),
        *,
        idle_timeout: float,
        max_message_size: int,
        on_open: Callable[[CoderError | None], object] | None = None,
        open_by: float = math.inf,
        pace: Pace | None = None,
    ) -> None:
        self._http = http
        self._path = path
        self._params = params
        self._idle_timeout = idle_timeout
        self._max_message_size = max_message_size
        self._on_open = on_open
        self._open_by = open_by
        self._turn = Turn(http.pace if pace is None else pace)
        self._dial_timeout = 0.0
        self._woken = False
        self._accepted = False
        self._received_before = 0
        self._prepare()

    def _prepare(self) -> None:
        self._connection = Connection()
        self._exchange = Exchange(self._connection)
        self._request: requests.PreparedRequest | None = None
        self._is_sent = False
        self._answer_until = 0.0
        self._head: Head | None = None
        self._refusal = bytearray()
        self._sent = 0.0
        self._check()  # a later wake finds the connection

    def _check(self) -> None:
        if self._woken:
            raise ClosedError from None

    @property
    def connect_timeout(self) -> float:
        """
        The most seconds that a dial may take, from the settings.
        """
        return self._http.settings.connect_timeout

    def send_request(self, timeout: float) -> None:
        """
        Connect and send the request; see `Source.send_request`.

        Where the request has to wait for its turn, `answered` connects later.
        """
        self._dial_timeout = timeout
        self._http.opening(self)
        self._attempt(self._send)

    def answered(self) -> bool:
        """
        Return whether the deployment has accepted the request; see `Source.answered`.
        """
        if not self._accepted:
            self._attempt(self._read_answer if self._is_sent else self._send)
        return self._accepted

    def may_connect(self) -> bool:
        """
        Whether the next `answered` may dial, because the turn of the request has come.
        """
        return self._turn.is_awaited and time.monotonic() >= self._turn.due

    @property
    def waited(self) -> float:
        """
        For how many seconds the request has waited for its turns.
        """
        return self._turn.waited

    def _send(self) -> None:
        self._sent = time.monotonic()
        self._check()
        if not self._turn.has_come():
            return
        self._is_sent = True
        self._http.check_surroundings()
        request = self._http.prepare(self._path, self._params, self._headers())
        self._request = request
        pool = self._http.pool_for(request)
        self._connection.dial(pool, request, self._at_most(self._dial_timeout))
        read_timeout = self._at_most(self._http.settings.read_timeout)
        self._answer_until = time.monotonic() + read_timeout
        self._exchange.send(request_of(request))

    def _at_most(self, seconds: float) -> float:
        left = self._open_by + self._turn.waited - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time is left")
        return min(seconds, left)

    def _read_answer(self) -> CoderError | None:
        """
        Return the deployment's refusal where the answer is a complete refusal, else None.
        """
        if self._head is None:
            self._head = self._exchange.head()
            if self._head is not None:
                self._answered_by(self._head)
        head = self._head
        is_late = time.monotonic() >= self._answer_until
        if head is None:
            if is_late:
                raise TimeoutError("no answer in time")
            return None
        if self._is_accepted(head):
            self._turn.answered(head.status_code, headers_of(head))
            self._accept(head)
            self._accepted = True
            self._opened(None)
            return None
        if not self._refusal_is_whole() and not is_late:
            return None
        if not self._turn.answered(head.status_code, headers_of(head)):
            return self._refused_by(self._response(head))
        self._connection.free()
        self._received_before += self._connection.received
        self._prepare()
        return None

    def _answered_by(self, head: Head) -> None:
        if logs_requests():
            log_answer("GET", self._url, head.status_code, self._sent)
        if head.status_code < 300 and not self._is_accepted(head):
            self._answer_until = min(self._answer_until, time.monotonic() + _PAGE_TIMEOUT)

    def _is_accepted(self, head: Head) -> bool:
        return head.status_code == self._success and self._is_wanted(head)

    def _is_wanted(self, head: Head) -> bool:
        """
        Whether an answer with the status of success has the requested type.

        Where JSON was requested, an answer that names no type counts as JSON.
        """
        kind = media_type(headers_of(head).get("content-type", ""))
        return kind == self._wanted or (not kind and self._wanted == JSON)

    def _refused_by(self, answer: requests.Response) -> CoderError:
        if answer.status_code == self._success:
            return page_error(answer, token=self._http.settings.token, wanted=self._wanted)
        return self._http.refusal(answer, advice=self._advice(answer))

    def _advice(self, answer: requests.Response | None) -> str:
        """
        Return text that says what to do about the refusal *answer*, or, with None, about a missing
        answer.
        """
        return ""

    def _refusal_is_whole(self) -> bool:
        with contextlib.suppress(DroppedError):
            while len(self._refusal) < MAX_REFUSAL:
                data = self._exchange.read()
                if data is None:
                    return False
                if not data:
                    break
                self._refusal += data
        return True

    def _response(self, head: Head) -> requests.Response:
        assert self._request is not None
        return response_of(head, bytes(self._refusal), self._request)

    def _attempt(self, step: Callable[[], CoderError | None]) -> None:
        """
        Run *step*; raise the error that it returns, or, as a `CoderError`, the one that it raises.
        """
        try:
            failure = step()
        except CoderError as error:
            failure = error
        except WIRE_ERRORS as error:
            failure = wire_failure(self._http, self._url, error, advice=self._advice_for(error))
        except BaseException as error:
            self.free()
            log_failure("GET", self._url, error, self._sent)
            raise
        if failure is not None:
            self.free()
            if self._head is None:
                log_failure("GET", self._url, failure, self._sent)
            self._opened(failure)
            try:
                # Raised outside of the handler: its context would hold the request and so the
                # token.
                raise failure
            finally:
                del failure  # the exception, its traceback and this frame would form a cycle

    def _advice_for(self, error: Exception) -> str:
        was_sent = self._answer_until > 0
        return self._advice(None) if was_sent and isinstance(error, _NO_ANSWER) else ""

    @property
    def _url(self) -> str:
        request = self._request
        return self._http.url(self._path) if request is None else request.url or ""

    def _opened(self, failure: CoderError | None) -> None:
        on_open, self._on_open = self._on_open, None
        if on_open is not None:
            on_open(failure)

    @property
    @abc.abstractmethod
    def _success(self) -> int:
        """
        The status with which the deployment accepts the request.
        """

    @property
    @abc.abstractmethod
    def _wanted(self) -> str:
        """
        The media type of an accepted answer; empty where that has none.
        """

    @abc.abstractmethod
    def _headers(self) -> Mapping[str, str]:
        """
        The request's headers for this kind of stream.
        """

    @abc.abstractmethod
    def _accept(self, head: Head) -> None:
        """
        Check the head of the answer, and prepare to read the stream.
        """

    def _check_silence(self) -> None:
        if time.monotonic() >= self._connection.last_byte + self._idle_timeout:
            raise DroppedError(f"no byte came for {counted(self._idle_timeout, 'second')}")

    def interest(self) -> Interest | None:
        """
        Return what to wait for before the next step; None where a step may find input now.
        """
        if not self._is_sent:
            latest = time.monotonic() + self._http.check_interval
            return None if self._woken else Interest(None, 0, min(self._turn.due, latest))
        if self._accepted:
            return self._connection.interest(self._connection.last_byte + self._idle_timeout)
        return self._connection.interest(self._answer_until)

    @property
    def received(self) -> int:
        """
        How many bytes have come, headers included.
        """
        return self._received_before + self._connection.received

    def wake(self) -> None:
        """
        Stop the thread that opens or receives with *ClosedError*; callable from any thread or
        signal handler.
        """
        self._woken = True
        self._connection.wake()

    def free(self) -> None:
        """
        Free the socket. Only the thread that reads may call it, or any thread while none reads.
        """
        self._turn.leave()
        self._connection.free()
