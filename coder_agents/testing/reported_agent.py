"""
The state of one agent that the embedded deployment reports.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from coder_agents.schema import WorkspaceAgent, WorkspaceAgentLifecycle, WorkspaceAgentStatus
from coder_agents.testing.description import DescriptionFacts, describe
from coder_agents.testing.notices import Notices
from coder_agents.testing.runner import ScriptRunner
from coder_agents.testing.timelines import Document, Lines, Report, play, read_timeline, report_of

if TYPE_CHECKING:
    from coder_agents.testing.state import State

STARTED = frozenset({"ready", "start_timeout", "start_error"})


class ReportedAgent:
    """
    The state of an agent that the deployment reports: the agent's own, or that of a timeline.

    Attributes:
        id: its UUID.
        notices: notifies when the agent connects or disconnects.
    """

    def __init__(self, state: State, facts: DescriptionFacts) -> None:
        self.id = facts.id
        self.notices = Notices()
        self._state = state
        self._facts = facts
        self._recorded: Report | None = None
        self._replays = 0
        self._changed = threading.Condition()
        self._runner = ScriptRunner(facts.name)

    @property
    def data(self) -> WorkspaceAgent:
        """
        The agent as the deployment reports it now.
        """
        with self._changed:
            return self._describe() if self._recorded is None else self._recorded.agent

    @property
    def connected(self) -> bool:
        """
        Whether it is connected to the deployment.
        """
        with self._changed:
            recorded = self._recorded
            status = self._facts.status if recorded is None else recorded.agent.status
            return status == WorkspaceAgentStatus.CONNECTED

    @property
    def document(self) -> WorkspaceAgent | Document:
        """
        The JSON form of `data`. During a timeline it is the recorded document, unknown fields
        included.
        """
        with self._changed:
            return self._describe() if self._recorded is None else self._recorded.document

    def _describe(self) -> WorkspaceAgent:
        return describe(self._facts, self._state.logs, self._state.release)

    def replay(self, timeline: Mapping[str, Any], *, speed: float = 1.0) -> None:
        """
        Play the recorded start of another agent in place of this agent's own state.

        From now on the deployment reports each recorded poll at its time, with this agent's ids and
        name, and the last poll after that. Log lines come at their recorded times, each stored
        batch at once, with ids of this deployment. Recorded times are not changed.

        Arguments:
            timeline: ``polls``, a list with ``t``, seconds since the beginning, and ``body``, the
                answer to a GET of the agent (text, or decoded), in order; and ``logs``, the lines
                as a GET returns them. The polls' ``updated_at`` places each ``created_at`` of a
                line between the polls.
            speed: how many times faster than recorded the timeline is played.

        Raises:
            ValueError: the timeline has no polls, or the polls are not in order; the speed is not
                above 0.
            DecodeError: a poll is not an agent, or a line is not a log line.
        """
        if not speed > 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        first, *later = read_timeline(timeline, self._describe())
        with self._changed:
            self._replays += 1
            number = self._replays
        self._apply(number, first.change)
        apply, pause = partial(self._apply, number), self._runner.pause
        self._runner.spawn(partial(play, later, apply, pause=pause, speed=speed))

    def _apply(self, number: int, change: Report | Lines) -> None:
        if number != self._replays:
            # Another timeline has replaced this one.
            return
        if isinstance(change, Report):
            with self._changed:
                self._recorded = change
                self._changed.notify_all()
            self.notices.notify()
        else:
            logs = self._state.logs
            moment = change.created_at
            logs.commit(logs.reserve(self.id, change.source_id, change.lines, created_at=moment))

    def set_status(self, status: str) -> None:
        """
        Set the status: ``connecting`` (never connected so far), ``connected``, ``disconnected`` or
        ``timeout``.
        """
        with self._changed:
            self._facts.status = WorkspaceAgentStatus(status)
            moment = self._touch()
            if status == "connected":
                self._facts.times.setdefault("first_connected_at", moment)
                self._facts.times["last_connected_at"] = moment
                self._forget("disconnected_at")
            elif status == "disconnected":
                self._facts.times["disconnected_at"] = moment
            elif status == "connecting":
                self._forget("first_connected_at", "last_connected_at", "disconnected_at")
            self._override(status=status)
            self._changed.notify_all()
        self.notices.notify()

    def disconnect(self) -> None:
        """
        Disconnect from the deployment, as when the machine's network fails.
        """
        self.set_status("disconnected")

    def connect(self) -> None:
        """
        Connect to the deployment again.
        """
        self.set_status("connected")

    def set_lifecycle(self, lifecycle: str) -> None:
        """
        Set the lifecycle state, such as ``starting`` or ``shutting_down``.
        """
        with self._changed:
            self._facts.lifecycle = WorkspaceAgentLifecycle(lifecycle)
            moment = self._touch()
            if lifecycle == "created":
                self._forget("started_at", "ready_at")
            elif lifecycle == "starting":
                self._forget("ready_at")
                self._facts.times["started_at"] = moment
            elif lifecycle in STARTED:
                self._facts.times["ready_at"] = moment
            self._override(lifecycle_state=lifecycle)
            self._changed.notify_all()

    def wait_started(self, timeout: float | None = 30) -> WorkspaceAgentLifecycle:
        """
        Wait until its startup scripts have ended, at most *timeout* seconds, None for no limit.

        Returns:
            The lifecycle state: ``ready``, ``start_timeout`` or ``start_error``.

        Raises:
            TimeoutError: the scripts have not ended after *timeout* seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.data.lifecycle_state in STARTED, timeout):
                state = self.data.lifecycle_state
                raise TimeoutError(f"{self!r} is still {state} after {timeout} s")
            return self.data.lifecycle_state

    def _override(self, **changes: str) -> None:
        # A change by a test holds until the next poll of the timeline.
        if self._recorded is not None:
            self._recorded = report_of({**self._recorded.document, **changes})

    def _touch(self) -> datetime:
        moment = self._facts.times["updated_at"] = self._state.now()
        return moment

    def _forget(self, *names: str) -> None:
        for name in names:
            self._facts.times.pop(name, None)
