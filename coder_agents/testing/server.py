"""
The listener, and one thread for each connection it accepts.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable

from coder_agents.testing.connection import Connection, ConnectionEnded, ServerStopping

HOST = "127.0.0.1"
BACKLOG = 512

# How long the threads may take together to say goodbye before their sockets are ended for them.
GRACE_SECONDS = 1.0


class Server:
    """
    Accepts connections on loopback and hands each to *serve* in a thread of its own.

    TLS handshakes happen in those threads, so that a peer which never finishes
    one delays nobody else.
    """

    def __init__(
        self,
        serve: Callable[[Connection], None],
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self._serve = serve
        self._tls = tls
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, Connection] = {}
        self._stopping = False
        self._listener = socket.create_server((HOST, port), backlog=BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._accepting = threading.Thread(target=self._accept, name="deployment", daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        """
        Stop listening, let every connection say goodbye, and join all threads.

        Twice is once.
        """
        if self._stopping:
            return
        self._stopping = True
        self._wake_writer.send(b"!")
        self._accepting.join()
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in self._for_each(Connection.stop):
            thread.join(max(0.0, deadline - time.monotonic()))
        for thread in self._for_each(Connection.abort):
            thread.join()
        self._wake_reader.close()
        self._wake_writer.close()

    def _for_each(self, act: Callable[[Connection], None]) -> list[threading.Thread]:
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            act(connection)
        return list(connections)

    def _accept(self) -> None:
        with self._listener, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while self._wake_reader not in {key.fileobj for key, _ in selector.select()}:
                # The client may have left again, which some systems tell only here.
                with contextlib.suppress(OSError):
                    self._begin(self._listener.accept()[0])

    def _begin(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock)
        thread = threading.Thread(
            target=self._run, args=(connection,), name="deployment-connection", daemon=True
        )
        with self._lock:
            self._connections[thread] = connection
        thread.start()

    def _run(self, connection: Connection) -> None:
        try:
            with contextlib.suppress(ConnectionEnded, ServerStopping, OSError):
                if self._tls is not None:
                    connection.start_tls(self._tls)
                self._serve(connection)
        finally:
            connection.end()
            with self._lock:
                del self._connections[threading.current_thread()]
