"""
Dialling with one deadline in all.

urllib3 gives each address, each read of a proxy's answer and the TLS handshake a time-out of its
own. Here they share one deadline, so a dial ends in time.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import requests
import urllib3
import urllib3.connection
from urllib3.exceptions import HTTPError, LocationParseError, ProxyError
from urllib3.util.connection import allowed_gai_family

_MIN_TIMEOUT = 0.001  # seconds; 0 would make the socket non-blocking

Tap = Callable[[socket.socket], None]


class DialDeadline:
    """
    The moment at which a dial ends.

    Args:
        timeout: seconds from now.
    """

    def __init__(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout

    def left(self) -> float:
        """
        Return the seconds that are left. Raises *TimeoutError* where none are left.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class DialSocket(socket.socket):
    """
    A TCP socket that keeps to the deadline during the dial.

    http.client reads a proxy's answer through `recv_into`, and ssl takes the time-out of its
    handshake from `gettimeout`. `recv` and `send` are unchanged.
    """

    deadline: DialDeadline | None = None

    def __init__(
        self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, proto: int = 0
    ) -> None:
        try:
            super().__init__(family, kind, proto)
        except BaseException:  # Ctrl-C, when the socket was open and nobody had it yet
            self._real_close()  # type: ignore[attr-defined]  # `close` needs what was not set yet
            raise

    def recv_into(self, *args: Any) -> int:
        """
        Receive within the deadline.
        """
        _limit(self, self.deadline)
        return super().recv_into(*args)

    def sendall(self, *args: Any) -> None:
        """
        Send within the deadline.
        """
        _limit(self, self.deadline)
        super().sendall(*args)

    def gettimeout(self) -> float | None:
        """
        Return the seconds until the deadline, or the socket's time-out where it has no deadline.
        """
        if self.deadline is None:
            return super().gettimeout()
        try:
            return self.deadline.left()
        except TimeoutError:  # raised here, it would leak the unfinished TLS socket
            return _MIN_TIMEOUT


class DialTLSSocket(ssl.SSLSocket):
    """
    A TLS socket to a proxy that keeps to the deadline while the proxy answers.
    """

    deadline: DialDeadline | None = None

    def recv(self, *args: Any) -> bytes:
        """
        Receive as any TLS socket, within the deadline.
        """
        _limit(self, self.deadline)
        return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        """
        Receive as any TLS socket, within the deadline.
        """
        _limit(self, self.deadline)
        return super().recv_into(*args)

    def sendall(self, *args: Any) -> None:
        """
        Send as any TLS socket, within the deadline.
        """
        _limit(self, self.deadline)
        super().sendall(*args)


def _limit(sock: socket.socket, deadline: DialDeadline | None) -> None:
    if deadline is not None:
        sock.settimeout(deadline.left())


def dial(pool: Any, request: requests.PreparedRequest, timeout: float, tap: Tap) -> Any:
    """
    Return a socket to the server of *request*, connected as urllib3's *pool* would connect.

    *timeout* is the limit in seconds for the DNS look-up, every address, the answer of a proxy and
    the TLS handshake together. *tap* receives each TCP socket as early as possible, and may raise.

    Raises the errors of urllib3, ssl and socket.
    """
    connection: Any = pool._new_conn()
    deadline = DialDeadline(timeout)
    dialled: list[Any] = []  # sockets with the deadline
    connect, wrap = connection._new_conn, getattr(connection, "_connect_tls_proxy", None)
    connection._new_conn = lambda: _tcp(connection, connect, deadline, tap, dialled)
    if wrap is not None:
        connection._connect_tls_proxy = lambda *args: _tls(wrap(*args), deadline, dialled)
    try:
        _connect(pool, connection, request, lambda sock: _tls(sock, deadline, dialled))
        connection.sock.settimeout(0)
    except BaseException as error:
        # urllib3's rule for a REST call. A refused tunnel has reset `has_connected_to_proxy`.
        is_of_proxy = connection.proxy is not None and not connection.has_connected_to_proxy
        connection.close()
        _close_unfinished(error)
        if is_of_proxy and isinstance(error, (OSError, HTTPError)):
            raise ProxyError("Unable to connect to proxy", error) from error
        raise
    finally:
        for sock in dialled:
            sock.deadline = None
            if isinstance(sock, DialTLSSocket):
                sock.__class__ = ssl.SSLSocket  # type: ignore[assignment]
        for name in (
            "_new_conn",
            "_connect_tls_proxy",
        ):  # they and the connection would form a cycle
            vars(connection).pop(name, None)
    return connection.sock


