"""
The rules that decide when an agent is ready, and how often it is read.

This module does no input or output. The rules are those of Coder's own command (``coder ssh``).
"""

from __future__ import annotations

import enum

from coder_agents.schema import WorkspaceAgent, WorkspaceAgentLifecycle, WorkspaceAgentStatus
from coder_agents.streams.pauses import PAUSES, Pauses


class Verdict(enum.Enum):
    """
    Whether an agent can be used.

    READY: it can. WARNED: it can, but its start-up failed or has no known result. WAITING: not yet,
    read it again. SHUT_DOWN: it cannot, and is not expected to start again.
    """

    READY = enum.auto()
    WARNED = enum.auto()
    WAITING = enum.auto()
    SHUT_DOWN = enum.auto()


def verdict(agent: WorkspaceAgent, *, blocking_only: bool) -> Verdict:
    """
    Return whether *agent* can be used.

    With *blocking_only*, startup scripts delay the agent only where one of its scripts blocks
    login. Then all of them do, because the agent reports only the end of all.

    An agent with an unknown lifecycle state neither starts nor shuts down, so it counts as usable.
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
    Return the seconds until the next read of the agent, *waited* seconds after the first read.

    The interval is half a second in the first minute, then 1, 2 and 4 seconds, and 8 seconds after
    ten minutes.
    """
    found = (pause for until, pause in pauses.ready_reads if waited < until)
    return next(found, pauses.max_ready_read)
