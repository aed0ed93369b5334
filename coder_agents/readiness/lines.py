"""
The lines of an agent's log during a wait for the agent.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from coder_agents.readiness.attempts import Attempts, log_may_pass
from coder_agents.readiness.options import OnLog
from coder_agents.render import escape_controls
from coder_agents.schema import (
    Workspace,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceBuildTimings,
)
from coder_agents.streams import LogStream
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.pauses import PAUSES, Pauses

logger = logging.getLogger("coder_agents")

T = TypeVar("T")


class WaitedAgent(Protocol):
    """
    The part of `Agent` that a wait uses.
    """

    id: uuid.UUID

    @property
    def data(self) -> WorkspaceAgent:
        """
        The agent as it was last read.
        """

    @property
    def workspace(self) -> Workspace | None:
        """
        The agent's workspace; None where it is not known.
        """

    def refresh(self) -> WorkspaceAgent:
        """
        Read the agent, and return its data.
        """

    def build_timings(self) -> WorkspaceBuildTimings:
        """
        Return the timings of the agent's build.
        """

    def logs(self, after: int = 0) -> Sequence[WorkspaceAgentLog]:
        """
        Return the lines of the agent's log after an id.
        """

    def follow_logs(self, after: int | str = 0) -> LogStream:
        """
        Return a stream of the lines after an id or a bookmark.
        """


def name_of(agent: WaitedAgent) -> str:
    """
    Return the name of *agent* for messages, safe to show.
    """
    workspace = agent.workspace
    within = "" if workspace is None else f"{workspace.owner_name}/{workspace.name}."
    return f"agent {escape_controls(within + agent.data.name) or agent.id}"


class WaitLines(Protocol):
    """
    The log lines of a wait, which are passed to a callback or ignored.
    """

    def wait(self, seconds: float) -> None:
        """
        Wait for *seconds*, and pass on the lines that arrive meanwhile.
        """

    def catch_up(self) -> None:
        """
        Pass on the lines that the deployment has stored.
        """

    def drain(self) -> None:
        """
        Pass on the stored lines, and the lines that the agent is still sending.
        """

    def close(self) -> None:
        """
        Close the stream.
        """


class UnreadLines:
    """
    Lines that are ignored: no request is sent for them.
    """

    def wait(self, seconds: float) -> None:
        """
        Wait for *seconds*.
        """
        time.sleep(seconds)

    def catch_up(self) -> None:
        """
        Do nothing.
        """

    drain = close = catch_up


class FollowedLines:
    """
    Lines that are passed to *on_log* as they come, each once.

    The lines come from a stream. The stream is read between two reads of the agent, so it needs no
    thread. Where the stream breaks, or cannot be opened, it is opened again after the next read of
    the agent. The new stream begins after the last line that was passed on. At the end, the log is
    read for lines that the stream did not bring.
    """

    def __init__(self, agent: WaitedAgent, on_log: OnLog, pauses: Pauses = PAUSES) -> None:
        self._pauses = pauses
        self._agent = agent
        self._name = name_of(agent)
        self._on_log = on_log
        self._stream: LogStream | None = None
        self._after: int | str = 0
        self._attempts = Attempts(f"{self._name}: its log", log_may_pass)

    def wait(self, seconds: float) -> None:
        """
        Wait for *seconds*, and pass on the lines that arrive meanwhile.
        """
        until = time.monotonic() + seconds
        # A log that is written without a pause must not delay the next read of the agent.
        while time.monotonic() < until:
            log = self._try(lambda: self._next(until))
            if log is None:
                break
            self._on_log(log)
        time.sleep(max(0.0, until - time.monotonic()))

    def catch_up(self) -> None:
        """
        Close the stream, and pass on the lines that the deployment has stored.
        """
        self._pass_on(*self._close_at_position())

    def drain(self) -> None:
        """
        Close the stream, and pass on the stored lines and those that the agent is still sending.

        The log is read until two answers in a row are equal, for at most 2 seconds.
        """
        floor, known = self._close_at_position()
        pause = self._pauses.drain
        stop_at = time.monotonic() + self._pauses.max_drain
        answer = self._pass_on(floor, known)
        while time.monotonic() + pause < stop_at:
            time.sleep(pause)
            before, answer = answer, self._pass_on(floor, known)
            if answer is not None and answer == before:
                return
        logger.info("%s: its log still grows: more lines may follow", self._name)

    def _close_at_position(self) -> tuple[int, set[int]]:
        """
        Close the stream, and return the id after which to read, and the ids passed on after it.
        """
        self.close()
        if isinstance(self._after, int):
            return self._after, set()
        bookmark = Bookmark.read(self._after, self._agent.id)
        return bookmark.floor, set(bookmark.ids())

    def _pass_on(self, floor: int, known: set[int]) -> list[int] | None:
        """
        Read the lines after *floor*, pass on those that are not *known*, and return all their ids.

        Returns None where the log cannot be read now.
        """
        logs = self._try(lambda: self._agent.logs(floor))
        if logs is None:
            return None
        for log in logs:
            if log.id not in known:
                known.add(log.id)
                self._on_log(log)
        return [log.id for log in logs]

    def close(self) -> None:
        """
        Close the stream, and keep its position.
        """
        if self._stream is not None:
            self._stream.close()
            self._after = self._stream.bookmark
            self._stream = None

    def _next(self, until: float) -> WorkspaceAgentLog | None:
        if self._stream is None:
            self._stream = self._agent.follow_logs(self._after)
        return self._stream.poll(max(0.0, until - time.monotonic()))

    def _try(self, call: Callable[[], T]) -> T | None:
        """
        Return the result of *call*; None, and a closed stream, where it failed with an error that
        may pass.
        """
        result = self._attempts.read(call)
        if self._attempts.trouble is not None:
            self.close()
        return result
