"""
Waiting for the agent of a workspace, also while the workspace is restarted.

A restart is a stop and then a start, which somebody has to request: in between, the workspace is stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from coder_agents.errors import (
    AgentShutDownError,
    CoderError,
    NotFoundError,
    ReadyTimeoutError,
    WorkspacePendingError,
    WorkspaceStoppedError,
)
from coder_agents.readiness.lines import WaitedAgent
from coder_agents.readiness.options import Deadline, WaitOptions
from coder_agents.readiness.rules import poll_interval
from coder_agents.readiness.waiting import wait_ready
from coder_agents.schema import Workspace, WorkspaceTransition
from coder_agents.streams.pauses import Pauses
from coder_agents.streams.reconnect import is_resumable, requested_pause

logger = logging.getLogger("coder_agents")

A = TypeVar("A", bound=WaitedAgent)
T = TypeVar("T")

_TO_A_START = frozenset({WorkspaceTransition.START, WorkspaceTransition.STOP})


def wait_named(find: Callable[[], A], options: WaitOptions, deadline: Deadline) -> A:
    """
    Return the agent that *find* gives, once it is ready; see `Client.wait_ready`.
    """
    while True:
        agent = await_build(find, options.pauses, deadline)
        try:
            wait_ready(agent, options, deadline)
        except (AgentShutDownError, NotFoundError):
            if not _is_replaced(agent, find):
                raise
        else:
            return agent


def _is_replaced(agent: WaitedAgent, find: Callable[[], WaitedAgent]) -> bool:
    """
    Whether the workspace of *agent* has a newer build, which has another agent or may be followed
    by one that has.
    """
    try:
        return find().id != agent.id
    except CoderError as error:
        return _is_under_way(error) or isinstance(error, WorkspaceStoppedError)


def await_build(find: Callable[[], T], pauses: Pauses, deadline: Deadline) -> T:
    """
    Return what *find* gives, once its workspace has been started.

    Raises what *find* raises, but for the *WorkspacePendingError* of a start or a stop, for
    *WorkspaceStoppedError* until the workspace was stopped for as long as *pauses* say and, once a
    build was under way, for what may pass; *ReadyTimeoutError* where there is no more time.
    """
    builds = _Builds(pauses.stopped_for)
    while True:
        try:
            return find()
        except CoderError as error:
            if not builds.may_lead_to_a_start(error):
                raise
            trouble = error
        if not deadline.left:
            if isinstance(trouble, WorkspaceStoppedError):
                raise trouble
            waited = deadline.waited
            text = f"no agent after {waited:.1f} s: {trouble}"
            raise ReadyTimeoutError(text, waited=waited) from trouble
        pause = max(poll_interval(deadline.waited, pauses), requested_pause(trouble))
        time.sleep(min(pause, deadline.left))


class _Builds:
    """
    What a workspace without agents has done since it is waited for.

    Args:
        stopped_for: for how many seconds a stopped workspace is expected to be started again.
    """

    def __init__(self, stopped_for: float) -> None:
        self._stopped_for = stopped_for
        self._was_under_way = False
        self._stopped_since: float | None = None

    def may_lead_to_a_start(self, error: CoderError) -> bool:
        """
        Whether *error*, which says why there is no agent, may pass by itself.
        """
        if _is_under_way(error):
            if not self._was_under_way:
                logger.info("%s", error)
            self._was_under_way, self._stopped_since = True, None
            return True
        if isinstance(error, WorkspaceStoppedError):
            return self._may_be_a_restart(error.workspace)
        return self._was_under_way and is_resumable(error)

    def _may_be_a_restart(self, workspace: Workspace | None) -> bool:
        now = time.monotonic()
        if self._stopped_since is None:
            if not self._was_under_way and not self._has_just_stopped(workspace):
                return False
            self._stopped_since = now
        return now - self._stopped_since < self._stopped_for

    def _has_just_stopped(self, workspace: Workspace | None) -> bool:
        """
        Whether the build that stopped *workspace* has just ended, by the clock of this machine.

        Where the clocks differ by more, a restart that is found between its halves is not recognised.
        """
        ended = None if workspace is None else workspace.latest_build.job.completed_at
        if ended is None:
            return False
        return abs((datetime.now(UTC) - ended).total_seconds()) < self._stopped_for


def _is_under_way(error: CoderError) -> bool:
    """
    Whether *error* reports a build that starts the workspace, or stops it.
    """
    if not isinstance(error, WorkspacePendingError) or error.workspace is None:
        return False
    return error.workspace.latest_build.transition in _TO_A_START
