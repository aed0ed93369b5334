"""
One socket to the deployment: dial, receive and send without waiting, wake.

The socket is dialled through the requests session's own adapter, so its TLS
settings, client certificate, proxy and ``NO_PROXY`` are those of the REST calls
by construction. Only a dial blocks: for everything else, a connection reports what to wait for.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import time
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import attrs
import requests

from coder_agents.transport import fork
from coder_agents.transport.dial import dial

SEND_TIMEOUT = 5.0
"""
Seconds that output waits for a peer that takes none of it.
"""

_BLOCK = 131_008  # bytes; one read takes what the kernel has, up to this
_SMALL = 16_384  # bytes; where more come at once, still more are probably there by now


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
class Interest:
    """
    What to wait for before something is read again.

    Attributes:
        fileno: the socket; None where only time has to pass.
        events: `selectors.EVENT_READ`, `selectors.EVENT_WRITE` or both; 0 without a socket.
        until: when it is read again at the latest, by `time.monotonic`; may be infinite.
    """

    fileno: int | None
    events: int
    until: float


class Connection:
    """
    One dialled socket, from before it exists until it is freed.

    One thread at a time may dial, receive, send and free; any thread or signal
    handler may wake it, at any moment.

    Args:
        send_timeout: seconds that output waits for a peer that takes none of it.

    Attributes:
        last_byte: when the last byte came, by `time.monotonic`.
        received: how many bytes came.
    """

    def __init__(self, *, send_timeout: float = SEND_TIMEOUT) -> None:
        self._send_timeout = send_timeout
        self._socket: Any = None  # a plain socket, or one of ssl's or urllib3's wrappers of it
        self._waker: socket.socket | None = None
        self._woken = False
        self._lacking = 0  # what the socket lacked when it was read last
        self._is_plain = False  # TCP without TLS: a read that is not full has emptied it
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
        Whether there is a socket, or was one.
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
        Connect to where *request* goes, as the connections of urllib3's *pool* would.

        *timeout* is in seconds, for all of it: the look-up, every address, a
        proxy's answer, the TLS handshake. Only the look-up may overrun it.

        Raises what urllib3, ssl and socket raise, and *ClosedError*.
        """
        fork.register(self)
        try:
            self._check()
            self._socket = dial(pool, request, timeout, self._tap)
            self._is_plain = _is_plain(self._socket)
            self._check()
        except BaseException:
            self.free()
            self._check()
            raise
        self.last_byte = time.monotonic()

    def _tap(self, tcp: socket.socket) -> None:
        # A duplicate of the TCP socket can be shut down while it connects and while TLS is on top
        # of it: whoever reads wakes, and TLS still refuses what it cannot decrypt.
        if self._socket is not tcp:
            before, self._waker = self._waker, socket.fromfd(tcp.fileno(), tcp.family, tcp.type)
            self._socket = tcp
            if before is not None:
                before.close()
        self._check()

    def receive(self) -> bytes | None:
        """
        Return what has arrived; None where nothing has, b"" at the end.

        What the read before has emptied is not read again at once: whoever gets None waits first.

        Raises *ClosedError* when woken, *DroppedError* where the connection is lost or the peer
        does not read.
        """
        if not self._is_drained or self._output or self._woken:
            return self.receive_now()
        self._is_drained = False
        self._lacking = EVENT_READ
        return None

    def receive_now(self) -> bytes | None:
        """
        Read the socket, whatever was found before; see `receive`.
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
        # Checked after every read, too: what a woken socket gives is no data.
        if self._woken:
            raise ClosedError
        if data is not None:
            self.last_byte = time.monotonic()
            self.received += len(data)
            self._is_drained = self._is_plain and 0 < len(data) < _SMALL
            return data
        if cause is not None:
            raise DroppedError(f"the connection was lost: {cause}") from cause
        if self._output or self._output_failure:
            self._check_output()
        return None

    def send(self, data: bytes) -> None:
        """
        Send *data*, as much as can be sent now; the rest is sent by `receive` and `flush`.

        Raises *ClosedError* when woken. What fails is raised by `receive`, after what has arrived.
        """
        self._check()
        self._output += data
        self._send_output()

    def flush(self) -> None:
        """
        Send what could not be sent before, as much as can be sent now.

        Raises *ClosedError* when woken, *DroppedError* where the connection is lost or the peer
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
            self._output_failure = f"the connection was lost: {error}"
            output.clear()
        if output and self._output_until == math.inf:
            self._output_until = time.monotonic() + self._send_timeout

    def _check_output(self) -> None:
        if self._output_failure:
            raise DroppedError(self._output_failure)
        self._check_time_to_send()

    def _check_time_to_send(self) -> None:
        if self._output and time.monotonic() >= self._output_until:
            raise DroppedError("the server does not read what it is sent")

    def _check(self) -> None:
        if self._woken:
            raise ClosedError from None

    def interest(self, until: float) -> Interest | None:
        """
        Return what to wait for, *until* at the latest; None where `receive` may find something now.

        That is so unless it was called last and found nothing: what lies in TLS is no event of
        the socket.
        """
        if not self._lacking or self._woken or self._output_failure:
            return None
        if not self._output:
            return Interest(self._socket.fileno(), self._lacking, until)
        events = self._lacking | self._output_lacking
        return Interest(self._socket.fileno(), events, min(until, self._output_until))

    def wake(self) -> None:
        """
        Make whoever dials, receives or sends stop with *ClosedError*.

        Returns at once. Only a DNS look-up runs to its end, and where the system cannot shut
        down a socket that connects, the TCP connect to its time-out.
        """
        self._woken = True
        self._shut_down()

    def _shut_down(self) -> None:
        waker = self._waker
        if waker is not None:
            with contextlib.suppress(OSError):
                waker.shutdown(socket.SHUT_RDWR)

    def free(self) -> None:
        """
        Close the socket, also twice. For whoever reads, or when nobody does.

        It is shut down first: a forked process may still hold its number.
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