def _close_unfinished(error: BaseException) -> None:
    """
    Close the TLS socket whose handshake *error* ended.

    Where *error* is an interrupt, Python 3.11 closes the socket only with the traceback.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals is not vars(ssl):
            continue  # a frame keeps the locals that were read from it, and this one has the error
        unfinished = frame.f_locals.get("self")
        if isinstance(unfinished, ssl.SSLSocket):
            unfinished.close()


def _connect(
    pool: Any,
    connection: Any,
    request: requests.PreparedRequest,
    limited: Callable[[Any], Any],
) -> None:
    """
    Connect; where the pool has a proxy, through a tunnel, also for ``http``. *limited* makes a TLS
    socket to a proxy keep to the deadline.

    A stream needs a connection of its own to the deployment. A proxy that gets an ``http`` request
    without a tunnel does not give its connection away.
    """
    target = urllib3.util.parse_url(request.url or "")
    if pool.proxy is None:
        connection.connect()
    elif target.scheme == "https":
        pool._prepare_proxy(connection)
    else:
        to_proxy = None
        if pool.scheme == "https":  # TLS to the proxy, none through it: urllib3 cannot do that
            connection.connect()
            to_proxy, connection.sock = limited(connection.sock), None
        connection.set_tunnel(target.host, target.port or 80, headers=pool.proxy_headers)
        if to_proxy is None:
            connection.connect()
        else:
            connection.sock = to_proxy
            connection._tunnel()


def _tls(sock: Any, deadline: DialDeadline, dialled: list[Any]) -> Any:
    if type(sock) is ssl.SSLSocket:
        sock.__class__ = DialTLSSocket
        sock.deadline = deadline  # type: ignore[attr-defined]
        dialled.append(sock)
    return sock


def _tcp(
    connection: Any,
    connect: Callable[[], socket.socket],
    deadline: DialDeadline,
    tap: Tap,
    dialled: list[Any],
) -> socket.socket:
    """
    Return the connected TCP socket of *connection*.
    """
    if type(connection)._new_conn is not urllib3.connection.HTTPConnection._new_conn:
        # Another class, such as a SOCKS proxy's, connects in its own way.
        connection.timeout = deadline.left()
        tcp = connect()
        tcp.settimeout(deadline.left())
        _tapped(tcp, tap)
        return tcp
    found = _first_that_answers(connection, deadline, tap)
    dialled.append(found)
    sys.audit("http.client.connect", connection, connection.host, connection.port)
    return found


def _tapped(tcp: socket.socket, tap: Tap) -> None:
    try:
        tap(tcp)
    except BaseException:
        tcp.close()
        raise


def _first_that_answers(connection: Any, deadline: DialDeadline, tap: Tap) -> DialSocket:
    addresses = _addresses_of(connection)
    failure: OSError | None = None
    try:
        for index, address in enumerate(addresses):
            # An address that never answers must leave time for the others.
            share = deadline.left() / (len(addresses) - index)
            try:
                return _connected(connection, address, share, deadline, tap)
            except OSError as error:
                failure = error
        raise failure or OSError("the look-up found no address")
    finally:
        failure = None  # the exception, its traceback and this frame would form a cycle


def _addresses_of(connection: Any) -> list[Any]:
    host = connection._dns_host.strip("[]")
    try:
        return socket.getaddrinfo(host, connection.port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:
        failure = LocationParseError(f"'{host}', label empty or too long")
    raise failure  # outside of the handler, so that Python's own error does not become its context


def _connected(
    connection: Any, address: Any, share: float, deadline: DialDeadline, tap: Tap
) -> DialSocket:
    family, kind, proto, _, where = address
    sock = DialSocket(family, kind, proto)
    try:
        for option in connection.socket_options or ():
            sock.setsockopt(*option)
        if connection.source_address:
            sock.bind(connection.source_address)
        sock.settimeout(share)
        tap(sock)  # before the connect: a shutdown stops a connecting socket
        sock.connect(where)
        tap(sock)
    except BaseException:
        sock.close()
        raise
    sock.deadline = deadline
    return sock
