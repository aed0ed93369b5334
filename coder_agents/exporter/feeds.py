"""
The threads that read the deployment for the exporter.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from coder_agents.agent import Agent
from coder_agents.client import Client
from coder_agents.errors import CoderError
from coder_agents.exporter.log_groups import LogGroups, StreamHealth
from coder_agents.exporter.observed import Observed
from coder_agents.exporter.pace import ExporterPace
from coder_agents.scheduling.agent_list import AgentList
from coder_agents.scheduling.schedule import Schedule
from coder_agents.scheduling.workers import Workers, described
from coder_agents.streams.reconnect import is_resumable

logger = logging.getLogger("coder_agents.exporter")


class Feeds:
    """
    Reads the agents that a query finds, and notes what it reads.

    Args:
        client: whose settings are used; it stays open.
        query: a search for workspaces, as in `Client.workspaces`; None for the user's own.
        observed: what is read is noted there.
        pace: how often what is read.
        logs: whether the logs are followed.
    """

    def __init__(
        self,
        client: Client,
        query: str | None,
        observed: Observed,
        pace: ExporterPace,
        *,
        logs: bool,
    ) -> None:
        # A deployment that limits requests makes them wait, as those of other calls over agents.
        self._client = client._wakeable(pace=client._http.pace_of_several)
        self._query = query
        self._observed = observed
        self._pace = pace
        self._workers = Workers("coder-agents-exporter", self._report, retry=pace.retry)
        self._metadata = Schedule(interval=pace.interval, max_rate=pace.max_metadata_rate)
        self._logs = LogGroups(self._client, self._workers, observed, pace) if logs else None
        self._reported: dict[str, str] = {}
        self._list = AgentList(
            self._read_list,
            (self._metadata,) if self._logs is None else (self._metadata, self._logs),
            interval=pace.interval,
            retry=pace.retry,
            closing=self._workers.closing,
            on_failure=self._note_failure,
        )

    def list_first(self) -> None:
        """
        Read the list of agents for the first time.

        Raises *CoderError* where another try cannot succeed, such as with a wrong token. A
        deployment that is away is no error: the threads try again.
        """
        try:
            self._read_list()
        except CoderError as error:
            if not is_resumable(error):
                raise
            self._list.note(error)

    def _read_list(self) -> None:
        agents: Sequence[Agent] = list(self._client.agents(self._query))
        forgotten = self._observed.list_agents(agents)
        ids = [agent.id for agent in agents]
        self._metadata.keep(ids)
        self._metadata.prefer(ids)  # no agent is read more rarely than the others
        if self._logs is not None:
            self._logs.list_agents(agents, forgotten)

    def _note_failure(self, error: CoderError | None, seconds: float) -> None:
        if error is not None:
            self._observed.put_away()
            self._observed.put_error("list", error)
        self._report("the list of agents", described(error) if error else "")

    def start(self) -> None:
        """
        Start the threads.
        """
        # A step that notes a failure of the list succeeds: the two are reported by different names.
        self._workers.start("reading the list", self._list.step)
        if self._logs is not None:
            self._workers.start("the logs", self._logs.step)
        for number in range(self._pace.metadata_threads):
            self._workers.start(f"metadata, thread {number + 1}", self._step_metadata)

    def _step_metadata(self) -> None:
        _, error = self._list.read_one(self._metadata, self._read_metadata)
        if error is not None:
            self._observed.put_error("metadata", error)

    def _read_metadata(self, agent_id: UUID) -> None:
        if (agent := self._observed.agent(agent_id)) is not None:
            items = agent.metadata(timeout=self._pace.metadata_timeout)
            self._observed.put_metadata(agent_id, items)

    @property
    def health(self) -> StreamHealth:
        """
        The counts of the streams of logs.
        """
        return StreamHealth() if self._logs is None else self._logs.health

    def _report(self, name: str, reason: str) -> None:
        """
        Log *reason*, once while it lasts.
        """
        before = self._reported.get(name, "")
        self._reported[name] = reason
        if reason and reason != before:
            logger.warning("exporter: %s", reason)
        elif before and not reason:
            logger.info("exporter: %s: works again", name)

    def close(self) -> bool:
        """
        End all threads and connections; return whether all have ended in time.
        """
        self._workers.closing.set()
        self._list.refresh()
        self._metadata.close()
        if self._logs is not None:
            self._logs.close()
        self._client.close()
        return self._workers.join(self._pace.leave)
