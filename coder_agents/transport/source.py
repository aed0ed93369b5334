"""
What every source of messages can do, and what those over one connection have in
common: they are requested and answered, notice silence, can be woken and freed.
"""

from __future__ import annotations

import abc
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Generic, TypeVar

import h11
import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from coder_agents.errors import CoderError, ConfigError
from coder_agents.transport.connection import Connection, DroppedError, Interest
from coder_agents.transport.exchange import Exchange, Head, headers_of, request_of
from coder_agents.transport.failures import api_error, transport_error
from coder_agents.transport.http import HTTP, Params

MAX_REFUSAL = 65536
"""
Bytes of an error's body that are read, more than any is long.
"""

WIRE_ERRORS = (
    DroppedError,
    OSError,
    h11.LocalProtocolError,
    HTTPException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)
"""
What the libraries under a source raise where it cannot be opened.
"""

M = TypeVar("M")


class Source(abc.ABC, Generic[M]):
    """
    Where messages come from.

    Nothing but a dial waits. One thread at a time may open, receive, close and free; any thread or
    signal handler may wake.

    Attributes:
        pinged: whether the peer has sent a ping: the connection works.
        has_input: whether bytes of the next message are here already.
    """

    pinged = False
    has_input = False

    @abc.abstractmethod
    def ask(self, timeout: float) -> None:
        """
        Connect, within *timeout* seconds in all, and send the request.

        Raises *TransportError* where the deployment cannot be reached, *ClosedError* when woken.
        """

    @abc.abstractmethod
    def answered(self) -> bool:
        """
        Return whether the deployment has accepted the request.

        Raises *APIError* where it refuses, *TransportError* where no answer came in time,
        *DecodeError* where it answers with something else, *ClosedError* when woken.
        """

    @abc.abstractmethod
    def receive(self) -> M | None:
        """
        Return the next message, None where it is not whole yet.

        Nothing that came is lost: the next call continues where this one ended.

        Raises *ClosedError* when woken, *DroppedError* at the end of the connection and
        after *idle_timeout* without a byte, *MessageTooLargeError*; a source that requests
        again and again also what `ask` and `answered` raise.
        """

    @abc.abstractmethod
    def interest(self) -> Interest | None:
        """
        Return what to wait for before the next step; None where it may find something now.
        """

    def may_connect(self) -> bool:
        """
        Whether the next `receive` may dial.
        """
        return False

    @property
    @abc.abstractmethod
    def received(self) -> int:
        """
        How many bytes have come, headers and all.
        """

    @abc.abstractmethod
    def wake(self) -> None:
        """
        Make whoever opens or receives stop with *ClosedError*; from any thread or signal handler.
        """

    def close(self) -> None:
        """
        Say goodbye to the peer, as far as that takes no waiting, and free the socket.

        Only while nobody reads.
        """
        self.free()

    @abc.abstractmethod
    def free(self) -> None:
        """
        Free the socket. Only for whoever reads, or while nobody does.
        """


