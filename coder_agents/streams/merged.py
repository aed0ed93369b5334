"""
The logs of several agents, followed together.

Every stream is read in the reader's own thread, which waits for all their sockets at once.
Only what may connect is done by a few threads besides: a connection that hangs, to a replica
that has died for one, holds up the lines of no other agent.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import math
import operator
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

import attrs

from coder_agents.config import function_or_none
from coder_agents.errors import CoderError
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams.link import EndedError
from coder_agents.streams.logs import LogStream
from coder_agents.streams.options import StreamEnd, StreamOptions, StreamStats
from coder_agents.streams.pump import LONG_ABSENCE, Pump
from coder_agents.streams.watch import Watch
from coder_agents.transport import ClosedError

_MOST_DIALLERS = 8  # threads
_FIRST_ANSWERS = 5.0  # seconds that what is there waits for agents that have not answered yet
_LEAVE = 0.5  # seconds that closing waits for a thread that is connecting
_MOST_NOTES = 10


class Labelled(Protocol):
    """
    What log lines can be labelled with: an agent.
    """

    id: uuid.UUID

    @property
    def label(self) -> str:
        """
        What people call it, safe to print.
        """


A = TypeVar("A", bound=Labelled)


@attrs.frozen
class AgentLog(Generic[A]):
    """
    One line of the log of one of several agents.

    ``str(item)`` is the line behind the agent's label, ``workspace.agent | line``, safe for a
    terminal: see `WorkspaceAgentLog`.

    Attributes:
        agent: the agent, as it was given.
        log: the line.
    """

    agent: A
    log: WorkspaceAgentLog

    def __str__(self) -> str:
        return f"{self.agent.label} | {self.log}"


@attrs.define(eq=False)
class _Member(Generic[A]):
    """
    One of the agents, with its log.

    Attributes:
        failure: the error it ended with, if it did.
    """

    agent: A
    stream: LogStream
    failure: CoderError | None = None


class _Diallers:
    """
    A few threads that do what may connect.
    """

    def __init__(self, most: int) -> None:
        self._threads: list[threading.Thread] = []
        threads = self._threads
        self._pool = ThreadPoolExecutor(
            max_workers=max(1, most),
            thread_name_prefix="coder-agents-connect",
            initializer=lambda: threads.append(threading.current_thread()),
        )

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """
        Let one of them do *work*.
        """
        return self._pool.submit(work)

    def close(self) -> None:
        """
        Wait for them, but not for long: a look-up of a name, or a connection that nobody
        answers, cannot be woken; its thread ends with it.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + _LEAVE
        for thread in self._threads:
            with contextlib.suppress(RuntimeError):  # where it is one of them that closes
                thread.join(max(0.0, until - time.monotonic()))


