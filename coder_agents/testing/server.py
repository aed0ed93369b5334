"""
The listener, and one thread for each connection it accepts.
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

from coder_agents.testing.connection import Connection, ConnectionEnded, ServerStopping
from coder_agents.testing.connections import Connections

HOST = "127.0.0.1"
BACKLOG = 512

# How long the threads may take together to say goodbye before their sockets are ended for them.
GRACE_SECONDS = 1.0

# How long a connection to a queue that has room may take; on loopback it is there at once.
FILLING_SECONDS = 0.2


class Server:
    """
    Accepts connections on loopback and hands each to *serve* in a thread of its own.

    TLS handshakes happen in those threads, so that a peer which never finishes
    one delays nobody else.

    *greet* is called before TLS, *connections* knows them all. *listener* is what another server left by `suspend`; by default
    a port is chosen.
    """

    def __init__(
        self,
        serve: Callable[[Connection], None],
        connections: Connections,
        greet: Callable[[Connection], None],
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
        # Again, for connections that ended lately are in the way of who listens without it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._fillers: list[socket.socket] = []
        self._start_accepting()

    def stop(self) -> None:
        """
        Stop listening, let every connection say goodbye, and join all threads.

        Twice is once.
        """
        if not self._stopping:
            self._stop_accepting()
            self._dismiss()

    def suspend(self) -> socket.socket:
        """
        Stop, and keep the port meanwhile.

        Returns:
            What holds the port: connections are refused until another server listens on it.

        Raises:
            OSError: somebody else was faster to take the port; the server is stopped.
        """
        self._stop_accepting()
        try:
            return hold_port(self.port)
        finally:
            self._dismiss()

    def block(self) -> None:
        """
        Let nobody connect from now on: who tries waits, as for a host that does not answer.

        Raises:
            RuntimeError: nobody can already.
        """
        if self._stopping or self._fillers:
            raise RuntimeError("nobody can connect to it already")
        self._pause_accepting()
        self._listener.listen(0)
        # A full queue makes the system drop what else comes; the last of these does not fit.
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
        # All but the last one are in the queue.
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
        for thread in self._for_each(Connection.stop):
            thread.join(max(0.0, deadline - time.monotonic()))
        for thread in self._for_each(Connection.abort):
            thread.join()
        self._wake_reader.close()
        self._wake_writer.close()

    def _for_each(self, act: Callable[[Connection], None]) -> list[threading.Thread]:
        connections = self._connections.snapshot()
        for connection in connections.values():
            act(connection)
        return list(connections)

    def _accept(self, fillers: set[object]) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            while self._wake_reader not in {key.fileobj for key, _ in selector.select()}:
                # The client may have left again, which some systems tell only here.
                with contextlib.suppress(OSError):
                    sock, address = self._listener.accept()
                    if address in fillers:
                        fillers.remove(address)
                        sock.close()
                    else:
                        self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.begin(Connection(sock), self._run)

    def _run(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionEnded, ServerStopping, OSError):
            connection.untouched = self._tls is not None
            self._greet(connection)
            if self._tls is not None:
                connection.start_tls(self._tls)
            self._serve(connection)


def hold_port(port: int) -> socket.socket:
    """
    Take *port* without listening: who connects is refused, and nobody else can take it.

    Raises:
        OSError: somebody else has it.
    """
    with contextlib.ExitStack() as undo:
        holder = undo.enter_context(socket.socket())
        try:
            holder.bind((HOST, port))
        except OSError:
            # It may be that only connections which ended lately are in the way. Those the option
            # ignores, but under it Linux would share the port with all who set it too.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((HOST, port))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        undo.pop_all()
    return holder
