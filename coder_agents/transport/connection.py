"""
One socket to the deployment: dial, read and write with a time limit, wake, time.

The socket is dialled through the requests session's own adapter, so its TLS
settings, client certificate, proxy and ``NO_PROXY`` are those of the REST calls
by construction. It never blocks: all waiting is done here, where it can end.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import attrs
import requests
import urllib3
from urllib3.util import wait_for_read, wait_for_write

_LONGEST_WAIT = 3600.0  # seconds
_BLOCK = 131_008  # bytes; one read takes what the kernel has, up to this


class ClosedError(Exception):
    """
    The connection was woken by `Connection.wake`: the reader shall stop.
    """


class DroppedError(Exception):
    """
    The connection broke off, or the peer ended it.

    *code* is the WebSocket close code, None where none was received.
    """

    def __init__(self, text: str, *, code: int | None = None, reason: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason


@attrs.frozen
class Wait:
    """
    What somebody who reads several streams in one thread waits for, before one is read again.

    Attributes:
        fileno: the socket, None where only time has to pass.
        writable: whether the socket has to take bytes, not to give some: TLS may want that.
        until: when the stream is read again at the latest, by `time.monotonic`.
    """

    fileno: int | None
    writable: bool
    until: float


class Connection:
    """
    One dialled socket, from before it exists until it is freed.

    One thread at a time may dial, receive, send and free; any thread or signal
    handler may wake it, at any moment.

    Attributes:
        last_byte: when the last byte came, by `time.monotonic`.
        received: how many bytes came.
    """

    def __init__(self) -> None:
        self._socket: Any = None  # a plain socket, or one of ssl's or urllib3's wrappers of it
        self._waker: socket.socket | None = None
        self._woken = False
        self._lacking: Callable[..., bool] | None = None
        self.last_byte = time.monotonic()
        self.received = 0

    def dial(self, pool: Any, request: requests.PreparedRequest, timeout: float) -> None:
        """
        Connect to where *request* goes, as the connections of urllib3's *pool* would.

        *timeout* is in seconds, for each of: the connection, a proxy's answer,
        the TLS handshake.

        Raises what urllib3, ssl and socket raise, and *ClosedError*.
        """
        connection: Any = pool._new_conn()
        connection.timeout = timeout
        connect = connection._new_conn
        connection._new_conn = lambda: self._tapped(connect)
        try:
            _connect(pool, connection, request)
        except BaseException:
            connection.close()
            self.free()
            self._check()
            raise
        self._socket = connection.sock
        self._socket.settimeout(0)
        self.last_byte = time.monotonic()

    def _tapped(self, connect: Callable[[], socket.socket]) -> socket.socket:
        # A duplicate of the TCP socket can be shut down while TLS is on top of it:
        # whoever reads wakes, and TLS goes on refusing what it cannot decrypt.
        tcp = connect()
        self._waker = tcp.dup()
        if self._woken:  # woken while there was nothing to shut down yet
            tcp.close()
            raise ClosedError
        return tcp

    def receive(self, deadline: float | None) -> bytes:
        """
        Return what has arrived, waiting for it until *deadline*; b"" at the end.

        *deadline* is a time of `time.monotonic`, or None. What is there already
        is returned even if it has passed.

        Raises *TimeoutError* at the deadline, *ClosedError* when woken, *DroppedError*
        where the connection is lost.
        """
        data: bytes = self._retry(self._socket.recv, _BLOCK, wait_for_read, deadline)
        self.last_byte = time.monotonic()
        self.received += len(data)
        return data

    def send(self, data: bytes, deadline: float | None) -> None:
        """
        Send all of *data*; raises as `receive` does.
        """
        rest = memoryview(data)
        while rest:
            sent = self._retry(self._socket.send, rest, wait_for_write, deadline)
            rest = rest[sent:]

    def _retry(
        self,
        operation: Callable[[Any], Any],
        argument: object,
        wait: Callable[..., bool],
        deadline: float | None,
    ) -> Any:
        while True:
            self._check()
            self._lacking = None
            try:
                result = operation(argument)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                self._lacking = needed = _needed(error, wait)
            except OSError as error:
                self._check()
                failure = DroppedError(f"the connection was lost: {error}")
                break
            else:
                # Looked at after every read: what a woken socket gives is no data.
                self._check()
                return result
            _wait(needed, self._socket, deadline)
        raise failure

    def _check(self) -> None:
        if self._woken:
            raise ClosedError from None

    def waits_for(self, until: float) -> Wait | None:
        """
        Return what to wait for, *until* at the latest; None where reading may go on at once.

        That is so unless the socket was asked last and had nothing: what lies in TLS or in a
        parser is no event of the socket.
        """
        if self._lacking is None:
            return None
        return Wait(self._socket.fileno(), self._lacking is wait_for_write, until)

    def wake(self) -> None:
        """
        Make whoever dials, receives or sends stop with *ClosedError*.

        Returns at once. Only a DNS look-up and a TCP connect that is not yet
        answered go on until their time-out.
        """
        self._woken = True
        waker = self._waker
        if waker is not None:
            with contextlib.suppress(OSError):
                waker.shutdown(socket.SHUT_RDWR)

    def free(self) -> None:
        """
        Close the socket. For whoever reads, or when nobody does.
        """
        for held in (self._socket, self._waker):
            if held is not None:
                with contextlib.suppress(OSError):
                    held.close()


def _connect(pool: Any, connection: Any, request: requests.PreparedRequest) -> None:
    """
    Connect, through a tunnel where the pool has a proxy, also for ``http``.

    A stream needs a connection of its own to the deployment; a proxy that is
    asked for an ``http`` URL in the ordinary way keeps the connection to itself.
    """
    if pool.proxy is None:
        connection.connect()
    elif pool.scheme == "https":
        pool._prepare_proxy(connection)
    else:
        target = urllib3.util.parse_url(request.url or "")
        connection.set_tunnel(target.host, target.port or 80, headers=pool.proxy_headers)
        connection.connect()


def _needed(error: OSError, wait: Callable[..., bool]) -> Callable[..., bool]:
    # TLS may have to read before it can write, and the other way round.
    if isinstance(error, ssl.SSLWantReadError):
        return wait_for_read
    if isinstance(error, ssl.SSLWantWriteError):
        return wait_for_write
    return wait


def _wait(wait: Callable[..., bool], held: Any, deadline: float | None) -> None:
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    if left == 0:
        raise TimeoutError("no answer in time")
    # No system waits for any length of time at once; whoever called looks again.
    wait(held, None if left is None else min(left, _LONGEST_WAIT))
