"""
When an agent counts as ready, and how often to look.

Pure: what is known of an agent goes in, a verdict comes out. The rules are those of Coder's
own command (``coder ssh``).
"""

from __future__ import annotations

import enum

from coder_agents.schema import WorkspaceAgent, WorkspaceAgentLifecycle, WorkspaceAgentStatus
from coder_agents.streams.pauses import PAUSES, Pauses


class Verdict(enum.Enum):
    """
    What to do about an agent.

    READY: use it. WARNED: use it, though its start-up did not go well, or nobody knows.
    WAITING: look again. SHUT_DOWN: give up, it is not known to come back.
    """

    READY = enum.auto()
    WARNED = enum.auto()
    WAITING = enum.auto()
    SHUT_DOWN = enum.auto()


def verdict(agent: WorkspaceAgent, *, blocking_only: bool) -> Verdict:
    """
    Say what to do about *agent*.

    With *blocking_only* startup scripts are waited for only where one of the agent's scripts
    blocks login; then all are, since only the end of all is told.

    A lifecycle state that this package does not know is neither on the way up nor down, so
    the agent is usable as far as anybody can tell.
    """
    state = agent.lifecycle_state
    if state.shutting_down:
        return Verdict.SHUT_DOWN
    if agent.status != WorkspaceAgentStatus.CONNECTED:
        return Verdict.WAITING
    if state.starting:
        waits = not blocking_only or any(script.start_blocks_login for script in agent.scripts)
        return Verdict.WAITING if waits else Verdict.READY
    return Verdict.READY if state == WorkspaceAgentLifecycle.READY else Verdict.WARNED


def poll_interval(waited: float, pauses: Pauses = PAUSES) -> float:
    """
    Return the seconds until the next look, *waited* seconds after the first.

    Half a second in the first minute, then 1, 2 and 4, and 8 after ten minutes.
    """
    found = (pause for until, pause in pauses.ready_reads if waited < until)
    return next(found, pauses.max_ready_read)
