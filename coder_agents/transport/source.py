"""
What every source of messages can do, and what those over one connection have in
common: to be opened, to be read with a time limit, to notice silence, to be woken and freed.
"""

from __future__ import annotations

import abc
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

import h11
import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from coder_agents.errors import APIError, CoderError, ConfigError
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
    Where messages come from.

    One thread at a time may open, receive, close and free; any thread or signal handler may wake.

    Attributes:
        pinged: whether the peer has sent a ping: the connection works.
    """

    pinged = False

    @abc.abstractmethod
    def open(self) -> None:
        """
        Connect and wait for the head of the answer.

        Raises *APIError* where the deployment refuses, *TransportError* where it
        cannot be reached, *DecodeError* where it answers with something else,
        *ClosedError* when woken.
        """

    @abc.abstractmethod
    def receive(self, deadline: float | None) -> M | None:
        """
        Return the next message, None where it is not whole at *deadline*.

        Nothing that came is lost: the next call goes on where this one ended.

        Raises *ClosedError* when woken, *DroppedError* at the end of the connection and
        after *idle_timeout* without a byte, *MessageTooLargeError*; a source that asks
        again and again also what `open` raises.
        """

    @property
    @abc.abstractmethod
    def received(self) -> int:
        """
        How many bytes have come, headers and all.
        """

    @abc.abstractmethod
    def waits_for(self) -> Wait | None:
        """
        Return what to wait for before `receive` may have something; None where it may now.
        """

    @abc.abstractmethod
    def wake(self) -> None:
        """
        Make whoever opens or receives stop with *ClosedError*; from any thread.
        """

    def close(self) -> None:
        """
        Take leave of the peer and free the socket. Only while nobody reads.
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

    *idle_timeout* is in seconds, *max_message_size* in bytes. *opening* makes the ``with`` block in
    which it is opened, and so sees how that ends; *open_by* is a time of `time.monotonic` at
    which opening ends at the latest, besides the limits that the settings have.
    """

    def __init__(
        self,
        http: HTTP,
        path: str,
        params: Params = (),
        *,
        idle_timeout: float,
        max_message_size: int,
        opening: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
        open_by: float = math.inf,
    ) -> None:
        self._http = http
        self._path = path
        self._params = params
        self._idle_timeout = idle_timeout
        self._max_message_size = max_message_size
        self._opening = opening
        self._open_by = open_by
        self._connection = Connection()
        self._exchange = Exchange(self._connection)
        self._answer_until = 0.0
        self._head: Head | None = None
        self._told = bytearray()  # in a refusal
        self._accepted = False

    def open(self) -> None:
        """
        Connect and wait for the head of the answer; see `Source.open`.
        """
        with self._opening():
            self.ask()
            self.answered(None)

    def ask(self) -> None:
        """
        Connect and send the request; raises as `open` does.
        """
        self._http.check_files()
        self._request = self._http.prepare(self._path, self._params, self._headers())
        self._attempt(self._dial)

    def answered(self, deadline: float | None) -> bool:
        """
        Wait for the head of the answer until *deadline*; return whether it is there.

        Raises as `open` does.
        """
        if not self._accepted:
            self._attempt(lambda: self._await_answer(deadline))
        return self._accepted

    def _dial(self) -> None:
        settings = self._http.settings
        pool = self._http.pool_for(self._request)
        self._connection.dial(pool, self._request, self._at_most(settings.connect_timeout))
        self._answer_until = time.monotonic() + self._at_most(settings.read_timeout)
        self._exchange.send(self._request, self._answer_until)

    def _at_most(self, seconds: float) -> float:
        left = self._open_by - time.monotonic()
        if left <= 0:
            raise TimeoutError("no time is left")
        return min(seconds, left)

    def _await_answer(self, deadline: float | None) -> APIError | None:
        """
        Return the deployment's refusal, if it is one and whole.
        """
        until = self._answer_until if deadline is None else min(self._answer_until, deadline)
        try:
            if self._head is None:
                self._head = self._exchange.head(until)
            if self._head.status_code >= 300:
                self._read_refusal(until)  # what is no refusal may have no end
        except TimeoutError:
            if time.monotonic() < self._answer_until:
                return None
            if self._head is None:
                raise
        if self._head.status_code != self._success:
            return api_error(self._refusal(self._head), token=self._http.settings.token)
        self._accept(self._head)
        self._accepted = True
        return None

    def _read_refusal(self, until: float) -> None:
        with contextlib.suppress(DroppedError):
            while len(self._told) < _LARGEST_REFUSAL and (data := self._exchange.read(until)):
                self._told += data

    def _attempt(self, step: Callable[[], CoderError | None]) -> None:
        """
        Do *step*; raise what it returns, and what went wrong in it as an exception of ours.
        """
        try:
            failure = step()
        except (CoderError, ClosedError):
            self.free()
            raise
        except h11.LocalProtocolError:
            failure = ConfigError("a header of the session or the settings cannot be sent")
        except (
            DroppedError,
            OSError,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
        ) as error:
            failure = transport_error(f"GET {self._request.url}", error)
        except BaseException:
            self.free()
            raise
        if failure is not None:
            self.free()
            # Raised out here, or its context would hold the request and so the token.
            raise failure

    def _refusal(self, head: Head) -> requests.Response:
        answer = requests.Response()
        answer.status_code = head.status_code
        answer.reason = bytes(head.reason).decode("latin-1")
        answer.url = self._request.url or ""
        answer.headers = CaseInsensitiveDict(headers_of(head))
        answer.request = self._request
        answer._content = bytes(self._told)
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
