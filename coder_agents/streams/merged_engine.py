"""
One engine over the feeds of several agents' logs.

The thread that reads steps every feed, and waits for all sockets at once. A few other threads take
the steps that may dial: a connection that hangs, for instance to a dead replica, delays the lines
of no other agent.
"""

from __future__ import annotations

import collections
import itertools
import math
import selectors
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic

from coder_agents.errors import CoderError
from coder_agents.render.line import counted
from coder_agents.streams.diallers import Diallers
from coder_agents.streams.engine import Counts, EndedError
from coder_agents.streams.member import Member
from coder_agents.streams.merged_position import A, AgentLog, MergedPosition, in_order_of_ids
from coder_agents.streams.options import StreamEnd
from coder_agents.streams.pauses import PAUSES, Pauses
from coder_agents.streams.poller import Poller
from coder_agents.streams.position import LogPosition
from coder_agents.streams.reconnect import without_frames
from coder_agents.streams.turns import Turns
from coder_agents.transport import ClosedError

_MAX_DIALLERS = 8  # threads
_MAX_NOTES = 10


class MergedEngine(Generic[A]):
    """
    Steps the feeds of several agents' logs.

    Args:
        members: the agents without repetition, numbered from 0.
        on_failure: called with the agent and the error of a failed log, by the thread that reads.
        on_reconnect: called for each entry of *reported*, by the thread that reads.
        reported: where the feeds put the arguments of their calls of *on_reconnect*.
        pauses: how long to wait for the first answers, and from when an absence is long.
    """

    def __init__(
        self,
        members: Sequence[Member[A]],
        *,
        on_failure: Callable[[A, CoderError], object],
        on_reconnect: Callable[[str, int, float], object] | None,
        reported: collections.deque[tuple[str, int, float]],
        pauses: Pauses = PAUSES,
    ) -> None:
        self.members = members
        self._on_failure = on_failure
        self._on_reconnect = on_reconnect
        self._reported = reported
        self._pauses = pauses
        self._earlier = [member.feed.position() for member in members]
        self._agents = [member.agent for member in members]
        self._batch: dict[int, LogPosition] = {}
        self._count = 0
        self._late = 0
        # A member whose log has not ended is ready to be stepped, waiting, connecting in a thread
        # that may dial, back from that thread, or full: with lines to hand out.
        self._ready: collections.deque[Member[A]] = collections.deque()
        self._connecting = 0
        self._back: collections.deque[tuple[Member[A], Future[LogPosition | None]]] = (
            collections.deque()
        )
        self._full: list[Member[A]] = []
        self._waiting: set[int] = set()
        self._first_answers_until = 0.0
        self._left_at = math.inf
        self._woken = False
        self._poller: Poller[Member[A]] = Poller(selectors.DefaultSelector())
        self._turns = Turns(len(members))
        self._diallers: Diallers | None = Diallers(
            min(_MAX_DIALLERS, len(members)), max_leaving=pauses.max_leaving
        )

    @property
    def what(self) -> str:
        """
        The name of the data, for messages.
        """
        return f"the logs of {counted(len(self.members), 'agent')}"

    def position(self) -> MergedPosition[A]:
        """
        Return the position before the first line.
        """
        return self._position_of([], ())

    def _position_of(self, items: Sequence[AgentLog[A]], order: Sequence[int]) -> MergedPosition[A]:
        return MergedPosition(
            pending=collections.deque(items),
            size=len(items),
            count_before=self._count,
            agents=self._agents,
            earlier=self._earlier,
            batch=self._batch,
            order=order,
            late_before=self._late,
            lates=self._lates(order),
        )

    def _lates(self, order: Sequence[int]) -> Sequence[int]:
        if not any(position.lates for position in self._batch.values()):
            return ()
        each = {number: iter(position.late_each()) for number, position in self._batch.items()}
        return list(itertools.accumulate(next(each[number]) for number in order))

    def open(self) -> None:
        """
        Connect all logs. Raises the error of the first agent where none can be connected.
        """
        assert self._diallers is not None
        opened = [self._diallers.submit(member.open) for member in self.members]
        for member, work in zip(self.members, opened, strict=True):
            self._note_opened(member, work)
        self._check_any_opened()
        self._first_answers_until = time.monotonic() + self._pauses.first_answers

    def _note_opened(self, member: Member[A], work: Future[None]) -> None:
        try:
            work.result()
        except CoderError as error:
            self._end(member, StreamEnd.FAILED, error)
        else:
            self._ready.append(member)

    def _check_any_opened(self) -> None:
        failed = [(m.agent, m.failure) for m in self.members if m.failure is not None]
        if not failed or len(failed) < len(self.members):
            return
        (_, first), *others = failed
        for agent, failure in others[:_MAX_NOTES]:
            first.add_note(f"{agent.label}: {failure}")
        if len(others) > _MAX_NOTES:
            first.add_note(f"and {counted(len(others) - _MAX_NOTES, 'more agent')}")
        raise first

    def _end(self, member: Member[A], end: StreamEnd, failure: CoderError | None = None) -> None:
        self._poller.drop(member)
        self._waiting.discard(member.number)
        member.free()
        member.end = end
        if failure is None:
            return
        position = self._earlier[member.number]
        failure.last_id = position.last_id_at(position.size)
        failure.bookmark = position.bookmark_at(position.size)
        member.failure = without_frames(failure)
        self._on_failure(member.agent, failure)

    def read(self, deadline: float) -> MergedPosition[A] | None:
        """
        Return the next lines of all logs, in the order of their ids; see `Engine.read`.
        """
        if time.monotonic() - self._left_at > self._pauses.long_absence:
            for member in self.members:
                member.feed.expect_break()
        try:
            self._account()
            return self._gather(deadline)
        finally:
            self._left_at = time.monotonic()

    def _account(self) -> None:
        """
        Note that the lines of the batch were handed out.
        """
        for number, position in self._batch.items():
            position.pending.clear()
            self._earlier[number] = position
            self._count += position.size
            self._late += position.lates[-1] if position.lates else 0
        if self._batch:
            self._batch = {}

    def _gather(self, deadline: float) -> MergedPosition[A] | None:
        """
        Wait for lines, and put them in order.
        """
        is_last = False
        while True:
            self._step_all()
            if self._woken:  # checked first: `wake` wakes the members, too
                raise ClosedError
            if self._full and not self._awaits_first_answers():
                return self._next_batch()
            if not (self._ready or self._full or self._connecting or self._waiting):
                raise EndedError(StreamEnd.ALL_ENDED)
            # A member that always has lines delays neither the other members nor the caller.
            self._await(0.0 if self._ready else deadline)
            if time.monotonic() >= deadline:
                if is_last or not self._ready:
                    return None
                is_last = True

    def _next_batch(self) -> MergedPosition[A]:
        full, self._full = self._full, []
        self._ready.extend(full)
        self._batch = {m.number: m.pending for m in full if m.pending is not None}
        positions = list(self._batch.values())
        places = in_order_of_ids([position.ids for position in positions])
        logs = [iter(position.pending) for position in positions]
        items = [AgentLog(full[place].agent, next(logs[place])) for place in places]
        for member in full:
            member.pending = None
        return self._position_of(items, [full[place].number for place in places])

    def _awaits_first_answers(self) -> bool:
        """
        Whether lines that came are held back until other agents have sent their first answers.
        """
        if time.monotonic() >= self._first_answers_until:
            return False
        if all(member.feed.answered or member.end is not None for member in self.members):
            self._first_answers_until = 0.0
            return False
        return True

    def _step_all(self) -> None:
        """
        Step once each member that may have lines or be at its end.
        """
        while self._back:
            member, work = self._back.popleft()
            self._connecting -= 1
            self._step(member, work.result)
        for _ in range(len(self._ready)):
            member = self._ready.popleft()
            if member.feed.may_connect():
                self._step_elsewhere(member)
            else:
                self._step(member, member.feed.step)
        while self._reported:
            reported = self._reported.popleft()
            if self._on_reconnect is not None:
                self._on_reconnect(*reported)

    def _step(self, member: Member[A], step: Callable[[], LogPosition | None]) -> None:
        try:
            position = step()
        except EndedError as ended:
            self._end(member, ended.end, ended.failure)
        except CoderError as error:
            self._end(member, StreamEnd.FAILED, error)
        else:
            self._note(member, position)

    def _note(self, member: Member[A], position: LogPosition | None) -> None:
        if position is not None and position.pending:
            member.pending = position
            self._full.append(member)
            self._waiting.discard(member.number)
        elif position is not None:
            self._earlier[member.number] = position
            self._ready.append(member)
        else:
            self._wait_for(member)

    def _wait_for(self, member: Member[A]) -> None:
        interests = member.feed.interests()
        if interests is None:
            self._ready.append(member)
        else:
            self._poller.set(member, interests)
            self._waiting.add(member.number)

    def _step_elsewhere(self, member: Member[A]) -> None:
        assert self._diallers is not None
        back, alarm = self._back, self._poller.alarm
        self._poller.drop(member)
        self._waiting.discard(member.number)

        def come_back(work: Future[LogPosition | None]) -> None:
            back.append((member, work))
            alarm.ring()

        self._connecting += 1
        self._diallers.submit(member.step).add_done_callback(come_back)

    def _await(self, deadline: float) -> None:
        """
        Wait for a member that may have lines.
        """
        until = deadline
        if self._full:
            until = min(deadline, self._first_answers_until)
            for member in self._full:  # the lines that they have now are enough
                self._poller.drop(member)
        else:
            self._turns.begin(deadline)
        woken = self._poller.wait(until)
        self._turns.end()
        # A ready member may still be registered. A second step would lose its lines.
        due = [m for m in woken if m.number in self._waiting]
        self._waiting.difference_update(member.number for member in due)
        self._ready.extend(due)

    def counts(self) -> Counts:
        """
        Return the counts of all agents' connections.
        """
        each = [member.feed.counts() for member in self.members]
        return Counts(
            bytes=sum(counts.bytes for counts in each),
            reconnects=sum(counts.reconnects for counts in each),
            checks=sum(counts.checks for counts in each),
            overflowed=any(counts.overflowed for counts in each),
        )

    def wake(self) -> None:
        """
        Stop the thread that opens or reads; see `Engine.wake`.
        """
        self._woken = True
        self._poller.alarm.ring()
        for member in self.members:
            member.feed.wake()

    def free(self) -> None:
        """
        Free all resources; see `Engine.free`.
        """
        self._woken = True
        for member in self.members:
            member.free()
        if self._diallers is not None:
            self._diallers.close()
        self._poller.close()

    def after_fork_in_child(self) -> None:
        """
        Release all that belongs to the parent process. The thread pool is dropped as it is, because
        its lock may be held. A read that the parent began stops in the child.
        """
        self._woken = True
        self._diallers = None
        self._poller.after_fork_in_child()
