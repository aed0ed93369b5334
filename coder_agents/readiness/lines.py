"""
The lines of an agent's log while it is waited for.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from coder_agents.errors import CoderError, MessageTooLargeError, StreamError
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
from coder_agents.streams.reconnect import is_resumable

logger = logging.getLogger("coder_agents")

T = TypeVar("T")


class WaitedAgent(Protocol):
    """
    The agent that is waited for, an `Agent`.
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
        Its workspace, where that is known.
        """

    def refresh(self) -> WorkspaceAgent:
        """
        Read the agent.
        """

    def build_timings(self) -> WorkspaceBuildTimings:
        """
        Read what its build lists of its scripts.
        """

    def logs(self, after: int = 0) -> Sequence[WorkspaceAgentLog]:
        """
        Read the lines of its log after an id.
        """

    def follow_logs(self, after: int | str = 0) -> LogStream:
        """
        Open a stream of the lines after an id or a bookmark.
        """


def name_of(agent: WaitedAgent) -> str:
    """
    Return what *agent* is called in messages, made safe to show.
    """
    workspace = agent.workspace
    within = "" if workspace is None else f"{workspace.owner_name}/{workspace.name}."
    return f"agent {escape_controls(within + agent.data.name) or agent.id}"


class Lines(Protocol):
    """
    What becomes of the lines.
    """

    def wait(self, seconds: float) -> None:
        """
        Wait so long, and pass on what comes meanwhile.
        """

    def catch_up(self) -> None:
        """
        Pass on what the deployment has by now.
        """

    def drain(self) -> None:
        """
        Pass on what there is, and what is still on its way.
        """

    def close(self) -> None:
        """
        Leave nothing open.
        """


class UnreadLines:
    """
    Lines that nobody wants: nothing is asked for.
    """

    def wait(self, seconds: float) -> None:
        """
        Wait so long.
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

    They come over a stream, which is read between two looks at the agent, and so by no thread
    of its own. Where it breaks, or cannot be opened, it is opened again at the next look, behind
    what was passed on. At the end the deployment is asked for what the stream did not bring.
    """

    def __init__(self, agent: WaitedAgent, on_log: OnLog, pauses: Pauses = PAUSES) -> None:
        self._pauses = pauses
        self._agent = agent
        self._name = name_of(agent)
        self._on_log = on_log
        self._stream: LogStream | None = None
        self._after: int | str = 0
        self._in_trouble = False

    def wait(self, seconds: float) -> None:
        """
        Wait so long, and pass on what comes meanwhile.
        """
        until = time.monotonic() + seconds
        # A log that is written all the time must not keep the agent from being looked at.
        while time.monotonic() < until:
            log = self._tried(lambda: self._next(until))
            if log is None:
                break
            self._on_log(log)
        time.sleep(max(0.0, until - time.monotonic()))

    def catch_up(self) -> None:
        """
        Pass on what the deployment has by now; nothing is followed any more.
        """
        self._pass_on(*self._where_it_stands())

    def drain(self) -> None:
        """
        Pass on what there is, and what is still on its way; nothing is followed any more.

        The deployment is asked again and again until two answers are equal, 2 seconds at most.
        """
        floor, known = self._where_it_stands()
        pause = self._pauses.drain
        stop_at = time.monotonic() + self._pauses.max_drain
        answer = self._pass_on(floor, known)
        while time.monotonic() + pause < stop_at:
            time.sleep(pause)
            before, answer = answer, self._pass_on(floor, known)
            if answer is not None and answer == before:
                return
        logger.info("%s: its log does not come to rest: lines may follow", self._name)

    def _where_it_stands(self) -> tuple[int, set[int]]:
        """
        Return the id behind which lines were passed on, and which.
        """
        self.close()
        if isinstance(self._after, int):
            return self._after, set()
        bookmark = Bookmark.read(self._after, self._agent.id)
        return bookmark.floor, set(bookmark.ids())

    def _pass_on(self, floor: int, known: set[int]) -> list[int] | None:
        """
        Ask for the lines behind *floor*, pass on those that are not *known*; return all ids.
        """
        logs = self._tried(lambda: self._agent.logs(floor))
        if logs is None:
            return None
        for log in logs:
            if log.id not in known:
                known.add(log.id)
                self._on_log(log)
        return [log.id for log in logs]

    def close(self) -> None:
        """
        Leave nothing open; what was passed on stays known.
        """
        if self._stream is not None:
            self._stream.close()
            self._after = self._stream.bookmark
            self._stream = None

    def _next(self, until: float) -> WorkspaceAgentLog | None:
        if self._stream is None:
            self._stream = self._agent.follow_logs(self._after)
        return self._stream.poll(max(0.0, until - time.monotonic()))

    def _tried(self, call: Callable[[], T]) -> T | None:
        """
        Return what *call* gives; None where it failed of what may pass.
        """
        try:
            result = call()
        except CoderError as error:
            if not _may_pass(error):
                raise
            # Once for each trouble: there may be many looks until it is over.
            level = logging.DEBUG if self._in_trouble else logging.WARNING
            logger.log(level, "%s: its log cannot be read now: %s", self._name, error)
            self._in_trouble = True
            self.close()
            return None
        self._in_trouble = False
        return result


def _may_pass(error: CoderError) -> bool:
    if isinstance(error, StreamError):
        return not isinstance(error, MessageTooLargeError)
    return is_resumable(error)
