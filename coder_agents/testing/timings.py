"""
The timings of an agent's scripts and of its connection.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from uuid import UUID

import attrs

from coder_agents.schema import (
    AgentConnectionTiming,
    AgentScriptTiming,
    TimingStage,
    WorkspaceAgent,
)
from coder_agents.testing.scripts import ScriptOutcome


@attrs.frozen
class ScriptTiming:
    """
    One run of a script that has ended.

    Attributes:
        name: the script's name.
        stage: ``start``, ``stop`` or ``cron``.
        started_at: when the run began.
        ended_at: when the run ended.
        outcome: the outcome of the run.
        listed_from: from when the run is reported, by `time.monotonic`.
    """

    name: str
    stage: str
    started_at: datetime
    ended_at: datetime
    outcome: ScriptOutcome
    listed_from: float = 0.0


class TimingBoard:
    """
    The reported runs of an agent's scripts.

    Attributes:
        delay: seconds from the end of a script until its run is listed. A real agent reports a run
            apart from its lifecycle state, so the state may come first.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self._lock = threading.Lock()
        self._timings: list[ScriptTiming] = []

    def add(self, timing: ScriptTiming) -> None:
        """
        Report *timing* after `delay`.
        """
        with self._lock:
            listed = attrs.evolve(timing, listed_from=time.monotonic() + self.delay)
            self._timings.append(listed)

    def scripts(self, agent_id: UUID, agent_name: str) -> list[AgentScriptTiming]:
        """
        Return the runs that are listed by now, as schema objects.
        """
        with self._lock:
            listed = [each for each in self._timings if each.listed_from <= time.monotonic()]
        return [
            AgentScriptTiming(
                started_at=each.started_at,
                ended_at=each.ended_at,
                exit_code=each.outcome.exit_code,
                stage=TimingStage(each.stage),
                status=each.outcome.status,
                display_name=each.name,
                workspace_agent_id=agent_id,
                workspace_agent_name=agent_name,
            )
            for each in listed
        ]


def connection_timings(agent: WorkspaceAgent) -> list[AgentConnectionTiming]:
    """
    Return how long *agent* took to connect; empty where it never connected.
    """
    if agent.first_connected_at is None:
        return []
    timing = AgentConnectionTiming(
        started_at=agent.created_at,
        ended_at=agent.first_connected_at,
        stage=TimingStage.CONNECT,
        workspace_agent_id=agent.id,
        workspace_agent_name=agent.name,
    )
    return [timing]
