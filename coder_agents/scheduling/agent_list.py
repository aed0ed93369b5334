"""
The list of agents, which is read again and again.

While the list cannot be read, the deployment counts as away, and nothing else is read: all agents
would fail in the same way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol
from uuid import UUID

from coder_agents.errors import CoderError, RequestTimeoutError, TransportError
from coder_agents.scheduling.schedule import Schedule
from coder_agents.streams import Reconnect
from coder_agents.transport import ClosedError


class Paused(Protocol):
    """
    What pauses while the deployment is away.
    """

    def hold(self) -> None:
        """
        Read nothing until `release`.
        """

    def release(self) -> None:
        """
        Read again.
        """


class AgentList:
    """
    Reads the list of agents at intervals, and pauses the readers while the list cannot be read.

    Args:
        read: reads the list, and notes it; raises *CoderError* where it cannot be read.
        paused: what pauses while the list cannot be read.
        interval: seconds from one read to the next.
        retry: the pauses after failures.
        closing: set once the threads have to end.
        on_failure: called with each error, and the seconds since the first of them; it is called
            with None once the list was read.
    """

    def __init__(
        self,
        read: Callable[[], object],
        paused: Iterable[Paused],
        *,
        interval: float,
        retry: Reconnect,
        closing: threading.Event,
        on_failure: Callable[[CoderError | None, float], object],
    ) -> None:
        self._read = read
        self._paused = tuple(paused)
        self._interval = interval
        self._retry = retry
        self._closing = closing
        self._on_failure = on_failure
        self._wanted = threading.Event()
        self._failures = 0
        self._away_since = 0.0

    def refresh(self) -> None:
        """
        Read the list now.
        """
        self._wanted.set()

    def step(self) -> None:
        """
        Read the list, and wait until the next read is due.
        """
        self._wanted.clear()
        try:
            self._read()
        except CoderError as error:
            self.note(error)
            # Only the end of the threads shortens this pause.
            self._closing.wait(self._retry.delay(self._failures))
        else:
            self._note_back()
            if self._wanted.wait(self._interval):
                # Many reads may fail at once, and each of them wants the list.
                self._closing.wait(self._retry.initial)

    def note(self, error: CoderError) -> None:
        """
        Note that the list could not be read.
        """
        self._failures += 1
        if self._failures == 1:
            self._away_since = time.monotonic()
        for each in self._paused:
            each.hold()
        self._on_failure(error, time.monotonic() - self._away_since)

    def _note_back(self) -> None:
        self._failures = 0
        self._on_failure(None, 0.0)
        for each in self._paused:
            each.release()

    def read_one(
        self, schedule: Schedule, read: Callable[[UUID], object]
    ) -> tuple[UUID, CoderError | None]:
        """
        Call *read* with the agent that is next in *schedule*, and return its id and its error.

        Where the deployment may be away, the list is read now. Raises *ClosedError* once the
        schedule is closed.
        """
        agent_id = schedule.take()
        if agent_id is None:
            raise ClosedError
        error, failed = None, True
        try:
            read(agent_id)
            failed = False
        except CoderError as raised:
            error = raised
            if isinstance(raised, TransportError) and not isinstance(raised, RequestTimeoutError):
                self.refresh()  # the list shows whether the deployment is away
        finally:
            schedule.done(agent_id, failed=failed)
        return agent_id, error
