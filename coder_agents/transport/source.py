"""
What the two kinds of stream have in common: to be opened, to be read with a
time limit, to notice silence, to be woken and freed.
"""

from __future__ import annotations

import abc
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import h11
import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from coder_agents.errors import CoderError, ConfigError
from coder_agents.transport.connection import ClosedError, Connection, DroppedError, Wait
from coder_agents.transport.exchange import Exchange
from coder_agents.transport.failures import api_error, transport_error
from coder_agents.transport.http import HTTP, Params

_LARGEST_REFUSAL = 65536  # bytes of an error's body that are read, more than any is long

M = TypeVar("M")
R = TypeVar("R")
Head = h11.Response | h11.InformationalResponse


class Source(abc.ABC, Generic[M]):
    """
    One connection that messages come from.

    *idle_timeout* is in seconds, *max_message_size* in bytes.

    Attributes:
        pinged: whether the peer has sent a ping: the connection works.
    """

    def __init__(
        self,
        http: HTTP,
        path: str,
        params: Params = (),
        *,
        idle_timeout: float,
        max_message_size: int,
    ) -> None:
        self._http = http
        self._path = path
        self._params = params
        self._idle_timeout = idle_timeout
        self._max_message_size = max_message_size
        self._connection = Connection()
        self._exchange = Exchange(self._connection)
        self.pinged = False

    def open(self) -> None:
        """
        Connect and wait for the head of the answer.

        Raises *APIError* where the deployment refuses, *TransportError* where it
        cannot be reached, *DecodeError* where it answers with something else,
        *ClosedError* when woken.
        """
        self._http.check_files()
        request = self._http.prepare(self._path, self._params, self._headers())
        failure = self._try_to_open(request)
        if failure is not None:
            self.free()
            # Raised out here, or its context would hold the request and so the token.
            raise failure

    def _try_to_open(self, request: requests.PreparedRequest) -> CoderError | None:
        settings = self._http.settings
        try:
            pool = self._http.pool_for(request)
            self._connection.dial(pool, request, settings.connect_timeout)
            deadline = time.monotonic() + settings.read_timeout
            head = self._exchange.start(request, deadline)
            if head.status_code == self._success:
                self._accept(head)
                return None
            answer = self._refusal(request, head, deadline)
        except (CoderError, ClosedError):
            self.free()
            raise
        except h11.LocalProtocolError:
            return ConfigError("a header of the session or the settings cannot be sent")
        except (
            DroppedError,
            OSError,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
        ) as error:
            return transport_error(f"GET {request.url}", error)
        except BaseException:
            self.free()
            raise
        return api_error(answer, token=settings.token)

    def _refusal(
        self, request: requests.PreparedRequest, head: Head, deadline: float
    ) -> requests.Response:
        body = bytearray()
        with contextlib.suppress(TimeoutError, DroppedError):
            while len(body) < _LARGEST_REFUSAL and (data := self._exchange.read(deadline)):
                body += data
        answer = requests.Response()
        answer.status_code = head.status_code
        answer.reason = bytes(head.reason).decode("latin-1")
        answer.url = request.url or ""
        answer.headers = CaseInsensitiveDict(headers_of(head))
        answer.request = request
        answer._content = bytes(body)
        return answer

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
        Look at the head of the answer and make ready to read.
        """

    @abc.abstractmethod
    def receive(self, deadline: float | None) -> M | None:
        """
        Return the next message, None where it is not whole at *deadline*.

        Nothing that came is lost: the next call goes on where this one ended.

        Raises *ClosedError* when woken, *DroppedError* at the end of the connection and
        after *idle_timeout* without a byte, *MessageTooLargeError*.
        """

    def _patiently(self, read: Callable[[float | None], R], deadline: float | None) -> R | None:
        while True:
            quiet = self._connection.last_byte + self._idle_timeout
            try:
                return read(quiet if deadline is None else min(quiet, deadline))
            except TimeoutError:
                now = time.monotonic()
            if now >= self._connection.last_byte + self._idle_timeout:
                raise DroppedError(f"no byte came for {self._idle_timeout:g} seconds")
            if deadline is not None and now >= deadline:
                return None

    @property
    def received(self) -> int:
        """
        How many bytes have come, headers and all.
        """
        return self._connection.received

    def waits_for(self) -> Wait | None:
        """
        Return what to wait for before `receive` may have something; None where it may now.
        """
        return self._connection.waits_for(self._connection.last_byte + self._idle_timeout)

    def wake(self) -> None:
        """
        Make whoever opens or receives stop with *ClosedError*; from any thread.
        """
        self._connection.wake()

    def close(self) -> None:
        """
        Take leave of the peer and free the socket. Only while nobody reads.
        """
        self.free()

    def free(self) -> None:
        """
        Free the socket. Only for whoever reads, or while nobody does.
        """
        self._connection.free()


def headers_of(head: Head) -> dict[str, str]:
    """
    Return the headers of an answer, names in lower case.
    """
    return {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
