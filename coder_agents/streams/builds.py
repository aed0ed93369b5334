"""
The log of an agent, and of the agents of the same name that the next builds have.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from coder_agents.errors import CoderError
from coder_agents.schema import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceStatus,
    from_json,
)
from coder_agents.streams.filters import Choice
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.link import Broken, EndedError
from coder_agents.streams.logs import LogSource, LogStream
from coder_agents.streams.options import StreamEnd, StreamOptions
from coder_agents.transport import Source, is_gone

logger = logging.getLogger("coder_agents")

_FIRST_PAUSE = 0.5  # seconds between two looks; longer and longer while they show the same
_LONGER = 1.5
_LONGEST_PAUSE = 2.0  # while a build is under way: what a stop script prints can be had no longer
_LONGEST_REST = 10.0  # otherwise
_LATEST_END = 8.0  # seconds that late lines are waited for when the next build is there
_STOPPED_FOR = 10.0  # seconds; a restart is a stop, and then a start that somebody has to ask for

_ENDS_OF_A_BUILD = frozenset(
    {StreamEnd.NOT_IN_LATEST_BUILD, StreamEnd.SERVER_CLOSED, StreamEnd.AGENT_GONE}
)
_AT_REST = frozenset({WorkspaceStatus.FAILED, WorkspaceStatus.CANCELED, WorkspaceStatus.RUNNING})

Outcome = WorkspaceAgent | StreamEnd
"""
What a stream is to do when a log is over: go on with that agent's, or end.
"""


@attrs.frozen(kw_only=True)
class BuildLog:
    """
    The log that one build's agent has.

    Attributes:
        data: the agent.
        agent: the same, as the one who asks for the stream knows it.
        follow: makes a source that follows the lines behind an id.
        read: makes a source of the lines that are there behind an id, as its one message.
        overflowed: whether the log was full when the agent was last read.
    """

    data: WorkspaceAgent
    agent: Any
    follow: LogSource
    read: LogSource
    overflowed: Callable[[], bool]


@attrs.define
class _Watch:
    """
    What is known since a log was over.

    Attributes:
        ended: how it was over.
        readable: whether the deployment still tells what is in it.
        read_next: whether the log is asked for next, and not the workspace.
        quiet: whether the newest answer had nothing new.
        status: of the workspace, when it was last read; None before.
        outcome: what that says is to be done.
        since: since when it does, by `time.monotonic`.
    """

    ended: EndedError
    readable: bool = True
    read_next: bool = True
    quiet: bool = False
    status: WorkspaceStatus | None = None
    outcome: Outcome | None = None
    since: float = 0.0
    _pause: float = 0.0

    def note(self, status: WorkspaceStatus, outcome: Outcome | None) -> bool:
        """
        Note what the workspace says; return whether it says to do something else than before.
        """
        if status != self.status:
            self.status = status
            self.hurry()
        if _key(outcome) == _key(self.outcome):
            return False
        self.outcome, self.since, self.quiet = outcome, time.monotonic(), False
        return True

    def hurry(self) -> None:
        """
        Note that something happens: what comes next is looked for soon.
        """
        self._pause = _FIRST_PAUSE

    def pause(self) -> float:
        """
        Return the seconds until the next look.
        """
        pause = self._pause
        longest = _LONGEST_REST if self.status in _AT_REST else _LONGEST_PAUSE
        self._pause = min(pause * _LONGER, longest)
        return pause


def _key(outcome: Outcome | None) -> object:
    return outcome.id if isinstance(outcome, WorkspaceAgent) else outcome


class AcrossBuildsStream(LogStream):
    """
    The lines of an agent's log, and then those of the agent of the same name that the
    workspace's next build has.

    When a log is over, because there is a newer build, what still comes in it is asked for as long
    as it can be had: lines that were on their way, and what the scripts print that the agent runs
    when it stops. When the newer build lists the agent, it goes on with that one's log. It
    ends when the workspace is stopped and nobody asks for another build, when the workspace is
    deleted, and when a complete build has no such agent. A build that fails ends nothing: the
    old agent may go on, and another build may come.

    Args:
        log: the first agent's.
        next_log: makes the log of an agent of a newer build; no input or output.
        on_build: called with the agent of a newer build before its first line.
        the others: as those of `LogStream`.
    """

    def __init__(
        self,
        log: BuildLog,
        *,
        after: int | str,
        options: StreamOptions,
        choose: Callable[[], Choice | None],
        workspace: Callable[[], Source[bytes]],
        next_log: Callable[[Workspace, WorkspaceAgent], BuildLog],
        on_build: Callable[[Any], object] | None = None,
    ) -> None:
        self._log = log
        self._source_of_workspace = workspace
        self._next_log = next_log
        self._on_build = on_build
        self._watch: _Watch | None = None
        self._newest_before = 0
        super().__init__(
            log.follow,
            agent_id=log.data.id,
            after=after,
            options=options,
            choose=choose,
            workspace=workspace,
            overflowed=log.overflowed,
        )

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was yielded, of whichever build; None before the first.
        """
        return max(self._newest_before, super().last_id or 0) or None

    def _receive(self, deadline: float | None) -> bytes | None:
        if self._watch is not None:
            return self._wait(self._watch, deadline)
        try:
            return super()._receive(deadline)
        except EndedError as ended:
            if not _ends_a_build(ended):
                raise
            self._watch = _Watch(ended)
        self._link.rest(0.0)
        return None

    def _last_look(self, end: StreamEnd) -> float:
        raise EndedError(end)  # late lines are looked for while the next build is

    def _judge(self, broken: Broken) -> float | None:
        if self._watch is None:
            return super()._judge(broken)
        if is_gone(broken):
            raise EndedError(StreamEnd.WORKSPACE_DELETED)
        return None

    def _items(self, message: bytes) -> list[WorkspaceAgentLog]:
        items = super()._items(message)
        if self._watch is not None:
            self._watch.quiet = not self._received.new
            if not self._watch.quiet:
                self._watch.hurry()
        return items

    def _wait(self, watch: _Watch, deadline: float | None) -> bytes | None:
        """
        Look for what still comes in the log that is over, and then for the next build, in turn.
        """
        if not self._link.waited(deadline):
            return None
        if watch.read_next:
            watch.read_next = False
            return self._read_on(watch) if watch.readable else None
        self._look(watch)
        return None

    def _read_on(self, watch: _Watch) -> bytes | None:
        watch.quiet = False
        asked = time.monotonic()
        try:
            message = self._link.fetch(self._log.read(self._ledger.floor))
        except CoderError as error:
            logger.debug("%s: what still comes cannot be read: %s", self._what, error)
            watch.readable = not is_gone(error)
            return None
        self._owed = asked
        return message

    def _look(self, watch: _Watch) -> None:
        try:
            document = self._link.fetch(self._source_of_workspace())
        except CoderError as error:
            self._link.lost(error)
            return
        self._link.progress()
        watch.read_next = True
        workspace = from_json(document or b"", Workspace)
        status = workspace.latest_build.status
        if watch.note(status, self._outcome(watch, workspace)):
            self._link.rest(0.0)  # what the log says now may be all that it ever says
        elif watch.outcome is None or not self._is_drained(watch):
            self._link.rest(watch.pause())
        else:
            self._do(watch, watch.outcome, workspace)

    def _outcome(self, watch: _Watch, workspace: Workspace) -> Outcome | None:
        build, own = workspace.latest_build, self._log.data
        if any(agent.id == own.id for agent in build.agents):
            return watch.ended.end  # no newer build: it was over for another reason
        successor = _successor(own, build.agents)
        if successor is not None:
            return successor
        if build.status == WorkspaceStatus.RUNNING and own.parent_id is None:
            return StreamEnd.NOT_IN_LATEST_BUILD
        return {
            WorkspaceStatus.STOPPED: StreamEnd.WORKSPACE_STOPPED,
            WorkspaceStatus.DELETED: StreamEnd.WORKSPACE_DELETED,
        }.get(build.status)

    def _is_drained(self, watch: _Watch) -> bool:
        """
        Whether nothing more is to be expected of the log that is over, nor a start after a stop.
        """
        seconds = time.monotonic() - watch.since
        if watch.outcome is StreamEnd.WORKSPACE_STOPPED and seconds < _STOPPED_FOR:
            return False
        if not watch.readable or seconds >= _LATEST_END:
            return True
        return watch.quiet and self._ledger.settled_at() is None

    def _do(self, watch: _Watch, outcome: Outcome, workspace: Workspace) -> None:
        if isinstance(outcome, WorkspaceAgent):
            self._go_on(self._next_log(workspace, outcome))
        elif outcome is watch.ended.end:
            raise watch.ended
        else:
            raise EndedError(outcome)

    def _go_on(self, log: BuildLog) -> None:
        self._newest_before = self.last_id or 0
        self._what = self._link.what = f"the log of agent {log.data.id}"
        if self._choice is not None:
            self._choice = self._choice.for_next_build(log.data.log_sources)
        ledger = Ledger(settle=self._options.settle, remember=self._options.remember)
        self._begin(log.follow, ledger, log.data.id, log.overflowed)
        self._log, self._watch = log, None
        self._link.rest(0.0)
        if self._on_build is not None:
            self._on_build(log.agent)


def _ends_a_build(ended: EndedError) -> bool:
    if ended.failure is None:
        return ended.end in _ENDS_OF_A_BUILD
    return ended.end is StreamEnd.FAILED and is_gone(ended.failure)


def _successor(own: WorkspaceAgent, agents: Iterable[WorkspaceAgent]) -> WorkspaceAgent | None:
    """
    Return the one of *agents* that is called as *own* is, and like it is one of a template, or
    one of another agent.
    """
    for agent in agents:
        if agent.name == own.name and (agent.parent_id is None) == (own.parent_id is None):
            return agent
    return None
