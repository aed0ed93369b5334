"""
Reading the timings of an agent's build.
"""

from __future__ import annotations

import logging
import time

from coder_agents.errors import (
    CoderError,
    NotFoundError,
    PermissionDeniedError,
    UnsupportedCallError,
)
from coder_agents.readiness.lines import WaitedAgent, name_of
from coder_agents.readiness.runs import failed_run, likeliest_status, unfinished
from coder_agents.schema import WorkspaceAgent, WorkspaceBuildTimings

logger = logging.getLogger("coder_agents")

# An agent reports the run of a script and its lifecycle state separately, in either order.
_SETTLING = 2.0  # seconds
_PAUSE = 0.25


def read_timings(agent: WaitedAgent) -> WorkspaceBuildTimings | None:
    """
    Return the timings of the build of *agent*.

    Returns None where the agent's workspace is not known, or the deployment lists no timings.
    """
    if agent.workspace is None:
        return None
    try:
        return agent.build_timings()
    except (UnsupportedCallError, NotFoundError, PermissionDeniedError) as error:
        logger.debug("%s: the timings of its build are not available: %s", name_of(agent), error)
        return None


def timings_or_none(agent: WaitedAgent) -> WorkspaceBuildTimings | None:
    """
    Return the timings of the build of *agent*; None where they cannot be read, for any reason.
    """
    try:
        return read_timings(agent)
    except CoderError as error:
        # The caller is about to raise a more important error.
        logger.debug("%s: the timings of its build cannot be read: %s", name_of(agent), error)
        return None


def settled_timings(
    agent: WaitedAgent, data: WorkspaceAgent, *, settling: float = _SETTLING
) -> WorkspaceBuildTimings | None:
    """
    Return the timings of the build of *agent*, whose start failed according to *data*.

    The timings are read until they list the run that failed, or all runs, for at most *settling*
    seconds.
    """
    stop_at = time.monotonic() + settling
    while True:
        timings = timings_or_none(agent)
        if timings is None or _has_failure(data, timings) or time.monotonic() >= stop_at:
            return timings
        time.sleep(_PAUSE)


def _has_failure(agent: WorkspaceAgent, timings: WorkspaceBuildTimings) -> bool:
    run = failed_run(agent, timings)
    if run is not None and run.status == likeliest_status(agent):
        return True
    return not unfinished(agent, timings)