class MergedLogStream(Pump[AgentLog[A]], Generic[A]):
    """
    The lines of several agents' logs.

    What is there comes first, in the order of the ids, whichever agent a line is of; then
    the new lines as they come. Of each agent no line comes twice, and none is lost, as
    in a `LogStream`. An agent whose log fails is told to *on_failure*, and the others go on.

    Args:
        agents: each once.
        make: makes the stream of an agent's log, unopened, of these options.
        options: for each of the streams.
        on_failure: called with the agent and the error, by the thread that reads.
    """

    def __init__(
        self,
        agents: Sequence[A],
        make: Callable[[A, StreamOptions], LogStream],
        *,
        options: StreamOptions,
        on_failure: Callable[[A, CoderError], object] | None = None,
    ) -> None:
        super().__init__(f"the logs of {len(agents)} agents")
        self._on_failure = function_or_none("on_failure", on_failure)
        _check_distinct(agents)
        # Told by the thread that reads, not by one that connects.
        self._on_reconnect = options.on_reconnect
        self._told: collections.deque[tuple[str, int, float]] = collections.deque()
        told = self._told  # and not self, or the stream and its members would be a cycle
        chosen = attrs.evolve(options, on_reconnect=lambda *words: told.append(words))
        self._members = [_Member(agent, make(agent, chosen)) for agent in agents]
        # Where a member is, until its log ends: to be looked at, watched, in a thread that may
        # connect it, back from there, or holding lines.
        self._ready: collections.deque[_Member[A]] = collections.deque()
        self._connecting = 0
        self._back: collections.deque[tuple[_Member[A], Future[bool]]] = collections.deque()
        self._full: list[_Member[A]] = []
        # Whose next line is handed out next, line by line.
        self._queue: collections.deque[_Member[A]] = collections.deque()
        self._first_answers_until = 0.0
        self._left_at = math.inf
        self._was_absent = False
        self._watch: Watch[_Member[A]] = Watch()
        self._diallers = _Diallers(min(_MOST_DIALLERS, len(agents)))

    @property
    def failures(self) -> Mapping[uuid.UUID, CoderError]:
        """
        The errors that agents' logs ended with so far, by the agent's id.
        """
        return {m.agent.id: m.failure for m in self._members if m.failure is not None}

    @property
    def ends(self) -> Mapping[uuid.UUID, StreamEnd]:
        """
        Why agents' logs ended so far, by the agent's id.
        """
        ends = ((member.agent.id, member.stream.end) for member in self._members)
        return {agent_id: end for agent_id, end in ends if end is not None}

    @property
    def bookmarks(self) -> Mapping[uuid.UUID, str]:
        """
        For each agent's id, what goes on behind its lines that were yielded, as ``after=``.
        """
        return {m.agent.id: m.stream.bookmark for m in self._members}

    @property
    def stats(self) -> StreamStats:
        """
        What was counted so far, of all agents together.
        """
        each = [member.stream.stats for member in self._members]
        return StreamStats(
            items=sum(stats.items for stats in each),
            bytes=sum(stats.bytes for stats in each),
            reconnects=sum(stats.reconnects for stats in each),
            late=sum(stats.late for stats in each),
            checks=sum(stats.checks for stats in each),
            overflowed=any(stats.overflowed for stats in each),
            since=self._since,
        )

    def _connect_first(self) -> None:
        try:
            opened = [(m, self._diallers.submit(m.stream.open)) for m in self._members]
            for member, future in opened:
                self._note_opened(member, future)
            self._check_any_opened()
        except BaseException:
            self._free()
            raise
        self._first_answers_until = time.monotonic() + _FIRST_ANSWERS

    def _note_opened(self, member: _Member[A], future: Future[Any]) -> None:
        try:
            future.result()
        except CoderError as error:
            self._fail(member, error)
        else:
            self._ready.append(member)

    def _check_any_opened(self) -> None:
        failed = [(m.agent, m.failure) for m in self._members if m.failure is not None]
        if not failed or len(failed) < len(self._members):
            return
        (_, first), *others = failed
        for agent, failure in others[:_MOST_NOTES]:
            first.add_note(f"{agent.label}: {failure}")
        if len(others) > _MOST_NOTES:
            first.add_note(f"and {len(others) - _MOST_NOTES} more agents")
        raise first

    def _fail(self, member: _Member[A], error: CoderError) -> None:
        member.failure = error
        if self._on_failure is not None:
            self._on_failure(member.agent, error)

    def _fill(self, deadline: float | None) -> bool:
        if self._queue:
            return True
        self._was_absent = time.monotonic() - self._left_at > LONG_ABSENCE
        try:
            self._ready.extend(self._full)
            self._full.clear()
            return self._gather(math.inf if deadline is None else deadline)
        finally:
            self._left_at = time.monotonic()

    def _gather(self, deadline: float) -> bool:
        """
        Wait until lines are there, and put them in order.
        """
        while True:
            self._look_around()
            if self._closed:  # before what is there: whoever closes also wakes the members
                raise ClosedError
            if self._full and not self._awaits_first_answers():
                ids = [[log.id for log in member.stream.pending] for member in self._full]
                self._queue.extend(self._full[at] for at in in_order_of_ids(ids))
                return True
            if not (self._ready or self._full or self._connecting or self._watch):
                raise EndedError(StreamEnd.ALL_ENDED)
            if not self._ready and not self._await(deadline) and time.monotonic() >= deadline:
                return False

    def _awaits_first_answers(self) -> bool:
        """
        Whether what is there waits for the rest of what there is.
        """
        if time.monotonic() >= self._first_answers_until:
            return False
        streams = [member.stream for member in self._members]
        if all(stream.answered or stream.end is not None for stream in streams):
            self._first_answers_until = 0.0
            return False
        return True

    def _look_around(self) -> None:
        """
        Look once at each member that may have something, or be at its end.
        """
        while self._back:
            member, future = self._back.popleft()
            self._connecting -= 1
            self._look(member, future.result)
        for _ in range(len(self._ready)):
            member = self._ready.popleft()
            if member.stream.may_dial():
                self._look_elsewhere(member)
            else:
                self._look(member, member.stream.look)
        while self._told:
            self._tell(*self._told.popleft())

    def _look(self, member: _Member[A], look: Callable[[], bool]) -> None:
        try:
            there = look()
        except CoderError as error:
            self._fail(member, error)
            return
        if there:
            self._full.append(member)
        elif member.stream.end is None:
            self._rest(member)

    def _rest(self, member: _Member[A]) -> None:
        wait = member.stream.waits_for()
        if wait is None:
            self._ready.append(member)
        else:
            self._watch.add(member, wait)

    def _look_elsewhere(self, member: _Member[A]) -> None:
        back, alarm = self._back, self._watch.alarm

        def come_back(future: Future[bool]) -> None:
            back.append((member, future))
            alarm.ring()

        self._connecting += 1
        self._diallers.submit(member.stream.look).add_done_callback(come_back)

    def _tell(self, reason: str, attempt: int, delay: float) -> None:
        if self._on_reconnect is not None:
            self._on_reconnect(reason, attempt, delay)

    def _await(self, deadline: float) -> bool:
        """
        Wait for a member that may have something; return whether there is one.
        """
        until = min(deadline, self._first_answers_until) if self._full else deadline
        due = self._watch.due(until)
        for member in due:
            if not self._was_absent:
                member.stream.attended()
        self._was_absent = False
        self._ready.extend(due)
        return bool(due)

    def _take_one(self) -> AgentLog[A]:
        member = self._queue.popleft()
        return AgentLog(member.agent, next(member.stream))

    def _take_all(self) -> list[AgentLog[A]]:
        return [self._take_one() for _ in range(len(self._queue))]

    def wake(self) -> None:
        """
        Make whoever opens or reads stop with *ClosedError*; from any thread or signal handler.
        """
        self._watch.alarm.ring()
        for member in self._members:
            member.stream.wake()

    def _free(self) -> None:
        for member in self._members:
            member.stream.close()
        self._diallers.close()
        self._watch.close()


def in_order_of_ids(each: Sequence[Sequence[int]]) -> list[int]:
    """
    Return the place in *each* of whose line is next, for all the lines of all logs.

    *each* has the ids of a log's lines, in the order in which they are handed out. That
    order is kept. Where it is the order of the ids, so is the whole; a line behind one of a higher id
    comes right after it.
    """
    keyed = [
        (newest, place)
        for place, ids in enumerate(each)
        for newest in itertools.accumulate(ids, max)
    ]
    keyed.sort(key=operator.itemgetter(0))  # stable
    return [place for _, place in keyed]


def _check_distinct(agents: Iterable[Labelled]) -> None:
    met: set[uuid.UUID] = set()
    for agent in agents:
        if agent.id in met:
            raise ValueError(f"the agent {agent.label} {agent.id} is there twice")
        met.add(agent.id)
