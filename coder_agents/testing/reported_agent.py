"""
What the embedded deployment reports of one agent.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from coder_agents.schema import WorkspaceAgent, WorkspaceAgentLifecycle, WorkspaceAgentStatus
from coder_agents.testing.description import Facts, describe
from coder_agents.testing.notices import Notices
from coder_agents.testing.runner import Runner
from coder_agents.testing.timelines import Document, Lines, Telling, play, read_timeline, tell

if TYPE_CHECKING:
    from coder_agents.testing.state import State

STARTED = frozenset({"ready", "start_timeout", "start_error"})


class ReportedAgent:
    """
    The state of an agent as the deployment reports it: its own, or that of a timeline.

    Attributes:
        id: its UUID.
        notices: notifies when the agent gets in touch or loses it.
    """

    def __init__(self, state: State, facts: Facts) -> None:
        self.id = facts.id
        self.notices = Notices()
        self._state = state
        self._facts = facts
        self._told: Telling | None = None
        self._replays = 0
        self._changed = threading.Condition()
        self._runner = Runner(facts.name)

    @property
    def data(self) -> WorkspaceAgent:
        """
        What the deployment tells of it now.
        """
        with self._changed:
            return self._describe() if self._told is None else self._told.agent

    @property
    def connected(self) -> bool:
        """
        Whether it is in touch.
        """
        with self._changed:
            status = self._facts.status if self._told is None else self._told.agent.status
            return status == WorkspaceAgentStatus.CONNECTED

    @property
    def document(self) -> WorkspaceAgent | Document:
        """
        The same as it is sent: while a timeline is played what that holds, known fields or not.
        """
        with self._changed:
            return self._describe() if self._told is None else self._told.document

    def _describe(self) -> WorkspaceAgent:
        return describe(self._facts, self._state.logs, self._state.release)

    def replay(self, timeline: Mapping[str, Any], *, speed: float = 1.0) -> None:
        """
        Play how an agent started elsewhere, instead of telling how this one does.

        From now on the deployment tells what was told then, under the ids and the name of this
        agent, and after the last poll what that told. Log lines come when they came, those that
        were stored together at once, with ids of this deployment. Times are told as they were.

        Arguments:
            timeline: ``polls``, a list with ``t``, seconds since the beginning, and ``body``, what
                GET of the agent gave then (the text, or decoded), in order; and ``logs``, its lines
                as GET gives them. A ``created_at`` is placed between the polls by their
                ``updated_at``.
            speed: how many times faster than it was.

        Raises:
            ValueError: the timeline has no polls, or not in order; the speed is not above 0.
            DecodeError: what should be an agent or a line of log is none.
        """
        if not speed > 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        first, *rest = read_timeline(timeline, self._describe())
        with self._changed:
            self._replays += 1
            number = self._replays
        self._apply(number, first.change)
        apply, pause = partial(self._apply, number), self._runner.pause
        self._runner.spawn(partial(play, rest, apply, pause=pause, speed=speed))

    def _apply(self, number: int, change: Telling | Lines) -> None:
        if number != self._replays:
            # Another timeline is played by now.
            return
        if isinstance(change, Telling):
            with self._changed:
                self._told = change
                self._changed.notify_all()
            self.notices.notify()
        else:
            logs = self._state.logs
            moment = change.created_at
            logs.commit(logs.reserve(self.id, change.source_id, change.lines, created_at=moment))

    def set_status(self, status: str) -> None:
        """
        Set whether it is in touch: ``connecting`` (it never was), ``connected``,
        ``disconnected`` or ``timeout``.
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
            self._retell(status=status)
            self._changed.notify_all()
        self.notices.notify()

    def disconnect(self) -> None:
        """
        Lose touch with the deployment, as when its machine's network fails.
        """
        self.set_status("disconnected")

    def connect(self) -> None:
        """
        Get in touch with the deployment again.
        """
        self.set_status("connected")

    def set_lifecycle(self, lifecycle: str) -> None:
        """
        Set how far it has come, such as ``starting`` or ``shutting_down``.
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
            self._retell(lifecycle_state=lifecycle)
            self._changed.notify_all()

    def wait_started(self, timeout: float | None = 30) -> WorkspaceAgentLifecycle:
        """
        Wait until its startup scripts are done, well or badly; *timeout* is in seconds, None for no
        limit.

        Returns:
            How it went: ``ready``, ``start_timeout`` or ``start_error``.

        Raises:
            TimeoutError: they are not done after *timeout* seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.data.lifecycle_state in STARTED, timeout):
                state = self.data.lifecycle_state
                raise TimeoutError(f"{self!r} is still {state} after {timeout} s")
            return self.data.lifecycle_state

    def _retell(self, **changes: str) -> None:
        # What was done to it by hand is told until the timeline tells otherwise.
        if self._told is not None:
            self._told = tell({**self._told.document, **changes})

    def _touch(self) -> datetime:
        moment = self._facts.times["updated_at"] = self._state.now()
        return moment

    def _forget(self, *names: str) -> None:
        for name in names:
            self._facts.times.pop(name, None)
