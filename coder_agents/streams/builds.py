"""
The log of an agent, and of the agents of the same name that the next builds have.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable

import attrs

from coder_agents.errors import CoderError
from coder_agents.schema import Workspace, WorkspaceAgent, WorkspaceStatus
from coder_agents.streams.ends import (
    Decision,
    End,
    Facts,
    Follow,
    OneBuild,
    ReadLog,
    ReadWorkspace,
)
from coder_agents.streams.log_source import AgentLogSource
from coder_agents.streams.options import StreamEnd
from coder_agents.streams.reconnect import without_frames
from coder_agents.streams.reconnecting import Broken
from coder_agents.transport import is_gone

logger = logging.getLogger("coder_agents")

_FIRST_PAUSE = 0.5  # seconds between two reads; longer and longer while they show the same
_GROWTH = 1.5
_MAX_PAUSE = 2.0  # while a build is under way: what a stop script prints can be had no longer
_MAX_PAUSE_AT_REST = 10.0  # otherwise
_MAX_SETTLING = 8.0  # seconds that late lines are waited for when the next build is there

STOPPED_FOR = 10.0
"""
Seconds for which a stopped workspace is expected to be started again: a restart is a stop, and then a
start that somebody has to request.
"""

_ENDS_OF_A_BUILD = frozenset(
    {StreamEnd.NOT_IN_LATEST_BUILD, StreamEnd.SERVER_CLOSED, StreamEnd.AGENT_GONE}
)
_AT_REST = frozenset({WorkspaceStatus.FAILED, WorkspaceStatus.CANCELED, WorkspaceStatus.RUNNING})

Outcome = WorkspaceAgent | End
"""
What is to be done when a log is over: continue with that agent's, or end.
"""


@attrs.define
class _Watch:
    """
    What is known since a log was over.

    Attributes:
        ended: how it was over.
        readable: whether the deployment still has the log.
        quiet: whether its newest answer had nothing new.
        status: of the workspace, when it was last read; None before.
        outcome: what the workspace says is to be done.
        since: since when it does, by `time.monotonic`.
    """

    ended: End
    readable: bool = True
    quiet: bool = False
    status: WorkspaceStatus | None = None
    outcome: Outcome | None = None
    since: float = 0.0
    _pause: float = 0.0

    def note(self, status: WorkspaceStatus, outcome: Outcome | None, now: float) -> bool:
        """
        Note what the workspace says; return whether it says to do something else than before.
        """
        if status != self.status:
            self.status = status
            self.hurry()
        if _key(outcome) == _key(self.outcome):
            return False
        self.outcome, self.since, self.quiet = outcome, now, False
        return True

    def hurry(self) -> None:
        """
        Note that something happens: the next read comes soon.
        """
        self._pause = _FIRST_PAUSE

    def pause(self) -> float:
        """
        Return the seconds until the next read.
        """
        pause = self._pause
        limit = _MAX_PAUSE_AT_REST if self.status in _AT_REST else _MAX_PAUSE
        self._pause = min(pause * _GROWTH, limit)
        return pause

    def read_again(self, delay: float) -> Decision:
        """
        Return the next read: of the log, as long as there is one, and then of the workspace.
        """
        return ReadLog(delay) if self.readable else ReadWorkspace(delay, is_progress=True)


def _key(outcome: Outcome | None) -> object:
    return outcome.id if isinstance(outcome, WorkspaceAgent) else outcome


class AcrossBuilds:
    """
    The policy for a log that continues with the agent of the same name in the workspace's next build.

    When a log is over, because there is a newer build, what still comes in it is read as long
    as it can be had: lines that were on their way, and what the scripts print that the agent runs
    when it stops. When the newer build lists the agent, the stream continues with that one's log. It
    ends when the workspace is stopped and nobody starts another build, when the workspace is
    deleted, and when a complete build has no such agent. A build that fails ends nothing: the
    old agent may continue, and another build may come.

    Args:
        agent: the first agent.
        next_log: makes the log of an agent of a newer build; no input or output.
        reconnects: whether a broken connection is made again at all.
    """

    def __init__(
        self,
        agent: WorkspaceAgent,
        *,
        next_log: Callable[[Workspace, WorkspaceAgent], AgentLogSource],
        reconnects: bool,
    ) -> None:
        self._agent = agent
        self._next_log = next_log
        self._reconnects = reconnects
        self._of_build = self._new_policy(agent.id)
        self._watch: _Watch | None = None

    def _new_policy(self, agent_id: uuid.UUID) -> OneBuild:
        # Late lines are waited for while the next build is.
        return OneBuild(
            agent_id, knows_workspace=True, reconnects=self._reconnects, waits_for_late=False
        )

    def broke(self, broken: Broken, facts: Facts) -> Decision:
        """
        Decide what *broken* means: the log is over, or another try.
        """
        decision = self._of_build.broke(broken, facts)
        if isinstance(broken, CoderError) and is_gone(broken) and not isinstance(decision, End):
            decision = End(StreamEnd.FAILED, without_frames(broken))
        return self._watched(decision)

    def _watched(self, decision: Decision) -> Decision:
        if not isinstance(decision, End):
            return decision
        self._watch = _Watch(decision)
        return ReadLog()

    def workspace(self, answer: Workspace | CoderError, facts: Facts) -> Decision:
        """
        Decide by the workspace: what is to be done now, or when it is read again.
        """
        watch = self._watch
        if watch is None:
            return self._watched(self._of_build.workspace(answer, facts))
        if isinstance(answer, CoderError):
            if is_gone(answer):
                return End(StreamEnd.WORKSPACE_DELETED)
            return ReadWorkspace(failure=answer)
        outcome = self._outcome(watch, answer)
        if watch.note(answer.latest_build.status, outcome, facts.now):
            return watch.read_again(0.0)  # what the log says now may be all that it ever says
        if watch.outcome is None or not self._is_drained(watch, facts):
            return watch.read_again(watch.pause())
        if isinstance(watch.outcome, End):
            return watch.outcome
        return self._continue(answer, watch.outcome)

    def log(self, answer: bool | CoderError, facts: Facts) -> Decision:
        """
        Note whether the log had something new; the workspace is read next.
        """
        watch = self._watch
        assert watch is not None
        watch.quiet = answer is False
        if isinstance(answer, CoderError):
            logger.debug("what still comes of a log cannot be read: %s", str(answer))
            watch.readable = not is_gone(answer)
        elif answer:
            watch.hurry()
        return ReadWorkspace()

    def _outcome(self, watch: _Watch, workspace: Workspace) -> Outcome | None:
        build, own = workspace.latest_build, self._agent
        if any(agent.id == own.id for agent in build.agents):
            return watch.ended  # no newer build: it was over for another reason
        successor = _successor(own, build.agents)
        if successor is not None:
            return successor
        if build.status == WorkspaceStatus.RUNNING and own.parent_id is None:
            return End(StreamEnd.NOT_IN_LATEST_BUILD)
        end = {
            WorkspaceStatus.STOPPED: StreamEnd.WORKSPACE_STOPPED,
            WorkspaceStatus.DELETED: StreamEnd.WORKSPACE_DELETED,
        }.get(build.status)
        return None if end is None else End(end)

    def _is_drained(self, watch: _Watch, facts: Facts) -> bool:
        """
        Whether nothing more is to be expected of the log that is over, nor a start after a stop.
        """
        seconds = facts.now - watch.since
        if watch.outcome == End(StreamEnd.WORKSPACE_STOPPED) and seconds < STOPPED_FOR:
            return False
        if not watch.readable or seconds >= _MAX_SETTLING:
            return True
        return watch.quiet and facts.settled_at is None

    def _continue(self, workspace: Workspace, agent: WorkspaceAgent) -> Decision:
        self._agent, self._watch = agent, None
        self._of_build = self._new_policy(agent.id)
        return Follow(self._next_log(workspace, agent))


def _successor(own: WorkspaceAgent, agents: Iterable[WorkspaceAgent]) -> WorkspaceAgent | None:
    """
    Return the one of *agents* that is called as *own* is, and like it is one of a template, or
    one of another agent.
    """
    for agent in agents:
        if agent.name == own.name and (agent.parent_id is None) == (own.parent_id is None):
            return agent
    return None
