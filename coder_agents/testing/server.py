"""
The listener, and one thread for each accepted connection.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable

from coder_agents.testing.connection import ConnectionEnded, ServerConnection, ServerStopping
from coder_agents.testing.connections import Connections

HOST = "127.0.0.1"
BACKLOG = 512

# How long all threads together may take to end their connections before the sockets are shut down.
GRACE_SECONDS = 1.0

# How long a connection to a queue with room may take; on loopback it takes no time.
FILLING_SECONDS = 0.2


class Server:
    """
    Accepts connections on loopback and hands each to *serve* in a thread of its own.

    TLS handshakes happen in those threads, so a peer that never finishes a handshake delays no
    other peer.

    *greet* is called with each connection before TLS. *connections* keeps all connections.
    *listener* is a socket from `suspend` of another server; by default the system selects a port.
    """

    def __init__(
        self,
        serve: Callable[[ServerConnection], None],
        connections: Connections,
        greet: Callable[[ServerConnection], None],
        *,
        tls: ssl.SSLContext | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        self._serve = serve
        self._connections = connections
        self._greet = greet
        self._tls = tls
        self._stopping = False
        self._listener = socket.create_server((HOST, 0)) if listener is None else listener
        # Set again: without it, recently ended connections would prevent listening.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._fillers: list[socket.socket] = []
        self._start_accepting()

    def stop(self) -> None:
        """
        Stop listening, end every connection, and join all threads. A second call does nothing.
        """
        if not self._stopping:
            self._stop_accepting()
            self._dismiss()

    def suspend(self) -> socket.socket:
        """
        Stop, and keep the port meanwhile.

        Returns:
            A socket that holds the port: connections are refused until another server listens on
            it.

        Raises:
            OSError: another program took the port first; the server is stopped.
        """
        self._stop_accepting()
        try:
            return hold_port(self.port)
        finally:
            self._dismiss()

    def block(self) -> None:
        """
        Accept no connections from now on: a client that connects gets no answer.

        Raises:
            RuntimeError: the server is stopped or blocked already.
        """
        if self._stopping or self._fillers:
            raise RuntimeError("the server is stopped or blocked already")
        self._pause_accepting()
        self._listener.listen(0)
        # With a full queue, the system drops further connections; the last filler does not fit.
        while self._fill():
            pass

    def _fill(self) -> bool:
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex((HOST, self.port))
        self._fillers.append(filler)
        return bool(select.select([], [filler], [], FILLING_SECONDS)[1])

    def unblock(self) -> None:
        """
        Undo `block`, on a server that was not stopped meanwhile.
        """
        if not self._stopping:
            self._listener.listen(BACKLOG)
            self._start_accepting()

    def _start_accepting(self) -> None:
        # All fillers but the last one are in the queue.
        ours = {filler.getsockname() for filler in self._fillers[:-1]}
        self._close_fillers()
        self._accepting = threading.Thread(
            target=self._accept, args=(ours,), name="deployment", daemon=True
        )
        self._accepting.start()

    def _pause_accepting(self) -> None:
        self._wake_writer.send(b"!")
        self._accepting.join()
        self._wake_reader.recv(1)

    def _stop_accepting(self) -> None:
        self._stopping = True
        if self._fillers:
            self._close_fillers()
        else:
            self._pause_accepting()
        self._listener.close()

    def _close_fillers(self) -> None:
        while self._fillers:
            self._fillers.pop().close()

    def _dismiss(self) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in self._for_each(ServerConnection.stop):
            thread.join(max(0.0, deadline - time.monotonic()))
        for thread in self._for_each(ServerConnection.abort):
            thread.join()
        self._wake_reader.close()
        self._wake_writer.close()

    def _for_each(self, act: Callable[[ServerConnection], None]) -> list[threading.Thread]:
        connections = self._connections.snapshot()
        for connection in connections.values():
            act(connection)
        return list(connections)

    def _accept(self, fillers: set[object]) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while self._wake_reader not in {key.fileobj for key, _ in selector.select()}:
                # The client may have closed the connection already; some systems report that only
                # here.
                with contextlib.suppress(OSError):
                    sock, address = self._listener.accept()
                    if address in fillers:
                        fillers.remove(address)
                        sock.close()
                    else:
                        self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.begin(ServerConnection(sock), self._run)

    def _run(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionEnded, ServerStopping, OSError):
            connection.untouched = self._tls is not None
            self._greet(connection)
            if self._tls is not None:
                connection.start_tls(self._tls)
            self._serve(connection)


def hold_port(port: int) -> socket.socket:
    """
    Take *port* without listening: connections are refused, and no other program can take the port.

    Raises:
        OSError: another program has the port.
    """
    with contextlib.ExitStack() as undo:
        holder = undo.enter_context(socket.socket())
        try:
            holder.bind((HOST, port))
        except OSError:
            # Perhaps only recently ended connections hold the port. SO_REUSEADDR ignores these, but
            # Linux would then share the port with every socket that sets the option, too.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((HOST, port))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        undo.pop_all()
    return holder
