"""
The log lines of all agents, and the sequence of their ids.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

import attrs

from coder_agents.schema import LogLevel, WorkspaceAgentLog
from coder_agents.testing.notices import Notices

# Replaces a character that the database cannot store.
UNSTORABLE = "\N{CROSS MARK}"


@attrs.frozen
class Batch:
    """
    Lines that have their ids and are not committed yet.
    """

    agent_id: UUID
    logs: tuple[WorkspaceAgentLog, ...]

    @property
    def size(self) -> int:
        """
        How many bytes of text the batch has.
        """
        return sum(len(log.output.encode()) for log in self.logs)


@attrs.define
class StoredLog:
    """
    The stored log of one agent.
    """

    logs: list[WorkspaceAgentLog] = attrs.Factory(list)
    size: int = 0
    overflowed: bool = False
    notices: Notices = attrs.Factory(Notices)


class PendingLogs:
    """
    Log lines that have taken their ids and are not visible yet.

    Created by `EmbeddedAgent.begin_logs`.
    """

    def __init__(self, store: LogStore, batch: Batch) -> None:
        self._store = store
        self._batch = batch
        self._once = threading.Lock()

    @property
    def ids(self) -> list[int]:
        """
        The ids of the lines.
        """
        return [log.id for log in self._batch.logs]

    def commit(self) -> bool:
        """
        Make the lines visible; possible once.

        Returns:
            Whether the lines were stored: a batch that exceeds the limit is refused.

        Raises:
            RuntimeError: the lines were committed before.
        """
        if not self._once.acquire(blocking=False):
            raise RuntimeError("these log lines were committed before")
        return self._store.commit(self._batch)


class LogStore:
    """
    Stores log lines as the deployment's database does.

    Storing has two steps, like a transaction: `reserve` takes the ids, `commit` makes the lines
    visible. Lines that another writer commits in between have higher ids and appear earlier. No id
    is used again, so a refused batch leaves a gap.
    """

    def __init__(
        self, *, now: Callable[[], datetime], limit: int, line_length: int | None = None
    ) -> None:
        self._now = now
        self._limit = limit
        self._line_length = line_length
        self._lock = threading.Lock()
        self._next_id = 1
        self._agents: dict[UUID, StoredLog] = {}

    def reserve(
        self,
        agent_id: UUID,
        source_id: UUID,
        lines: Iterable[tuple[LogLevel, str]],
        *,
        created_at: datetime | None = None,
    ) -> Batch:
        """
        Take ids for *lines*, pairs of a level and a text, with the current time by default.
        """
        cut = [(level, self._storable(text)) for level, text in lines]
        created_at = created_at or self._now()
        first = self.skip_ids(len(cut))
        return Batch(
            agent_id,
            tuple(
                WorkspaceAgentLog(
                    id=first + index,
                    created_at=created_at,
                    output=text,
                    level=level,
                    source_id=source_id,
                )
                for index, (level, text) in enumerate(cut)
            ),
        )

    def skip_ids(self, count: int) -> int:
        """
        Take *count* ids, as other agents of the deployment do.

        Returns:
            The first of these ids.
        """
        with self._lock:
            first = self._next_id
            self._next_id += count
            return first

    def commit(self, batch: Batch) -> bool:
        """
        Make the lines of *batch* visible.

        Returns:
            Whether the lines were stored: a batch that would exceed the limit is refused as a
            whole, and so is every later batch of the agent.
        """
        with self._lock:
            stored = self._agent(batch.agent_id)
            if stored.overflowed or stored.size + batch.size > self._limit:
                stored.overflowed = True
                return False
            stored.size += batch.size
            if batch.logs:
                # The ids of a batch are consecutive: no other line lies between them.
                at = bisect_right(stored.logs, batch.logs[0].id, key=_id)
                stored.logs[at:at] = batch.logs
        stored.notices.notify()
        return True

    def purge(self, agent_id: UUID, before: int | None = None) -> None:
        """
        Delete the lines of an agent with ids below *before*, or all. No id is used again.
        """
        with self._lock:
            stored = self._agent(agent_id)
            kept = [log for log in stored.logs if before is not None and log.id >= before]
            stored.logs = kept

    def append(
        self, agent_id: UUID, source_id: UUID, lines: Iterable[tuple[LogLevel, str]]
    ) -> list[int]:
        """
        Store *lines* at once.

        Returns:
            The ids of the lines; empty where they were refused.
        """
        batch = self.reserve(agent_id, source_id, lines)
        return [log.id for log in batch.logs] if self.commit(batch) else []

    def after(self, agent_id: UUID, last_id: int) -> list[WorkspaceAgentLog]:
        """
        Return the lines of an agent with ids above *last_id*, by id.
        """
        with self._lock:
            logs = self._agent(agent_id).logs
            return logs[bisect_right(logs, last_id, key=_id) :]

    def size(self, agent_id: UUID) -> int:
        """
        Return how many bytes of text an agent has stored.
        """
        with self._lock:
            return self._agent(agent_id).size

    def overflowed(self, agent_id: UUID) -> bool:
        """
        Return whether lines of an agent were refused.
        """
        with self._lock:
            return self._agent(agent_id).overflowed

    def notices(self, agent_id: UUID) -> Notices:
        """
        Return the notices of new lines of an agent.
        """
        with self._lock:
            return self._agent(agent_id).notices

    def _agent(self, agent_id: UUID) -> StoredLog:
        return self._agents.setdefault(agent_id, StoredLog())

    def _storable(self, text: str) -> str:
        return text.replace("\0", UNSTORABLE)[: self._line_length]


def _id(log: WorkspaceAgentLog) -> int:
    return log.id
