"""
What the end of a connection means for a log: another try, or the end of the stream.

A server closes with code 1000 for a newer build, for a deleted sub-agent, and for its own restart.
A rolling restart behind a load balancer can close with 1000 twice. A policy here decides, without
input or output and without waiting; the feed carries the decision out.
"""

from __future__ import annotations

import uuid
from typing import Any, Protocol

import attrs

from coder_agents.errors import CoderError
from coder_agents.schema import Workspace
from coder_agents.streams.options import StreamEnd
from coder_agents.streams.pauses import PAUSES, Pauses
from coder_agents.streams.reconnecting import Broken
from coder_agents.transport import DroppedError, is_gone

NORMAL = 1000
"""
The close code of a normal end: RFC 6455, section 7.4.1.
"""


@attrs.frozen
class ConnectAgain:
    """
    Connect again, *delay* seconds from now; None for the back-off of the options.
    """

    delay: float | None = None


@attrs.frozen
class ReadWorkspace:
    """
    Read the workspace *delay* seconds from now, and pass it to `EndPolicy.workspace`.

    With *failure*, the delay is the back-off after that failure. With *is_progress*, the deployment
    has answered: a later failure begins another outage.
    """

    delay: float = 0.0
    failure: CoderError | None = None
    is_progress: bool = False


@attrs.frozen
class ReadLog:
    """
    Read the log once *delay* seconds from now, and pass the result to `EndPolicy.log`.

    The deployment has answered: a later failure begins another outage.
    """

    delay: float = 0.0


@attrs.frozen
class End:
    """
    End the stream with the reason *end*; raise *failure* where it is not None.
    """

    end: StreamEnd
    failure: CoderError | None = None


@attrs.frozen
class Follow:
    """
    Continue with another log, a `coder_agents.streams.log_source.AgentLogSource`.
    """

    log: Any


Decision = ConnectAgain | ReadWorkspace | ReadLog | End | Follow


@attrs.frozen
class Facts:
    """
    The facts by which a policy decides.

    Attributes:
        now: the time, by `time.monotonic`.
        continued: whether the connection sent more than its backlog, or a ping.
        settled_at: when the last late line is settled; None where every line is settled.
    """

    now: float
    continued: bool
    settled_at: float | None


class EndPolicy(Protocol):
    """
    Decides what the end of a connection means.
    """

    def disconnected(self, broken: Broken, facts: Facts) -> Decision:
        """
        Decide what to do after *broken*, with which the connection ended.
        """

    def workspace(self, answer: Workspace | CoderError, facts: Facts) -> Decision:
        """
        Decide by the workspace, or by the error of reading it.
        """

    def log(self, answer: bool | CoderError, facts: Facts) -> Decision:
        """
        Decide by the log: by whether it had new lines, or by the error of reading it.
        """


class OneBuild:
    """
    The log of one build's agent, which ends with the build.

    Args:
        knows_workspace: whether the agent's workspace can be read.
        reconnects: whether the stream connects again after a connection breaks.
        waits_for_late: whether the log is read once more when its late lines are settled.
        pauses: how long to wait before another try, and for late lines.
    """

    def __init__(
        self,
        agent_id: uuid.UUID,
        *,
        knows_workspace: bool,
        reconnects: bool,
        waits_for_late: bool = True,
        pauses: Pauses = PAUSES,
    ) -> None:
        self._agent_id = agent_id
        self._knows_workspace = knows_workspace
        self._reconnects = reconnects
        self._waits_for_late = waits_for_late
        self._pauses = pauses
        self._normal_closes = 0
        self._first_at = 0.0
        self._ending: StreamEnd | None = None

    def disconnected(self, broken: Broken, facts: Facts) -> Decision:
        """
        Decide what to do after *broken*.
        """
        if facts.continued:  # earlier closes do not count
            self._normal_closes = 0
            self._ending = None
        if self._ending is not None:
            return End(self._ending)
        if isinstance(broken, DroppedError) and broken.code == NORMAL:
            return self._closed_normally(facts)
        if self._normal_closes and is_gone(broken):
            return End(StreamEnd.AGENT_GONE)
        return ConnectAgain()

    def _closed_normally(self, facts: Facts) -> Decision:
        self._normal_closes += 1
        if self._normal_closes == 1:
            self._first_at = facts.now
        if not self._reconnects:
            return ReadWorkspace() if self._knows_workspace else ConnectAgain()
        if self._normal_closes == 1:
            return ConnectAgain(self._pauses.second_try)
        if self._knows_workspace:
            return ReadWorkspace()
        if self._normal_closes == 2:
            return ConnectAgain(self._pauses.third_try)
        return self._over(StreamEnd.SERVER_CLOSED, facts)

    def workspace(self, answer: Workspace | CoderError, facts: Facts) -> Decision:
        """
        Decide by whether the latest build of the workspace lists the agent.
        """
        if isinstance(answer, CoderError):
            if is_gone(answer):
                return End(StreamEnd.AGENT_GONE)
            self._normal_closes = 1
            return ConnectAgain()
        if any(agent.id == self._agent_id for agent in answer.latest_build.agents):
            self._normal_closes = 0
            return ConnectAgain()
        return self._over(StreamEnd.NOT_IN_LATEST_BUILD, facts)

    def log(self, answer: bool | CoderError, facts: Facts) -> Decision:
        """
        Connect again: this policy does not decide by the log.
        """
        return ConnectAgain()

    def _over(self, end: StreamEnd, facts: Facts) -> Decision:
        """
        Return the end, or one more connection for when the late lines are settled.
        """
        if facts.settled_at is None or not (self._waits_for_late and self._reconnects):
            return End(end)
        self._ending = end
        until = min(facts.settled_at, self._first_at + self._pauses.max_settling)
        return ConnectAgain(max(0.0, until - facts.now))
