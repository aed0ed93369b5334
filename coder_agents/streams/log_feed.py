"""
The feed of one agent's log.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from coder_agents.errors import CoderError, DecodeError
from coder_agents.streams.checks import Check
from coder_agents.streams.ends import (
    ConnectAgain,
    Decision,
    End,
    EndPolicy,
    Facts,
    ReadLog,
    ReadWorkspace,
)
from coder_agents.streams.engine import Counts, EndedError
from coder_agents.streams.fetch import Fetch
from coder_agents.streams.filters import LogFilter
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.log_progress import LogProgress
from coder_agents.streams.log_source import AgentLogSource
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.position import LogPosition
from coder_agents.streams.reconnect import without_frames
from coder_agents.streams.reconnecting import Broken, ReconnectingConnection
from coder_agents.transport import ClosedError, DroppedError, Interest, Source


class LogFeed:
    """
    The lines of a log: one connection that follows it, and checks for late lines beside it.

    Args:
        log: whose log it is.
        ledger: where to begin, and what is new.
        log_filter: which lines are wanted; None for all.
        policy: what the end of a connection means.
        on_follow: called with the agent of the next log before its first line.
    """

    def __init__(
        self,
        log: AgentLogSource,
        *,
        ledger: Ledger,
        log_filter: LogFilter | None,
        policy: EndPolicy,
        options: StreamOptions,
        on_follow: Callable[[Any], object] | None = None,
    ) -> None:
        self._log = log
        self._progress = LogProgress(log, ledger, log_filter, options)
        self._policy = policy
        self._on_follow = on_follow
        self._connection: ReconnectingConnection[bytes] = ReconnectingConnection(
            log.following(ledger),
            what=log.what,
            options=options,
            connect_timeout=log.sources.connect_timeout,
        )
        self._check = self._new_check()
        self._check_due = math.inf
        # What the policy wants to be read before anything else, and why it does.
        self._errand: Fetch | None = None
        self._errand_for: Decision | None = None
        self._broken: Broken | None = None
        self._woken = False
        self._earlier = Counts()

    def _new_check(self) -> Check[[int]]:
        sources = self._log.sources
        return Check(
            sources.check_log,
            what=self._log.what,
            connect_timeout=sources.connect_timeout,
            pauses=sources.options._pauses,
        )

    @property
    def what(self) -> str:
        """
        What is read now, for messages.
        """
        return self._log.what

    def position(self) -> LogPosition:
        """
        Return the position before the first line.
        """
        return self._progress.position

    @property
    def answered(self) -> bool:
        """
        Whether a first message has come.
        """
        return self._connection.messages > 0 or self._connection.reconnects > 0

    def open(self) -> bool:
        """
        Take the next step of the first connection; return whether it is there.
        """
        return self._connection.connected()

    def step(self) -> LogPosition | None:
        """
        Return the next position; see `Feed.step`.
        """
        if self._woken:
            raise ClosedError
        progress, connection = self._progress, self._connection
        if progress.is_open:
            settled = progress.account()
            self._plan_check()
            if settled is not None:
                return settled
        if self._errand is not None:
            return self._run(self._errand)
        if time.monotonic() >= self._check_due:
            position = self._read_check(self._check)
            if position is not None:
                return position
        try:
            message = connection.receive()
        except (DroppedError, CoderError) as broken:
            self._broke(broken)
            return None
        return None if message is None else self._take(message)

    def _take(self, message: bytes) -> LogPosition:
        """
        Take *message*, and what came together with it; the first answers the request, and comes alone.
        """
        progress, connection = self._progress, self._connection
        if connection.messages == 1:
            position = progress.take(
                [message], requested=connection.requested, ids_first=progress.ledger.held > 0
            )
        elif connection.has_more:
            position = self._take_all([message, *connection.arrived()])
        else:
            position = progress.take([message])
        if progress.found_new and connection.outage is not None:
            connection.progress()
        return position

    def _take_all(self, messages: Sequence[bytes]) -> LogPosition:
        """
        Take *messages*: the first alone where one of them cannot be read.
        """
        try:
            return self._progress.take(messages)
        except DecodeError:
            self._connection.put_back(messages[1:])
        return self._progress.take(messages[:1])

    def _read_check(self, check: Check[[int]]) -> LogPosition | None:
        body = check.receive(self._progress.ledger.floor)
        if body is None:
            self._plan_check()
            return None
        try:
            position = self._progress.take([body], requested=check.requested, ids_first=True)
        except DecodeError as error:
            check.failed(error)
            position = None
        else:
            check.succeeded()
        self._plan_check()
        return position

    def _plan_check(self) -> None:
        """
        Note from when on the check is to be read: at once where one is in flight.
        """
        # A connection that has not answered yet is a check itself.
        wanted_at = self._progress.ledger.check_at() if self._connection.messages else None
        self._check_due = self._check.due_at(wanted_at)

    def _broke(self, broken: Broken) -> None:
        went_on = self._connection.messages > 1 or self._connection.pinged
        self._broken = without_frames(broken)
        self._do(self._policy.broke(broken, self._facts(went_on=went_on)))
        self._plan_check()

    def _facts(self, *, went_on: bool = False) -> Facts:
        return Facts(time.monotonic(), went_on, self._progress.ledger.settled_at())

    def _do(self, decision: Decision) -> None:
        match decision:
            case ConnectAgain(delay):
                assert self._broken is not None
                self._connection.lost(self._broken, delay)
            case ReadWorkspace(delay, failure, is_progress):
                if is_progress:
                    self._connection.progress()
                if failure is not None:
                    delay = self._connection.pause(failure)
                self._begin_errand(decision, self._log.sources.workspace, delay)
            case ReadLog(delay):
                self._connection.progress()
                self._begin_errand(decision, self._log.reading(self._progress.ledger), delay)
            case End(end, failure):
                raise EndedError(end, failure)
            case _:
                self._follow(decision.log)

    def _begin_errand(
        self, decision: Decision, new_source: Callable[[], Source[bytes]], delay: float
    ) -> None:
        self._connection.leave()
        self._check.free()
        self._errand_for = decision
        self._errand = Fetch(
            new_source,
            connect_timeout=self._log.sources.connect_timeout,
            at=time.monotonic() + delay,
        )

    def _run(self, errand: Fetch) -> LogPosition | None:
        try:
            document = errand.receive()
        except CoderError as error:
            self._end_errand(errand)
            self._answer(error)
            return None
        if document is None:
            return None
        self._end_errand(errand)
        return self._answer(document, requested=errand.requested)

    def _end_errand(self, errand: Fetch) -> None:
        self._add_to_earlier(bytes=errand.received)
        errand.free()
        self._errand = None

    def _answer(
        self, answer: bytes | CoderError, requested: float | None = None
    ) -> LogPosition | None:
        """
        Take what came of the errand to the policy; return the lines where it was a log.
        """
        if not isinstance(self._errand_for, ReadLog):
            workspace = self._log.workspace_of(answer)
            self._do(self._policy.workspace(workspace, self._facts()))
            return None
        try:
            if isinstance(answer, CoderError):
                raise answer
            position = self._progress.take([answer], requested=requested, ids_first=True)
        except CoderError as error:
            self._do(self._policy.log(error, self._facts()))
            return None
        self._do(self._policy.log(self._progress.found_new, self._facts()))
        return position

    def _follow(self, log: AgentLogSource) -> None:
        """
        Continue with *log*, whose agent is another.
        """
        self._add_to_earlier(bytes=self._check.received, checks=self._check.count)
        self._log = log
        self._progress.continue_with(log)
        self._check = self._new_check()
        self._connection.leave()
        self._connection.what = log.what
        self._connection.new_source = log.following(self._progress.ledger)
        if self._on_follow is not None:
            self._on_follow(log.agent)

    def _add_to_earlier(self, *, bytes: int, checks: int = 0) -> None:
        earlier = self._earlier
        self._earlier = attrs.evolve(
            earlier, bytes=earlier.bytes + bytes, checks=earlier.checks + checks
        )

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before another step; see `Feed.interests`.
        """
        if self._errand is not None:
            return self._errand.interests()
        return self._check.interests_beside(self._connection.interests(), self._check_due)

    def may_connect(self) -> bool:
        """
        Whether another step may dial: again, for a check, or to read the workspace.
        """
        if self._errand is not None:
            return self._errand.may_connect()
        if self._connection.may_connect():
            return True
        if self._progress.is_open or time.monotonic() < self._check_due:
            return False  # what is settled first may be all that a check is due for
        return self._check.may_connect(self._progress.ledger.floor)

    def expect_break(self) -> None:
        """
        Note that nobody has read for long.
        """
        self._connection.expects_break = True

    def counts(self) -> Counts:
        """
        Return what the connections have counted.
        """
        errand, check, earlier = self._errand, self._check, self._earlier
        under_way = 0 if errand is None else errand.received
        return Counts(
            bytes=earlier.bytes + self._connection.received + check.received + under_way,
            reconnects=self._connection.reconnects,
            checks=earlier.checks + check.count,
            overflowed=self._log.overflowed(),
        )

    def wake(self) -> None:
        """
        Make whoever opens or steps stop with *ClosedError*; from any thread or signal handler.
        """
        self._woken = True
        self._connection.wake()
        self._check.wake()
        errand = self._errand
        if errand is not None:
            errand.wake()

    def free(self) -> None:
        """
        Free all sockets, also twice.
        """
        self._woken = True
        self._connection.free()
        self._check.free()
        if self._errand is not None:
            self._errand.free()
