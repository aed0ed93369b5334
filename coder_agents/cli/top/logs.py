"""
The last line of each agent's log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from uuid import UUID

from coder_agents.agent import Agent
from coder_agents.cli.top.board import Board
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.cli.top.reasons import described
from coder_agents.client import Client
from coder_agents.errors import CoderError
from coder_agents.streams import AgentLog, MergedLogStream
from coder_agents.transport import ClosedError

LOG = "log"
"""
The name of the log among the problems of an agent.
"""

_WAIT = 15.0  # seconds until logs that have all ended are followed again


class LastLines:
    """
    Follows the logs of all agents over one stream, and notes the last line of each.
    """

    def __init__(self, client: Client, board: Board, pace: DashboardPace) -> None:
        self._client = client
        self._board = board
        self._pace = pace
        self._changed = threading.Condition()
        self._wanted: dict[UUID, Agent] = {}
        self._is_closed = False
        self._stream: MergedLogStream[Agent] | None = None
        self._followed: dict[UUID, Agent] = {}
        self._bookmarks: dict[UUID, str] = {}
        self._opened_at = -pace.logs

    def follow(self, agents: Sequence[Agent], in_view: Iterable[UUID]) -> None:
        """
        Follow the logs of *agents*, or of those *in_view* where the agents are too many.
        """
        wanted = {agent.id: agent for agent in agents}
        if len(wanted) > self._pace.max_logs:
            visible = [wanted[agent_id] for agent_id in in_view if agent_id in wanted]
            wanted = {agent.id: agent for agent in visible[: self._pace.max_logs]}
        with self._changed:
            if wanted.keys() == self._wanted.keys():
                return
            self._wanted = wanted
            stream = self._stream
            self._changed.notify_all()
        if stream is not None:
            stream.close()

    def close(self) -> None:
        """
        End the thread that calls `step`.
        """
        with self._changed:
            self._is_closed = True
            stream = self._stream
            self._changed.notify_all()
        if stream is not None:
            stream.close()

    def step(self) -> None:
        """
        Connect to the logs, or read them until other ones have to be followed, in turn.

        Raises *CoderError* where no log can be followed, *ClosedError* once this is closed.
        """
        stream = self._stream
        if stream is None:
            self._open()
        else:
            self._read(stream)

    def _open(self) -> None:
        agents = self._next()
        known = {key: mark for key, mark in self._bookmarks.items() if key in agents}
        stream = self._client.follow_logs(
            agents.values(), after=known, tail=1, on_failure=self._note_failure
        )
        with self._changed:
            self._bookmarks = known
            self._followed = agents
            self._stream = stream
            is_outdated = self._is_closed or agents.keys() != self._wanted.keys()
        if is_outdated:
            stream.close()

    def _next(self) -> dict[UUID, Agent]:
        """
        Wait until there are logs to follow, and return their agents.
        """
        with self._changed:
            while not self._is_closed:
                pause = self._opened_at + self._pace.logs - time.monotonic()
                if self._wanted and pause <= 0:
                    self._opened_at = time.monotonic()
                    return self._wanted
                self._changed.wait(pause if self._wanted else None)
        raise ClosedError

    def _read(self, stream: MergedLogStream[Agent]) -> None:
        try:
            with stream:
                for batch in stream.batches():
                    self._note(batch)
        finally:
            with self._changed:
                self._stream = None
                self._bookmarks.update(stream.bookmarks)
        with self._changed:
            if self._followed.keys() == self._wanted.keys() and not self._is_closed:
                self._changed.wait(_WAIT)

    def _note(self, batch: Sequence[AgentLog[Agent]]) -> None:
        last = {item.agent.id: item.log for item in batch}
        for agent_id, log in last.items():
            self._board.put_log(agent_id, log)
            self._board.put_problem(agent_id, LOG, "")

    def _note_failure(self, agent: Agent, error: CoderError) -> None:
        self._board.put_problem(agent.id, LOG, described(error))