class HTTPSource(Source[M]):
    """
    One connection that messages come from.

    Args:
        http: the deployment.
        path: begins after ``/api/v2``.
        idle_timeout: seconds without a byte that count as a drop.
        max_message_size: in bytes.
        on_open: is called once: with None where the request is accepted, with the error where
            that fails.
        open_by: the time of `time.monotonic` at which opening ends at the latest, besides the
            limits that the settings have.
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
    ) -> None:
        self._http = http
        self._path = path
        self._params = params
        self._idle_timeout = idle_timeout
        self._max_message_size = max_message_size
        self._on_open = on_open
        self._open_by = open_by
        self._connection = Connection()
        self._exchange = Exchange(self._connection)
        self._request: requests.PreparedRequest | None = None
        self._answer_until = 0.0
        self._head: Head | None = None
        self._refusal = bytearray()
        self._accepted = False

    @property
    def connect_timeout(self) -> float:
        """
        Seconds that the settings give a dial.
        """
        return self._http.settings.connect_timeout

    def ask(self, timeout: float) -> None:
        """
        Connect and send the request; see `Source.ask`.
        """
        self._attempt(lambda: self._send(timeout))

    def answered(self) -> bool:
        """
        Return whether the deployment has accepted the request; see `Source.answered`.
        """
        if not self._accepted:
            self._attempt(self._read_answer)
        return self._accepted

    def _send(self, timeout: float) -> None:
        self._http.check_files()
        request = self._http.prepare(self._path, self._params, self._headers())
        self._request = request
        pool = self._http.pool_for(request)
        self._connection.dial(pool, request, self._at_most(timeout))
        read_timeout = self._at_most(self._http.settings.read_timeout)
        self._answer_until = time.monotonic() + read_timeout
        self._exchange.send(request_of(request))

    def _at_most(self, seconds: float) -> float:
        left = self._open_by - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time is left")
        return min(seconds, left)

    def _read_answer(self) -> CoderError | None:
        """
        Return the deployment's refusal, if it is one and whole.
        """
        if self._head is None:
            self._head = self._exchange.head()
        is_late = time.monotonic() >= self._answer_until
        head = self._head
        if head is None:
            if is_late:
                raise TimeoutError("no answer in time")
            return None
        if head.status_code == self._success:
            self._accept(head)
            self._accepted = True
            self._opened(None)
            return None
        if head.status_code < 300 or self._refusal_is_whole() or is_late:
            return api_error(self._response(head), token=self._http.settings.token)
        return None

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
        Do *step*; raise what it returns, and what went wrong in it as an exception of ours.
        """
        try:
            failure = step()
        except CoderError as error:
            failure = error
        except WIRE_ERRORS as error:
            failure = wire_failure(self._url, error)
        except BaseException:
            self.free()
            raise
        if failure is not None:
            self.free()
            self._opened(failure)
            try:
                # Raised out here, or its context would hold the request and so the token.
                raise failure
            finally:
                del failure  # or the exception, its traceback and this frame would be a cycle

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
        The status with which the deployment accepts.
        """

    @abc.abstractmethod
    def _headers(self) -> Mapping[str, str]:
        """
        The headers that ask for this kind of stream.
        """

    @abc.abstractmethod
    def _accept(self, head: Head) -> None:
        """
        Check the head of the answer and make ready to read.
        """

    def _check_silence(self) -> None:
        if time.monotonic() >= self._connection.last_byte + self._idle_timeout:
            raise DroppedError(f"no byte came for {self._idle_timeout:g} seconds")

    def interest(self) -> Interest | None:
        """
        Return what to wait for before the next step; None where it may find something now.
        """
        if self._accepted:
            return self._connection.interest(self._connection.last_byte + self._idle_timeout)
        return self._connection.interest(self._answer_until)

    @property
    def received(self) -> int:
        """
        How many bytes have come, headers and all.
        """
        return self._connection.received

    def wake(self) -> None:
        """
        Make whoever opens or receives stop with *ClosedError*; from any thread or signal handler.
        """
        self._connection.wake()

    def free(self) -> None:
        """
        Free the socket. Only for whoever reads, or while nobody does.
        """
        self._connection.free()


def wire_failure(url: str, error: Exception) -> CoderError:
    """
    Return the exception for *error*, one of `WIRE_ERRORS` that a GET of *url* ended with.
    """
    if isinstance(error, h11.LocalProtocolError):
        return ConfigError("a header of the session or the settings cannot be sent")
    return transport_error(f"GET {url}", error)


def response_of(head: Head, body: bytes, request: requests.PreparedRequest) -> requests.Response:
    """
    Return an answer to *request* in the form that requests gives it.
    """
    answer = requests.Response()
    answer.status_code = head.status_code
    answer.reason = bytes(head.reason).decode("latin-1")
    answer.url = request.url or ""
    answer.headers = CaseInsensitiveDict(headers_of(head))
    answer.request = request
    answer._content = body
    return answer
