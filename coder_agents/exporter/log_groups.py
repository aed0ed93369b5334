"""
The logs of all agents, followed over few streams while agents come and go.

A stream of several logs has a fixed set of agents. If each new agent opened the logs of all agents
again, a deployment of 1,000 agents would get 1,000 connections with each new workspace. So new
agents get a stream of their own, which absorbs the streams that are not larger. A stream at least
doubles whenever an agent moves to it: there are at most 1 + log2(n) streams of n agents, and an
agent's log is opened again at most log2(n) times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from uuid import UUID

import attrs

from coder_agents.agent import Agent
from coder_agents.client import Client
from coder_agents.exporter.observed import Observed
from coder_agents.exporter.pace import ExporterPace
from coder_agents.scheduling.workers import Workers
from coder_agents.streams import MergedLogStream, StreamEnd
from coder_agents.transport import ClosedError


@attrs.define(eq=False)
class _FollowedGroup:
    """
    One stream.

    Attributes:
        stream: the stream.
        agents: the agents whose logs it follows.
        former: the ids of the agents whose logs have ended, while no other stream follows them.
        opened_at: when it was opened, by `time.time`.
        ended: set once its thread has ended.
    """

    stream: MergedLogStream[Agent]
    agents: dict[UUID, Agent]
    former: set[UUID] = attrs.field(factory=set)
    opened_at: float = attrs.field(factory=time.time)
    ended: threading.Event = attrs.field(factory=threading.Event)


@attrs.frozen
class StreamHealth:
    """
    The counts of all streams together.

    Attributes:
        followed: how many logs are followed now.
        reconnects: connections made after an earlier one broke.
        late: lines that came out of the order of their ids.
    """

    followed: int = 0
    reconnects: int = 0
    late: int = 0


class LogGroups:
    """
    Follows the logs of the listed agents, and counts their lines.

    The log of an agent of the first list is counted from now on, that of a later agent from its
    first line: no line of a start is missed between two lists.

    Args:
        client: whose settings are used; it stays open.
        workers: one thread of it calls `step`; each stream has one more.
        observed: lines and errors are counted there.
        pace: the pauses.
    """

    def __init__(
        self, client: Client, workers: Workers, observed: Observed, pace: ExporterPace
    ) -> None:
        self._client = client
        self._workers = workers
        self._observed = observed
        self._pace = pace
        self._changed = threading.Condition()
        self._listed: dict[UUID, Agent] | None = None
        self._from_now: frozenset[UUID] = frozenset()
        self._bookmarks: dict[UUID, str] = {}
        self._again_at: dict[UUID, float] = {}
        self._groups: list[_FollowedGroup] = []
        self._past = StreamHealth()  # of the streams that have ended
        self._opened_at = -pace.logs
        self._is_held = False
        self._is_closed = False

    def list_agents(self, agents: Iterable[Agent], forgotten: Iterable[UUID] = ()) -> None:
        """
        Follow the logs of these *agents*; the positions in the *forgotten* logs are dropped.
        """
        listed = {agent.id: agent for agent in agents}
        with self._changed:
            if self._listed is None:
                self._from_now = frozenset(listed)
            self._listed = listed
            for agent_id in forgotten:
                self._bookmarks.pop(agent_id, None)
            self._again_at = {each: at for each, at in self._again_at.items() if each in listed}
            for group in self._groups:
                group.former.difference_update(forgotten)
                self._drop_ended(group)
            self._changed.notify_all()

    def _drop_ended(self, group: _FollowedGroup) -> None:
        stream = group.stream
        # A stream that this program has closed shows that for each log that had not ended.
        over = {agent.id for agent, end in stream.ends.items() if end is not StreamEnd.CLOSED}
        ended = over & group.agents.keys()
        for agent_id in ended:
            del group.agents[agent_id]
        # Their last lines may still be handed out: the bookmarks are taken when they are needed.
        group.former |= ended
        self._postpone(ended)

    def _postpone(self, ids: Iterable[UUID]) -> None:
        """
        Follow these logs again after a pause.
        """
        self._again_at |= dict.fromkeys(ids, time.monotonic() + self._pace.again)

    def hold(self) -> None:
        """
        Open no log until `release`: the deployment is away.
        """
        with self._changed:
            self._is_held = True

    def release(self) -> None:
        """
        Open logs again.
        """
        with self._changed:
            self._is_held = False
            self._changed.notify_all()

    def close(self) -> None:
        """
        End all streams and the threads that read them.
        """
        with self._changed:
            self._is_closed = True
            groups = list(self._groups)
            self._changed.notify_all()
        for group in groups:
            group.stream.close()

    @property
    def health(self) -> StreamHealth:
        """
        The counts of all streams together.
        """
        with self._changed:
            followed, health = 0, self._past
            for group in self._groups:
                followed += len(group.agents)
                health = _added(health, group)
            return attrs.evolve(health, followed=followed)

    def step(self) -> None:
        """
        Wait until there are logs to follow, and open them.

        Raises *CoderError* where none of them can be followed, *ClosedError* once this is closed.
        """
        agents, is_first = self._next()
        if not is_first:
            agents |= self._absorbed(len(agents))
        stream = self._client.follow_logs(
            agents.values(),
            after=self._taken_bookmarks(agents),
            tail=0 if is_first else None,
            on_failure=lambda _, error: self._observed.put_error("logs", error),
        )
        self._observed.follow(agents)
        self._run(_FollowedGroup(stream, agents))

    def _taken_bookmarks(self, agents: Iterable[UUID]) -> dict[UUID, str]:
        """
        Return the bookmarks of those of *agents* whose logs were followed before.
        """
        with self._changed:
            for group in self._groups:
                if again := group.former.intersection(agents):
                    bookmarks = group.stream.bookmarks
                    self._bookmarks.update({each: bookmarks[each] for each in again})
                    group.former -= again
            return {each: self._bookmarks[each] for each in agents if each in self._bookmarks}

    def _run(self, group: _FollowedGroup) -> None:
        with self._changed:
            self._groups.append(group)
            opened = group.agents.keys() - {agent.id for agent in group.stream.failures}
            is_closed = self._is_closed
        if is_closed:
            group.stream.close()
        try:
            self._workers.run("the lines of logs", lambda: self._read(group))
        except BaseException:  # the system has no more threads
            group.stream.close()
            self._end(group)
            raise
        with self._changed:
            self._from_now -= opened

    def _next(self) -> tuple[dict[UUID, Agent], bool]:
        """
        Wait until there are logs to open, and return their agents, and whether only lines from now
        on count.
        """
        with self._changed:
            while not self._is_closed:
                missing = {} if self._is_held else self._missing()
                pause = self._opened_at + self._pace.logs - time.monotonic()
                if missing and pause <= 0:
                    self._opened_at = time.monotonic()
                    first = {each: missing[each] for each in missing if each in self._from_now}
                    return first or missing, bool(first)
                self._changed.wait(pause if missing else None)
        raise ClosedError

    def _missing(self) -> dict[UUID, Agent]:
        now = time.monotonic()
        followed = {agent_id for group in self._groups for agent_id in group.agents}
        return {
            agent_id: agent
            for agent_id, agent in (self._listed or {}).items()
            if agent_id not in followed and self._again_at.get(agent_id, now) <= now
        }

    def _absorbed(self, size: int) -> dict[UUID, Agent]:
        """
        Close the streams that are not larger than a new one of *size* agents and of theirs, and
        return their agents that are still listed.
        """
        found: dict[UUID, Agent] = {}
        while (group := self._smallest(size + len(found))) is not None:
            ids = list(group.agents)
            group.stream.close()
            group.ended.wait()
            with self._changed:
                listed = self._listed or {}
                found |= {each: listed[each] for each in ids if each in listed}
        return found

    def _smallest(self, max_size: int) -> _FollowedGroup | None:
        """
        Return the stream of the fewest agents; None where it has more than *max_size*.
        """
        with self._changed:
            group = min(self._groups, key=lambda each: len(each.agents), default=None)
            return None if group is None or len(group.agents) > max_size else group

    def _read(self, group: _FollowedGroup) -> None:
        try:
            with group.stream as stream:
                for batch in stream.batches():
                    self._observed.count_lines(batch, since=group.opened_at)
        except Exception:  # no error of a log, which ends that log alone
            with self._changed:
                self._postpone(group.agents)
            raise
        finally:
            self._end(group)

    def _end(self, group: _FollowedGroup) -> None:
        """
        Note that nothing reads *group* any more: its agents may move to another stream.
        """
        try:
            with self._changed:
                self._groups.remove(group)
                self._keep_last(group)
                self._changed.notify_all()
        finally:
            group.ended.set()

    def _keep_last(self, group: _FollowedGroup) -> None:
        """
        Keep what is known of *group*, whose stream has ended.
        """
        self._past = _added(self._past, group)
        self._drop_ended(group)
        bookmarks = group.stream.bookmarks
        ids = group.agents.keys() | group.former
        self._bookmarks.update({each: bookmarks[each] for each in ids})


def _added(health: StreamHealth, group: _FollowedGroup) -> StreamHealth:
    stats = group.stream.stats
    return StreamHealth(0, health.reconnects + stats.reconnects, health.late + stats.late)
