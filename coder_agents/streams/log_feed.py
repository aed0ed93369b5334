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
    The lines of a log: one connection that follows the log, and checks for late lines.

    Args:
        log: the log.
        ledger: the id to begin after, and which lines are new.
        log_filter: which lines are wanted; None for all.
        policy: decides what the end of a connection means.
        on_follow: called with the agent of the next log before its first line.

    Attributes:
        log: the log that is read now.
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
        self.log = log
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
        # The document that the policy wants read before anything else, and the policy's decision.
        self._fetch: Fetch | None = None
        self._fetch_for: Decision | None = None
        self._broken: Broken | None = None
        self._woken = False
        self._earlier = Counts()

    def _new_check(self) -> Check[[int]]:
        sources = self.log.sources
        return Check(
            sources.check_log,
            sources.check_would_dial,
            what=self.log.what,
            connect_timeout=sources.connect_timeout,
            pauses=sources.options._pauses,
        )

    @property
    def what(self) -> str:
        """
        The name of the log that is read now, for messages.
        """
        return self.log.what

    def position(self) -> LogPosition:
        """
        Return the position before the first line.
        """
        return self._progress.position

    @property
    def answered(self) -> bool:
        """
        Whether the log's first message has come.
        """
        return self._connection.messages > 0 or self._connection.reconnects > 0

    def open(self) -> bool:
        """
        Take the next step of the first connection; return whether it is open.
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
        if self._fetch is not None:
            return self._run(self._fetch)
        if time.monotonic() >= self._check_due:
            position = self._read_check(self._check)
            if position is not None:
                return position
        try:
            message = connection.receive()
        except (DroppedError, CoderError) as broken:
            self._disconnected(broken)
            return None
        return None if message is None else self._take(message)

    def _take(self, message: bytes) -> LogPosition:
        """
        Take *message*, and the messages that came with it; a connection's first message comes
        alone.
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
        Take *messages*; only the first one where one of them cannot be read.
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
        Note when to read the check next: at once while a check is in flight.
        """
        # A connection without an answer yet is itself a check.
        wanted_at = self._progress.ledger.check_at() if self._connection.messages else None
        self._check_due = self._check.due_at(wanted_at)

    def _disconnected(self, broken: Broken) -> None:
        continued = self._connection.messages > 1 or self._connection.pinged
        self._broken = without_frames(broken)
        self._do(self._policy.disconnected(broken, self._facts(continued=continued)))
        self._plan_check()

    def _facts(self, *, continued: bool = False) -> Facts:
        return Facts(time.monotonic(), continued, self._progress.ledger.settled_at())

    def _do(self, decision: Decision) -> None:
        match decision:
            case ConnectAgain(delay):
                assert self._broken is not None
                self._connection.disconnected(self._broken, delay)
            case ReadWorkspace(delay, failure, is_progress):
                if is_progress:
                    self._connection.progress()
                if failure is not None:
                    delay = self._connection.pause(failure)
                self._begin_fetch(decision, self.log.sources.workspace, delay)
            case ReadLog(delay):
                self._connection.progress()
                self._begin_fetch(decision, self.log.reading(self._progress.ledger), delay)
            case End(end, failure):
                raise EndedError(end, failure)
            case _:
                self._follow(decision.log)

    def _begin_fetch(
        self, decision: Decision, new_source: Callable[[], Source[bytes]], delay: float
    ) -> None:
        self._connection.drop()
        self._check.free()
        self._fetch_for = decision
        self._fetch = Fetch(
            new_source,
            connect_timeout=self.log.sources.connect_timeout,
            at=time.monotonic() + delay,
        )

    def _run(self, fetch: Fetch) -> LogPosition | None:
        try:
            document = fetch.receive()
        except CoderError as error:
            self._end_fetch(fetch)
            self._answer(error)
            return None
        if document is None:
            return None
        self._end_fetch(fetch)
        return self._answer(document, requested=fetch.requested)

    def _end_fetch(self, fetch: Fetch) -> None:
        self._add_to_earlier(bytes=fetch.received)
        fetch.free()
        self._fetch = None

    def _answer(
        self, answer: bytes | CoderError, requested: float | None = None
    ) -> LogPosition | None:
        """
        Pass the result of the fetch to the policy; return the position where the document is a log.
        """
        if not isinstance(self._fetch_for, ReadLog):
            workspace = self.log.workspace_of(answer)
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
        Continue with *log*, the log of another agent.
        """
        self._add_to_earlier(bytes=self._check.received, checks=self._check.count)
        self.log = log
        self._progress.continue_with(log)
        self._check = self._new_check()
        self._connection.drop()
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
        if self._fetch is not None:
            return self._fetch.interests()
        return self._check.interests_beside(self._connection.interests(), self._check_due)

    def may_connect(self) -> bool:
        """
        Whether another step may dial: to connect again, for a check, or to read the workspace.
        """
        if self._fetch is not None:
            return self._fetch.may_connect()
        if self._connection.may_connect():
            return True
        if self._progress.is_open or time.monotonic() < self._check_due:
            return False  # the next step may settle the ids for which a check is due
        return self._check.may_connect()

    def expect_break(self) -> None:
        """
        Note that no thread has read for a long time.
        """
        self._connection.expects_break = True

    def counts(self) -> Counts:
        """
        Return the counts of all connections.
        """
        fetch, check, earlier = self._fetch, self._check, self._earlier
        under_way = 0 if fetch is None else fetch.received
        return Counts(
            bytes=earlier.bytes + self._connection.received + check.received + under_way,
            reconnects=self._connection.reconnects,
            checks=earlier.checks + check.count,
            overflowed=self.log.overflowed(),
        )

    def wake(self) -> None:
        """
        Stop the thread that opens or steps with *ClosedError*; callable from any thread or signal
        handler.
        """
        self._woken = True
        self._connection.wake()
        self._check.wake()
        fetch = self._fetch
        if fetch is not None:
            fetch.wake()

    def free(self) -> None:
        """
        Free all sockets; a second call does nothing.
        """
        self._woken = True
        self._connection.free()
        self._check.free()
        if self._fetch is not None:
            self._fetch.free()
