"""
What the dashboard knows of each agent: written by the threads that read, shown by the screens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import attrs

from coder_agents.agent import Agent
from coder_agents.cli.top.history import ReadingHistory, histories_with
from coder_agents.schema import (
    WorkspaceAgentListeningPort,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    WorkspaceAgentStatus,
)

GONE = "gone"
"""
The state of an agent that the deployment does not list any more.
"""

_MAX_ITEMS = 64  # of one agent's metadata, whose history is kept


@attrs.frozen(eq=False)
class AgentState:
    """
    What is known of one agent; immutable.

    Attributes:
        agent: the agent as it was last listed.
        gone_at: when it was missing from the list, by `time.monotonic`; None while it is listed.
        metadata: its metadata as it was last read.
        histories: the numbers of its metadata, by key.
        log: the last line of its log; None before the first.
        ports: its ports as they were last read; None before, and while it is not connected.
        problems: why its metadata, its ports or its log could not be read, by these names.
    """

    agent: Agent
    gone_at: float | None = None
    metadata: Sequence[WorkspaceAgentMetadata] = ()
    histories: Mapping[str, ReadingHistory] = attrs.field(factory=dict)
    log: WorkspaceAgentLog | None = None
    ports: Sequence[WorkspaceAgentListeningPort] | None = None
    problems: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def word(self) -> str:
        """
        The state in one word: of the connection, or of the startup where the agent is connected.
        """
        if self.gone_at is not None:
            return GONE
        status = self.agent.status
        return self.agent.lifecycle_state if self.is_connected else status

    @property
    def is_connected(self) -> bool:
        """
        Whether the agent was connected when it was last listed.
        """
        return self.agent.status == WorkspaceAgentStatus.CONNECTED


@attrs.frozen
class BoardChanges:
    """
    What changed since the changes were last taken.

    Attributes:
        agents: the ids of the agents with a new state, added and removed agents included.
        notices: whether a notice changed.
    """

    agents: frozenset[UUID]
    notices: bool

    def __bool__(self) -> bool:
        return bool(self.agents) or self.notices


class Board:
    """
    The states of all agents, and notices about the deployment and about the dashboard's own threads.

    Any thread may call any method.

    Args:
        gone_for: the seconds for which an agent that is not listed any more is still shown.
        clock: `time.monotonic`, or another one in tests.
    """

    def __init__(
        self, *, gone_for: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gone_for = gone_for
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[UUID, AgentState] = {}
        self._notices: dict[str, str] = {}
        self._changed: set[UUID] = set()
        self._notices_changed = False

    def list_agents(self, agents: Iterable[Agent]) -> None:
        """
        Note that the deployment lists exactly these *agents*.
        """
        listed = {agent.id: agent for agent in agents}
        with self._lock:
            for agent in listed.values():
                self._list(agent)
            now = self._clock()
            for state in [
                each for agent_id, each in self._states.items() if agent_id not in listed
            ]:
                self._miss(state, now)

    def _list(self, agent: Agent) -> None:
        before = self._states.get(agent.id)
        state = attrs.evolve(before or AgentState(agent), agent=agent, gone_at=None)
        self._states[agent.id] = state
        # Most lists repeat the one before, and need not be drawn again.
        if before is None or (before.word, before.agent.label) != (state.word, agent.label):
            self._changed.add(agent.id)

    def _miss(self, state: AgentState, now: float) -> None:
        if state.gone_at is None:
            self._put(attrs.evolve(state, gone_at=now))
        elif now - state.gone_at >= self._gone_for:
            del self._states[state.agent.id]
            self._changed.add(state.agent.id)

    def _put(self, state: AgentState) -> None:
        self._states[state.agent.id] = state
        self._changed.add(state.agent.id)

    def put_metadata(self, agent_id: UUID, items: Sequence[WorkspaceAgentMetadata]) -> None:
        """
        Note the metadata of an agent.
        """
        with self._lock:
            state = self._states.get(agent_id)
            if state is not None:
                kept = dict(state.histories)
                histories = histories_with(kept, items, max_items=_MAX_ITEMS)
                self._put(attrs.evolve(state, metadata=tuple(items), histories=histories))

    def put_ports(
        self, agent_id: UUID, ports: Sequence[WorkspaceAgentListeningPort] | None
    ) -> None:
        """
        Note the ports of an agent; None where they are not known.
        """
        kept = None if ports is None else tuple(ports)
        with self._lock:
            state = self._states.get(agent_id)
            if state is not None and state.ports != kept:
                self._put(attrs.evolve(state, ports=kept))

    def put_log(self, agent_id: UUID, log: WorkspaceAgentLog) -> None:
        """
        Note the last line of an agent's log.
        """
        with self._lock:
            state = self._states.get(agent_id)
            if state is not None:
                self._put(attrs.evolve(state, log=log))

    def put_problem(self, agent_id: UUID, what: str, reason: str) -> None:
        """
        Note why *what* of an agent could not be read; an empty *reason* means that it was read.
        """
        with self._lock:
            state = self._states.get(agent_id)
            if state is not None and state.problems.get(what, "") != reason:
                problems = {**state.problems, what: reason}
                kept = {name: text for name, text in problems.items() if text}
                self._put(attrs.evolve(state, problems=kept))

    def put_notice(self, source: str, text: str) -> None:
        """
        Show *text* until *source* gives another one; empty for none.
        """
        with self._lock:
            if self._notices.get(source, "") == text:
                return
            self._notices_changed = True
            self._notices[source] = text
            if not text:
                del self._notices[source]

    @property
    def states(self) -> dict[UUID, AgentState]:
        """
        The states by the agents' ids, in the order in which the agents were first listed.
        """
        with self._lock:
            return dict(self._states)

    def state(self, agent_id: UUID) -> AgentState | None:
        """
        Return the state of an agent; None where there is none any more.
        """
        return self._states.get(agent_id)

    @property
    def notices(self) -> list[str]:
        """
        The texts to show, oldest first.
        """
        with self._lock:
            return list(self._notices.values())

    def take_changes(self) -> BoardChanges:
        """
        Return what changed since the last call.
        """
        with self._lock:
            changes = BoardChanges(frozenset(self._changed), self._notices_changed)
            self._changed.clear()
            self._notices_changed = False
            return changes
