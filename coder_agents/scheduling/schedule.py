"""
Which agent is read next, by several threads together, and at a gentle pace.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Iterable
from uuid import UUID

import attrs

_OUT_OF_VIEW = 6
"""
How many times rarer an agent that nobody sees is read, where all agents together are too many.
"""

_MAX_BACK_OFF = 60.0  # seconds until the next read of an agent whose reads fail


@attrs.define
class _ScheduledTurn:
    due: float
    failures: int = 0
    is_taken: bool = False


class Schedule:
    """
    Hands out agents, the most overdue first.

    Args:
        interval: seconds from one read of an agent to the next.
        max_rate: how many reads a second may begin, of all agents together.
    """

    def __init__(self, *, interval: float, max_rate: float) -> None:
        self._interval = interval
        self._gap = 1 / max_rate
        self._changed = threading.Condition()
        self._turns: dict[UUID, _ScheduledTurn] = {}
        # A heap of times, numbers, and agents. Those of one time come in the order of their numbers. An
        # entry whose time is no longer that of the agent's turn is dropped when it is met.
        self._queue: list[tuple[float, int, UUID]] = []
        self._numbers = itertools.count()
        self._in_view: frozenset[UUID] = frozenset()
        self._next_begin = 0.0
        self._is_held = False
        self._is_closed = False

    def keep(self, ids: Iterable[UUID]) -> None:
        """
        Read exactly these agents; one that is new is due at once.
        """
        now = time.monotonic()
        with self._changed:
            self._turns = {
                agent_id: self._turns.get(agent_id) or _ScheduledTurn(now) for agent_id in ids
            }
            # From the turns alone, so that entries of agents that are gone do not pile up.
            self._queue = [
                (turn.due, next(self._numbers), agent_id) for agent_id, turn in self._turns.items()
            ]
            heapq.heapify(self._queue)
            self._changed.notify_all()

    def prefer(self, ids: Iterable[UUID]) -> None:
        """
        Read these agents more often, because a person sees them.
        """
        with self._changed:
            newly = frozenset(ids) - self._in_view
            self._in_view = frozenset(ids)
            soon = time.monotonic() + self._interval
            for agent_id in newly & self._turns.keys():
                turn = self._turns[agent_id]
                if not turn.failures and turn.due > soon:
                    self._put(agent_id, turn, soon)
            self._changed.notify_all()

    def _put(self, agent_id: UUID, turn: _ScheduledTurn, due: float) -> None:
        turn.due = due
        heapq.heappush(self._queue, (due, next(self._numbers), agent_id))

    def hold(self) -> None:
        """
        Hand out no agent until `release`: the deployment is away.
        """
        with self._changed:
            self._is_held = True

    def release(self) -> None:
        """
        Hand out agents again.
        """
        with self._changed:
            self._is_held = False
            self._changed.notify_all()

    def close(self) -> None:
        """
        Hand out no agent any more: each `take` returns None.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def take(self) -> UUID | None:
        """
        Wait until an agent is due, and return its id; None once the schedule is closed.
        """
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                found, due = self._next()
                if found is not None and due <= now:
                    self._turns[found].is_taken = True
                    self._next_begin = now + self._gap
                    return found
                self._changed.wait(None if math.isinf(due) else due - now)
            return None

    def _next(self) -> tuple[UUID | None, float]:
        """
        Return the next agent and when it may be read; None and infinity where there is none.
        """
        while self._queue and not self._is_held:
            due, _, agent_id = self._queue[0]
            turn = self._turns.get(agent_id)
            if turn is not None and turn.due == due and not turn.is_taken:
                return agent_id, max(due, self._next_begin)
            heapq.heappop(self._queue)
        return None, math.inf

    def done(self, agent_id: UUID, *, failed: bool = False) -> None:
        """
        Note that the read of an agent has ended; after failures the next one is postponed.
        """
        with self._changed:
            turn = self._turns.get(agent_id)
            if turn is None:
                return
            turn.is_taken = False
            turn.failures = turn.failures + 1 if failed else 0
            self._put(agent_id, turn, time.monotonic() + self._pause(agent_id, turn.failures))
            self._changed.notify_all()

    def _pause(self, agent_id: UUID, failures: int) -> float:
        if failures:
            return max(
                self._interval, min(_MAX_BACK_OFF, self._interval * 2.0 ** min(failures, 16))
            )
        is_crowded = len(self._turns) * self._gap > self._interval
        return self._interval * (
            _OUT_OF_VIEW if is_crowded and agent_id not in self._in_view else 1
        )
