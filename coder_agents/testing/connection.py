"""
One accepted socket: waiting, sending, waking, and the ways to end the connection.
"""

from __future__ import annotations

import contextlib
import math
import select
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable

RECEIVE_SIZE = 65_536
DAY = 86_400.0

# How long an ended connection waits for the peer to close, too. Closing a socket with unread input
# resets the connection, and the reset can overtake the last bytes.
LINGER_SECONDS = 1.0
LINGER_SECONDS_WHEN_STOPPING = 0.1


class ConnectionEnded(Exception):
    """
    The connection is over: the peer has closed it, or a fault ended it.
    """


class ServerStopping(Exception):
    """
    The server is stopping while the connection waits.
    """


class ServerConnection:
    """
    A socket of the server, plain or TLS, used by one thread and woken by others.

    Any thread may call `wake`, `stop` and `abort`; all other methods belong to the thread that
    serves the connection.

    Attributes:
        number: its number among the accepted connections, from 1.
        idle: whether it has answered a request and waits for the next one.
        untouched: whether `sleep` leaves the peer's input unread, as it must before a TLS
            handshake.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.number = 0
        self.idle = False
        self.untouched = False
        self._socket = sock
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._lock = threading.Lock()
        self._unread = b""
        self._freed = False
        self._stopping = False
        self._stop_deadline = math.inf

    def start_tls(self, context: ssl.SSLContext) -> None:
        """
        Do the server's side of a TLS handshake.

        Raises:
            OSError: the handshake failed, or the peer has closed the connection.
        """
        plain = self._socket
        secured = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._socket = secured
        secured.do_handshake()
        self.untouched = False

    def wake(self) -> None:
        """
        Make the current `wait`, or else the next one, return.
        """
        with self._lock:
            if not self._freed:
                # A full buffer means that a wake-up is pending already.
                with contextlib.suppress(BlockingIOError):
                    self._wake_writer.send(b"!")

    def stop(self) -> None:
        """
        Make every later wait raise `ServerStopping`.
        """
        self._stop_deadline = time.monotonic() + LINGER_SECONDS_WHEN_STOPPING
        self._stopping = True
        self.wake()

    def abort(self) -> None:
        """
        Wake a thread that is blocked in the socket itself, in a send or a handshake.
        """
        with self._lock:
            if not self._freed:
                # The method of the plain socket: that of a TLS socket drops its TLS object, and the
                # blocked thread would continue in plain text.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def wait(self, timeout: float | None = None) -> bool:
        """
        Wait for input, a wake-up, or *timeout* seconds.

        Returns:
            Whether input can be received.

        Raises:
            ServerStopping: the server is being stopped.
        """
        # The socket is checked in any case, so that a pending wake-up is seen.
        readable = self._wait_socket(0 if self._unread else timeout)
        return readable or bool(self._unread)

    def wait_ready(
        self, timeout: float, *, reading: bool, writing: bool, pipe: int | None = None
    ) -> bool:
        """
        Wait for a wake-up, *timeout* seconds, or what else is requested.

        Arguments:
            timeout: in seconds.
            reading: whether to wait for input.
            writing: whether to wait until the peer can take more.
            pipe: a descriptor to wait for until it takes more.

        Returns:
            Whether input can be received; never without *reading*.

        Raises:
            ServerStopping: the server is being stopped.
        """
        at_hand = reading and (bool(self._unread) or self._holds_input())
        poll = select.poll()
        poll.register(self._wake_reader, select.POLLIN)
        wanted = (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0)
        if wanted:
            poll.register(self._socket, wanted)
        if pipe is not None:
            poll.register(pipe, select.POLLOUT)
        idle = at_hand or self._stopping
        ready = dict(poll.poll(0 if idle else math.ceil(min(timeout, DAY) * 1000)))
        if self._wake_reader.fileno() in ready:
            self._wake_reader.recv(RECEIVE_SIZE)
        if self._stopping:
            raise ServerStopping
        events = ready.get(self._socket.fileno(), 0)
        return at_hand or (reading and bool(events & ~select.POLLOUT))

    def _wait_socket(self, timeout: float | None) -> bool:
        readable = self._holds_input() or self._select(0 if self._stopping else timeout)
        if self._stopping:
            raise ServerStopping
        return readable

    def _holds_input(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _select(self, timeout: float | None) -> bool:
        # No system takes a longer time-out, and one wake-up a day costs nothing.
        timeout = None if timeout is None else min(timeout, DAY)
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            ready = {key.fileobj for key, _ in selector.select(timeout)}
        if self._wake_reader in ready:
            self._wake_reader.recv(RECEIVE_SIZE)
        return self._socket in ready

    def sleep(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """
        Wait *seconds*, or until a wake-up finds *until* true.

        The peer's input is kept for `receive`, or for the TLS handshake.

        Raises:
            ConnectionEnded: the peer has closed the connection.
            ServerStopping: the server is being stopped.
        """
        deadline = time.monotonic() + seconds
        while not until() and (left := deadline - time.monotonic()) > 0:
            if self.untouched:
                self._wait_hang_up(left)
            elif self._wait_socket(left):
                data = self._receive()
                if not data:
                    raise ConnectionEnded
                self._unread += data

    def _wait_hang_up(self, timeout: float) -> None:
        poll = select.poll()
        # `poll` always reports errors and a hang-up of both sides. Linux also reports a hang-up of
        # the peer alone.
        poll.register(self._socket, getattr(select, "POLLRDHUP", 0))
        poll.register(self._wake_reader, select.POLLIN)
        ready = {number for number, _ in poll.poll(min(timeout, DAY) * 1000)}
        if self._wake_reader.fileno() in ready:
            self._wake_reader.recv(RECEIVE_SIZE)
        if self._stopping:
            raise ServerStopping
        if self._socket.fileno() in ready:
            raise ConnectionEnded

    def receive(self) -> bytes:
        """
        Return the bytes that the peer has sent; empty after the peer has closed the connection.
        """
        data, self._unread = self._unread, b""
        return data or self._receive()

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(RECEIVE_SIZE)
        except OSError:
            return b""

    def send(self, data: bytes) -> None:
        """
        Send all of *data*.

        Raises:
            ConnectionEnded: the peer has closed the connection.
        """
        try:
            self._socket.sendall(data)
        except OSError:
            raise ConnectionEnded from None

    def send_some(self, data: bytes | bytearray) -> int:
        """
        Send as much of *data* as the peer can take now.

        Returns:
            How many bytes were sent. Under TLS the same data has to be sent again after 0.

        Raises:
            ConnectionEnded: the peer has gone.
        """
        self._socket.setblocking(False)
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            raise ConnectionEnded from None
        finally:
            self._socket.setblocking(True)

    def limit_unsent(self, size: int) -> None:
        """
        Let the system hold about *size* bytes that the peer has not taken.
        """
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def send_below(self, data: bytes) -> None:
        """
        Send all of *data* as it is, below TLS.

        Raises:
            ConnectionEnded: the peer has closed the connection.
        """
        try:
            socket.socket.sendall(self._socket, data)
        except OSError:
            raise ConnectionEnded from None

    def reset(self) -> None:
        """
        End the connection with a TCP reset.
        """
        linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._free()

    def end(self) -> None:
        """
        End the connection, without a close frame or a TLS close alert. A second call does nothing.
        """
        if not self._freed:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_WR)
                self._linger()
            self._free()

    def _linger(self) -> None:
        deadline = time.monotonic() + LINGER_SECONDS
        while (left := min(deadline, self._stop_deadline) - time.monotonic()) > 0:
            # Below TLS: the input is discarded.
            if self._select(left) and not socket.socket.recv(self._socket, RECEIVE_SIZE):
                return

    def _free(self) -> None:
        with self._lock:
            self._freed = True
            for sock in (self._socket, self._wake_reader, self._wake_writer):
                sock.close()
