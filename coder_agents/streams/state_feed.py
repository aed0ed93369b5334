"""
The feed of states: each message of the server holds the full state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Sized
from typing import Generic, Protocol, TypeVar

from coder_agents.errors import APIError, CoderError
from coder_agents.streams.engine import Counts
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.position import StatePosition
from coder_agents.streams.reconnect import without_frames
from coder_agents.streams.reconnecting import Broken, ReconnectingConnection
from coder_agents.transport import ClosedError, DroppedError, Interest, Source

M = TypeVar("M", bound=Sized)
M_contra = TypeVar("M_contra", contravariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class StateReader(Protocol[M_contra, T]):
    """
    Reads the messages of one kind of state.
    """

    def state(self, message: M_contra) -> T | None:
        """
        Return the state that *message* reports, None where it reports none.

        Raises *CoderError* where *message* cannot be read, or reports an error.
        """

    def are_same(self, before: T, after: T) -> bool:
        """
        Whether both states have the same content, so that the second is skipped.
        """

    def disconnected(self, broken: Broken) -> float | None:
        """
        Note that *broken* ended a connection or prevented one; return the seconds until the next
        connection, None for the back-off of the options.
        """


class StateFeed(Generic[M, T]):
    """
    States over one connection.

    The first message of a new connection is skipped where it repeats the last message of the old
    connection.

    Args:
        new_source: returns the next connection, unopened.
        reader: reads the messages.
        what: the name of the states, for messages.
        connect_timeout: the most seconds that a dial may take.

    Attributes:
        received_at: when the newest message came over the current connection, by
            `time.monotonic`; None where none has come.
    """

    def __init__(
        self,
        new_source: Callable[[], Source[M]],
        reader: StateReader[M, T],
        *,
        what: str,
        options: StreamOptions,
        connect_timeout: float,
    ) -> None:
        self.what = what
        self._reader = reader
        self._connection: ReconnectingConnection[M] = ReconnectingConnection(
            new_source, what=what, options=options, connect_timeout=connect_timeout
        )
        self._last: M | None = None
        self._position: StatePosition[T] = StatePosition.of_state(None, None)
        self._woken = False
        self.received_at: float | None = None

    def position(self) -> StatePosition[T]:
        """
        Return the position before the first state.
        """
        return self._position

    def open(self) -> bool:
        """
        Take the next step of the first connection; return whether it is open.
        """
        try:
            return self._connection.connected()
        except APIError as error:
            # Another route is tried before the error is raised.
            if self._reader.disconnected(error) is None:
                raise
        self._connection.drop()
        return False

    def step(self) -> StatePosition[T] | None:
        """
        Return the next position; see `Feed.step`.
        """
        if self._woken:
            raise ClosedError
        connection = self._connection
        try:
            message = connection.receive()
        except (DroppedError, CoderError) as broken:
            self.received_at = None
            connection.disconnected(without_frames(broken), self._reader.disconnected(broken))
            return None
        if message is None:
            return None
        connection.progress()
        self.received_at = time.monotonic()
        is_repeated = connection.messages == 1 and message == self._last
        self._last = message
        return None if is_repeated else self.take(self._reader.state(message))

    def take(self, state: T | None) -> StatePosition[T] | None:
        """
        Return the position at *state*; None where *state* repeats the last one.
        """
        latest = self._position.state
        if state is None or (latest is not None and self._reader.are_same(latest, state)):
            return None
        self._position = StatePosition.of_state(latest, state, self._position.count)
        return self._position

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before another step; see `Feed.interests`.
        """
        return self._connection.interests()

    def expect_break(self) -> None:
        """
        Note that no thread has read for a long time.
        """
        self._connection.expects_break = True

    def counts(self) -> Counts:
        """
        Return the counts of the connections.
        """
        return Counts(bytes=self._connection.received, reconnects=self._connection.reconnects)

    def wake(self) -> None:
        """
        Stop the thread that opens or steps with *ClosedError*; callable from any thread or signal
        handler.
        """
        self._woken = True
        self._connection.wake()

    def free(self) -> None:
        """
        Free the socket; a second call does nothing.
        """
        self._woken = True
        self._connection.free()
