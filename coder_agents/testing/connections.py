"""
The connections that a server has accepted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from coder_agents.testing.connection import ServerConnection


class Connections:
    """
    The connections of one deployment: how many it has accepted, and which are open.

    Each connection is served by a thread of its own.
    """

    def __init__(self) -> None:
        self._open: dict[threading.Thread, ServerConnection] = {}
        self._accepted = 0
        self._changed = threading.Condition()

    def __repr__(self) -> str:
        return f"<Connections: {self.accepted} accepted, {self.open} open, {self.idle} idle>"

    @property
    def accepted(self) -> int:
        """
        How many connections were accepted so far.
        """
        return self._accepted

    @property
    def open(self) -> int:
        """
        How many connections are open now.
        """
        return len(self._open)

    @property
    def idle(self) -> int:
        """
        How many connections have answered a request and wait for the next one.
        """
        with self._changed:
            return len(self._idle())

    def wait_open(self, count: int, *, timeout: float | None = 10) -> bool:
        """
        Wait until exactly *count* connections are open, at most *timeout* seconds, None for no
        limit.

        Returns:
            Whether the count was reached.
        """
        with self._changed:
            return self._changed.wait_for(lambda: len(self._open) == count, timeout)

    def wait_idle(self, count: int, *, timeout: float | None = 10) -> bool:
        """
        Wait until exactly *count* connections are idle, at most *timeout* seconds, None for no
        limit.

        Returns:
            Whether the count was reached.
        """
        with self._changed:
            return self._changed.wait_for(lambda: len(self._idle()) == count, timeout)

    def close_idle(self) -> int:
        """
        Close the idle connections, as a server does when no other request comes.

        The connections are closed when this returns, also where the clients have not noticed yet.

        Returns:
            How many connections were closed.
        """
        with self._changed:
            idle = self._idle()
        for connection in idle.values():
            connection.stop()
        for thread in idle:
            thread.join()
        return len(idle)

    def _idle(self) -> dict[threading.Thread, ServerConnection]:
        return {thread: each for thread, each in self._open.items() if each.idle}

    def note_idle(self, connection: ServerConnection, idle: bool) -> None:
        """
        Note whether *connection* waits for another request.
        """
        with self._changed:
            connection.idle = idle
            self._changed.notify_all()

    def snapshot(self) -> dict[threading.Thread, ServerConnection]:
        """
        Return the open connections, by their threads.
        """
        with self._changed:
            return dict(self._open)

    def begin(
        self, connection: ServerConnection, serve: Callable[[ServerConnection], None]
    ) -> None:
        """
        Start a thread that serves a new connection with *serve*, and then ends the connection.
        """

        def run() -> None:
            try:
                serve(connection)
            finally:
                connection.end()
                with self._changed:
                    del self._open[thread]
                    self._changed.notify_all()

        thread = threading.Thread(target=run, name="deployment-connection", daemon=True)
        with self._changed:
            self._accepted += 1
            connection.number = self._accepted
            self._open[thread] = connection
            self._changed.notify_all()
        thread.start()
