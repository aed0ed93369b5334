"""
Waiting for the agent of a workspace, also while the workspace is restarted.

A restart is a stop and then a start, each a build that a user requests. Between the two builds the
workspace is stopped.
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


Advance = Callable[[CoderError], bool]
"""
Called with the reason why there is no agent. Returns whether it has waited for a build, after which
there may be an agent.
"""


def _never(trouble: CoderError) -> bool:
    return False


def wait_named(
    find: Callable[[], A], options: WaitOptions, deadline: Deadline, advance: Advance = _never
) -> A:
    """
    Wait until the agent that *find* returns is ready, and return it; see `Client.wait_ready`.
    """
    while True:
        agent = await_build(find, options.pauses, deadline, advance)
        try:
            wait_ready(agent, options, deadline)
        except (AgentShutDownError, NotFoundError):
            if not _is_replaced(agent, find):
                raise
        else:
            return agent


def _is_replaced(agent: WaitedAgent, find: Callable[[], WaitedAgent]) -> bool:
    """
    Whether the workspace of *agent* has another agent now, or a build after which it may have one.
    """
    try:
        return find().id != agent.id
    except CoderError as error:
        return _is_under_way(error) or isinstance(error, WorkspaceStoppedError)


def await_build(
    find: Callable[[], T], pauses: Pauses, deadline: Deadline, advance: Advance = _never
) -> T:
    """
    Wait until *find* returns an agent, and return that agent.

    Some errors of *find* do not end the wait: *WorkspacePendingError* of a start or a stop;
    *WorkspaceStoppedError* until the workspace was stopped for ``pauses.stopped_for`` seconds; after
    a build was under way, errors that may pass; and errors after which *advance* has waited.

    Raises the other errors of *find*, and those of *advance*; *ReadyTimeoutError* at the *deadline*.
    """
    builds = _Builds(pauses.stopped_for)
    while True:
        try:
            return find()
        except CoderError as error:
            trouble = error
        try:
            may_lead_to_a_start = builds.may_lead_to_a_start(trouble)
            if advance(trouble) and deadline.left:
                continue
            if not may_lead_to_a_start:
                raise trouble
            _pause(trouble, pauses, deadline)
        finally:
            del trouble  # the exception, its traceback and this frame would form a cycle


def _pause(trouble: CoderError, pauses: Pauses, deadline: Deadline) -> None:
    """
    Wait before the next read after *trouble*. Raises *ReadyTimeoutError* where no time is left.
    """
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
    The builds of a workspace without agents, seen since the wait began.

    Args:
        stopped_for: the seconds within which a stopped workspace is expected to start again.
    """

    def __init__(self, stopped_for: float) -> None:
        self._stopped_for = stopped_for
        self._was_under_way = False
        self._stopped_since: float | None = None

    def may_lead_to_a_start(self, error: CoderError) -> bool:
        """
        Whether a start may follow *error*, the reason why there is no agent.
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

        Where the clocks differ by more than that time, a restart that is met between its two builds
        is not recognised.
        """
        ended = None if workspace is None else workspace.latest_build.job.completed_at
        if ended is None:
            return False
        return abs((datetime.now(UTC) - ended).total_seconds()) < self._stopped_for


def _is_under_way(error: CoderError) -> bool:
    """
    Whether *error* reports a build that starts or stops the workspace.
    """
    if not isinstance(error, WorkspacePendingError) or error.workspace is None:
        return False
    return error.workspace.latest_build.transition in _TO_A_START
