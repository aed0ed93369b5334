"""
The threads that read the deployment for the dashboard.

One thread reads the list of agents, one follows the logs, and a few read metadata and ports, one
agent after the other. While the deployment cannot be reached, only the list is read.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from coder_agents.agent import Agent
from coder_agents.cli.advice import in_shell
from coder_agents.cli.top.board import AgentState, Board
from coder_agents.cli.top.live import Followed
from coder_agents.cli.top.logs import LastLines
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.cli.top.reasons import described
from coder_agents.cli.top.selection import Listed, Selection
from coder_agents.client import Client
from coder_agents.errors import AgentNotConnectedError, CoderError
from coder_agents.scheduling.agent_list import AgentList
from coder_agents.scheduling.schedule import Schedule
from coder_agents.scheduling.workers import Workers

METADATA = "metadata"
PORTS = "ports"
"""
The names of what is read among the problems of an agent.
"""

_METADATA_TIMEOUT = 10.0  # seconds


class BoardFeeds:
    """
    Reads the agents of a selection, and notes what it reads on *board*.

    Args:
        client: whose settings are used; it stays open.
        selection: the agents to show.
        board: what is read is noted there.
        pace: how often what is read.
    """

    def __init__(
        self, client: Client, selection: Selection, board: Board, pace: DashboardPace
    ) -> None:
        self._client = client._wakeable()
        self._selection = selection
        self._board = board
        self._pace = pace
        self._workers = Workers(
            "coder-agents-top",
            lambda name, text: board.put_notice(name, in_shell(text)),
            retry=pace.retry,
        )
        self._metadata = Schedule(interval=pace.metadata, max_rate=pace.max_metadata_rate)
        self._ports = Schedule(interval=pace.ports, max_rate=pace.max_ports_rate)
        self._logs = LastLines(self._client, board, pace)
        self._agents: Sequence[Agent] = ()
        self._in_view: frozenset[UUID] = frozenset()
        self._list = AgentList(
            lambda: self._note_list(selection.list(self._client)),
            (self._metadata, self._ports),
            interval=pace.agents,
            retry=pace.retry,
            closing=self._workers.closing,
            on_failure=self._note_failure,
        )
        self._followed: weakref.WeakSet[Followed] = weakref.WeakSet()

    def list_first(self) -> None:
        """
        Read the list of agents for the first time.

        Raises *CoderError* where the deployment does not answer or refuses, or where a reference
        leads to no agent.
        """
        self._note_list(listed := self._selection.list(self._client))
        for error in listed.missing:
            raise error

    def _note_list(self, listed: Listed) -> None:
        agents = self._agents = listed.agents
        missing = "; ".join(map(described, listed.missing))
        self._board.put_notice("missing", missing)
        self._board.list_agents(agents)
        self._metadata.keep(agent.id for agent in agents)
        self._ports.keep(agent.id for agent in agents)
        self._logs.follow(agents, self._in_view)

    def start(self) -> None:
        """
        Start the threads.
        """
        self._workers.start("the list of agents", self._list.step)
        self._workers.start("the logs", self._logs.step)
        for number in range(self._pace.metadata_threads):
            self._workers.start(f"metadata, thread {number + 1}", self._step_metadata)
        for number in range(self._pace.ports_threads):
            self._workers.start(f"ports, thread {number + 1}", self._step_ports)

    def show(self, in_view: Iterable[UUID]) -> None:
        """
        Prefer the agents that a person sees.
        """
        ids = frozenset(in_view)
        if ids != self._in_view:
            self._in_view = ids
            self._metadata.prefer(ids)
            self._ports.prefer(ids)
            self._logs.follow(self._agents, ids)

    def follow(self, followed: Followed) -> None:
        """
        Follow what a screen shows, in a thread of its own, until the screen closes it.
        """
        self._followed.add(followed)
        self._workers.run("the open agent", followed.follow)

    def refresh(self) -> None:
        """
        Read the list of agents now.
        """
        self._list.refresh()

    def close(self) -> bool:
        """
        End all threads and connections; return whether all have ended in time.
        """
        self._workers.closing.set()
        self._list.refresh()
        for each in (self._metadata, self._ports, self._logs):
            each.close()
        for followed in list(self._followed):
            followed.close()
        self._client.close()
        return self._workers.join(self._pace.leave)

    def _note_failure(self, error: CoderError | None, seconds: float) -> None:
        text = f"no list of agents for {seconds:.0f} s: {described(error)}" if error else ""
        self._board.put_notice("deployment", text)

    def _step_metadata(self) -> None:
        self._step(self._metadata, METADATA, self._read_metadata)

    def _read_metadata(self, state: AgentState) -> None:
        items = state.agent.metadata(timeout=_METADATA_TIMEOUT)
        self._board.put_metadata(state.agent.id, items)

    def _step_ports(self) -> None:
        self._step(self._ports, PORTS, self._read_ports)

    def _read_ports(self, state: AgentState) -> None:
        agent_id = state.agent.id
        if not state.is_connected:
            self._board.put_ports(agent_id, None)
            return
        try:
            self._board.put_ports(agent_id, state.agent.listening_ports())
        except AgentNotConnectedError:  # since the last list
            self._board.put_ports(agent_id, None)

    def _step(self, schedule: Schedule, what: str, read: Callable[[AgentState], None]) -> None:
        def read_state(agent_id: UUID) -> None:
            if (state := self._board.state(agent_id)) is not None:
                read(state)

        agent_id, error = self._list.read_one(schedule, read_state)
        self._board.put_problem(agent_id, what, described(error) if error else "")
