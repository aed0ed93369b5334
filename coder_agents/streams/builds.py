"""
The policy for a log that continues across builds of the workspace.
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
from coder_agents.streams.pauses import PAUSES, Pauses
from coder_agents.streams.reconnect import without_frames
from coder_agents.streams.reconnecting import Broken
from coder_agents.transport import is_gone

logger = logging.getLogger("coder_agents")

_GROWTH = 1.5  # factor of the pause between two reads while the answers do not change

_ENDS_OF_A_BUILD = frozenset(
    {StreamEnd.NOT_IN_LATEST_BUILD, StreamEnd.SERVER_CLOSED, StreamEnd.AGENT_GONE}
)
_STABLE = frozenset({WorkspaceStatus.FAILED, WorkspaceStatus.CANCELED, WorkspaceStatus.RUNNING})

Outcome = WorkspaceAgent | End
"""
What to do when a log is over: continue with this agent's log, or end the stream.
"""


@attrs.define
class _BuildWatch:
    """
    The facts that are known after a log was over.

    Attributes:
        ended: the end that the log had.
        pauses: how long to wait between two reads.
        readable: whether the deployment still has the log.
        unchanged: whether the newest answer about the log had no new line.
        status: the workspace's status when the workspace was last read; None before.
        outcome: what to do according to the workspace; None while that is not decided.
        since: when the outcome last changed, by `time.monotonic`.
    """

    ended: End
    pauses: Pauses
    readable: bool = True
    unchanged: bool = False
    status: WorkspaceStatus | None = None
    outcome: Outcome | None = None
    since: float = 0.0
    _pause: float = 0.0

    def note(self, status: WorkspaceStatus, outcome: Outcome | None, now: float) -> bool:
        """
        Note the workspace's *status* and its *outcome*; return whether the outcome has changed.
        """
        if status != self.status:
            self.status = status
            self.hurry()
        if _key(outcome) == _key(self.outcome):
            return False
        self.outcome, self.since, self.unchanged = outcome, now, False
        return True

    def hurry(self) -> None:
        """
        Make the next read come soon, because something has changed.
        """
        self._pause = self.pauses.build_read

    def pause(self) -> float:
        """
        Return the seconds until the next read.
        """
        pause = self._pause
        is_stable = self.status in _STABLE
        limit = self.pauses.max_stable_read if is_stable else self.pauses.max_build_read
        self._pause = min(pause * _GROWTH, limit)
        return pause

    def read_again(self, delay: float) -> Decision:
        """
        Return the next read: of the log while it is readable, else of the workspace.
        """
        return ReadLog(delay) if self.readable else ReadWorkspace(delay, is_progress=True)


def _key(outcome: Outcome | None) -> object:
    return outcome.id if isinstance(outcome, WorkspaceAgent) else outcome


class AcrossBuilds:
    """
    The policy for a log that continues with the agent of the same name in the workspace's next
    build.

    When a log is over because a newer build exists, the policy reads the log for as long as lines
    may still come: late lines, and the output of the scripts that the agent runs when it stops.
    When the newer build lists the agent, the stream continues with the log of that agent. The
    stream ends when the workspace is stopped and nobody starts another build, when the workspace is
    deleted, and when a complete build has no such agent. A failed build ends nothing: the old agent
    may continue, and another build may come.

    Args:
        agent: the first agent.
        next_log: returns the log of an agent of a newer build, without input or output.
        reconnects: whether the stream connects again after a connection breaks.
        pauses: how long to wait between two reads, and for late lines.
    """

    def __init__(
        self,
        agent: WorkspaceAgent,
        *,
        next_log: Callable[[Workspace, WorkspaceAgent], AgentLogSource],
        reconnects: bool,
        pauses: Pauses = PAUSES,
    ) -> None:
        self._agent = agent
        self._pauses = pauses
        self._next_log = next_log
        self._reconnects = reconnects
        self._of_build = self._new_policy(agent.id)
        self._watch: _BuildWatch | None = None

    def _new_policy(self, agent_id: uuid.UUID) -> OneBuild:
        # The wait for the next build is a wait for late lines, too.
        return OneBuild(
            agent_id,
            knows_workspace=True,
            reconnects=self._reconnects,
            waits_for_late=False,
            pauses=self._pauses,
        )

    def disconnected(self, broken: Broken, facts: Facts) -> Decision:
        """
        Decide whether the log is over after *broken*, or is tried again.
        """
        decision = self._of_build.disconnected(broken, facts)
        if isinstance(broken, CoderError) and is_gone(broken) and not isinstance(decision, End):
            decision = End(StreamEnd.FAILED, without_frames(broken))
        return self._watched(decision)

    def _watched(self, decision: Decision) -> Decision:
        if not isinstance(decision, End):
            return decision
        self._watch = _BuildWatch(decision, self._pauses)
        return ReadLog()

    def workspace(self, answer: Workspace | CoderError, facts: Facts) -> Decision:
        """
        Decide by the workspace what to do now, or when to read the workspace again.
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
            return watch.read_again(0.0)  # at once: the log may soon be unreadable
        if watch.outcome is None or not self._is_drained(watch, facts):
            return watch.read_again(watch.pause())
        if isinstance(watch.outcome, End):
            return watch.outcome
        return self._continue(answer, watch.outcome)

    def log(self, answer: bool | CoderError, facts: Facts) -> Decision:
        """
        Note whether the log had new lines; the workspace is read next.
        """
        watch = self._watch
        assert watch is not None
        watch.unchanged = answer is False
        if isinstance(answer, CoderError):
            logger.debug("late lines of a log cannot be read: %s", str(answer))
            watch.readable = not is_gone(answer)
        elif answer:
            watch.hurry()
        return ReadWorkspace()

    def _outcome(self, watch: _BuildWatch, workspace: Workspace) -> Outcome | None:
        build, own = workspace.latest_build, self._agent
        if any(agent.id == own.id for agent in build.agents):
            return watch.ended  # no newer build: the log was over for another reason
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

    def _is_drained(self, watch: _BuildWatch, facts: Facts) -> bool:
        """
        Whether no more lines are expected of the log that is over, and no start after a stop.
        """
        seconds = facts.now - watch.since
        if watch.outcome == End(StreamEnd.WORKSPACE_STOPPED) and seconds < self._pauses.stopped_for:
            return False
        if not watch.readable or seconds >= self._pauses.max_settling:
            return True
        return watch.unchanged and facts.settled_at is None

    def _continue(self, workspace: Workspace, agent: WorkspaceAgent) -> Decision:
        self._agent, self._watch = agent, None
        self._of_build = self._new_policy(agent.id)
        return Follow(self._next_log(workspace, agent))


def _successor(own: WorkspaceAgent, agents: Iterable[WorkspaceAgent]) -> WorkspaceAgent | None:
    """
    Return the agent among *agents* that has the name of *own* and is of the same kind: an agent of
    the template, or a sub-agent.
    """
    for agent in agents:
        if agent.name == own.name and (agent.parent_id is None) == (own.parent_id is None):
            return agent
    return None
