"""
One socket to the deployment: dial, receive and send without waiting, wake.

The socket is dialled through the requests session's own adapter, so its TLS
settings, client certificate, proxy and ``NO_PROXY`` are those of the REST calls
by construction. Only a dial blocks; before other steps, a connection reports what to wait for.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import time
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import requests

from coder_agents.transport import fork
from coder_agents.transport.dial import dial
from coder_agents.transport.waiting import ClosedError, DroppedError, Interest

SEND_TIMEOUT = 5.0
"""
The most seconds that output waits for a peer that does not read.
"""

_BLOCK = 131_008  # bytes that one read takes at most
# Far below any idle time-out: a read that is skipped proves no silence.
_JUST_NOW = 0.01  # seconds
_SMALL = 16_384  # bytes; after a larger read, more bytes have probably arrived


class Connection:
    """
    One socket, from before its dial until it is freed.

    One thread at a time may dial, receive, send and free; any thread or signal handler may wake the
    connection, at any moment.

    Args:
        send_timeout: the most seconds that output waits for a peer that does not read.

    Attributes:
        last_byte: when the last byte came, by `time.monotonic`.
        received: how many bytes came.
    """

    def __init__(self, *, send_timeout: float = SEND_TIMEOUT) -> None:
        self._send_timeout = send_timeout
        self._socket: Any = None  # a plain socket, or a TLS wrapper of ssl or urllib3
        self._waker: socket.socket | None = None
        self._woken = False
        self._lacking = 0  # the event that the last read lacked
        self._is_plain = False  # TCP without TLS: a partial read has emptied it
        self._is_drained = False
        self._output = bytearray()
        self._output_lacking = EVENT_WRITE
        self._output_until = math.inf
        self._output_failure = ""
        self.last_byte = time.monotonic()
        self.received = 0

    @property
    def is_dialled(self) -> bool:
        """
        Whether the connection has a socket, open or closed.
        """
        return self._socket is not None

    @property
    def has_output(self) -> bool:
        """
        Whether output waits until the peer takes more.
        """
        return bool(self._output)

    def dial(self, pool: Any, request: requests.PreparedRequest, timeout: float) -> None:
        """
        Connect to the server of *request*, as a connection of urllib3's *pool* would.

        *timeout* is the limit in seconds for the DNS look-up, every address, the answer of a proxy
        and the TLS handshake together. Only the look-up may exceed it.

        Raises the errors of urllib3, ssl and socket, and *ClosedError* when woken.
        """
        fork.register(self)
        try:
            self._check()
            self._socket = dial(pool, request, timeout, self._tap)
            self._is_plain = _is_plain(self._socket)
            self._drop_duplicate()
            self._check()
        except BaseException:
            self.free()
            self._check()
            raise
        self.last_byte = time.monotonic()

    def _tap(self, tcp: socket.socket) -> None:
        # A duplicate of the TCP socket can be shut down during a connect and below TLS: the reader
        # wakes, and TLS still refuses bytes that it cannot decrypt.
        if self._socket is not tcp:
            before, self._waker = self._waker, socket.fromfd(tcp.fileno(), tcp.family, tcp.type)
            self._socket = tcp
            if before is not None:
                before.close()
        self._check()

    def _drop_duplicate(self) -> None:
        """
        Close the duplicate where the dialled socket can be shut down in its place: thousands of
        connections need half as many file descriptors.
        """
        if isinstance(self._socket, socket.socket):
            before, self._waker = self._waker, self._socket
            if before is not None:
                before.close()  # a wake that uses it meanwhile is seen by the check after this

    def receive(self) -> bytes | None:
        """
        Return the bytes that have arrived; None where none have, b"" at the end.

        A socket that a read has emptied just now is not read again at once: the caller gets None,
        and waits. Later it is read: a caller that was away must not take that for silence.

        Raises *ClosedError* when woken, *DroppedError* where the connection dropped or the peer
        does not read.
        """
        if self._is_drained and not self._output and not self._woken:
            self._is_drained = False
            if time.monotonic() - self.last_byte < _JUST_NOW:
                self._lacking = EVENT_READ
                return None
        return self.receive_now()

    def receive_now(self) -> bytes | None:
        """
        Read the socket, also where the last read emptied it; see `receive`.
        """
        if self._woken:
            raise ClosedError
        if self._output:
            self._send_output()
            self._check_time_to_send()
        self._lacking = 0
        self._is_drained = False
        data: bytes | None = None
        cause: OSError | None = None
        try:
            data = self._socket.recv(_BLOCK) or b""
        except (BlockingIOError, ssl.SSLWantReadError):
            self._lacking = EVENT_READ
        except ssl.SSLWantWriteError:  # TLS may have to write before it can read
            self._lacking = EVENT_WRITE
        except OSError as error:
            cause = error.with_traceback(None)
        # Checked after every read, too: a woken socket returns no valid data.
        if self._woken:
            raise ClosedError
        if data is not None:
            self.last_byte = time.monotonic()
            self.received += len(data)
            self._is_drained = self._is_plain and 0 < len(data) < _SMALL
            return data
        if cause is not None:
            raise DroppedError(f"the connection dropped: {cause}") from cause
        if self._output or self._output_failure:
            self._check_output()
        return None

    def send(self, data: bytes) -> None:
        """
        Send as much of *data* as can be sent now; `receive` and `flush` send the remainder.

        Raises *ClosedError* when woken. An error of sending is raised by `receive`, after the bytes
        that have arrived.
        """
        self._check()
        self._output += data
        self._send_output()

    def flush(self) -> None:
        """
        Send as much of the pending output as can be sent now.

        Raises *ClosedError* when woken, *DroppedError* where the connection dropped or the peer
        does not read.
        """
        self._check()
        self._send_output()
        self._check_output()

    def _send_output(self) -> None:
        output = self._output
        try:
            while output:
                sent = self._socket.send(output)
                del output[:sent]
                self._output_until = math.inf
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._output_lacking = EVENT_WRITE
        except ssl.SSLWantReadError:
            self._output_lacking = EVENT_READ
        except OSError as error:
            self._output_failure = f"the connection dropped: {error}"
            output.clear()
        if output and self._output_until == math.inf:
            self._output_until = time.monotonic() + self._send_timeout

    def _check_output(self) -> None:
        if self._output_failure:
            raise DroppedError(self._output_failure)
        self._check_time_to_send()

    def _check_time_to_send(self) -> None:
        if self._output and time.monotonic() >= self._output_until:
            raise DroppedError("the server does not read what the client sends")

    def _check(self) -> None:
        if self._woken:
            raise ClosedError from None

    def interest(self, until: float) -> Interest | None:
        """
        Return what to wait for, *until* at the latest; None where `receive` may find bytes now.

        The result is None unless the last call was a `receive` that found nothing: bytes inside TLS
        cause no event of the socket.
        """
        if not self._lacking or self._woken or self._output_failure:
            return None
        if not self._output:
            return Interest(self._socket.fileno(), self._lacking, until)
        events = self._lacking | self._output_lacking
        return Interest(self._socket.fileno(), events, min(until, self._output_until))

    def wake(self) -> None:
        """
        Stop the thread that dials, receives or sends with *ClosedError*.

        Returns at once. Only a DNS look-up runs to its end. Where the system cannot shut down a
        connecting socket, the TCP connect runs to its time-out.
        """
        self._woken = True
        self._shut_down()

    def _shut_down(self) -> None:
        waker = self._waker
        if waker is not None:
            with contextlib.suppress(OSError):
                # The method of TLS would drop the state of TLS, which the reader uses.
                socket.socket.shutdown(waker, socket.SHUT_RDWR)

    def free(self) -> None:
        """
        Close the socket; a second call does nothing. Only the thread that reads may call it, or any
        thread while none reads.

        The socket is shut down first, because a forked process may still hold its file number.
        """
        self._shut_down()
        self._lacking = 0  # a closed socket is nothing to wait for
        for held in (self._socket, self._waker):
            if held is not None:
                with contextlib.suppress(OSError):
                    held.close()

    def after_fork_in_child(self) -> None:
        """
        Close the file numbers alone: the socket, and the TLS on it, belong to the parent process.
        """
        self._woken = True
        for held in (self._socket, self._waker):
            fork.close_number(held)


def _is_plain(dialled: object) -> bool:
    """
    Whether *dialled* is a TCP socket with no TLS on it, neither ssl's nor urllib3's.
    """
    return isinstance(dialled, socket.socket) and not isinstance(dialled, ssl.SSLSocket)
