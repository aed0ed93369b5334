"""
One call over many agents.

A call starts a limited number of threads, each with one connection at a time. The threads have
ended when the call returns or raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from coder_agents.agent import Agent
from coder_agents.batch.agents import distinct, several
from coder_agents.config import seconds_or_none, whole_number
from coder_agents.errors import CoderError
from coder_agents.render.html import render_html_table
from coder_agents.render.line import counted
from coder_agents.representation.tables import MAX_ROWS, without_empty
from coder_agents.schema import WorkspaceAgentMetadata
from coder_agents.streams.by_agent import ByAgent
from coder_agents.transport import WokenTogether

T = TypeVar("T")


class MetadataOfAgents(ByAgent[Agent, list[WorkspaceAgentMetadata]]):
    """
    The metadata of each agent whose metadata could be read, in the order of the agents.

    It is a mapping from agents to lists; an agent's UUID is accepted as a key, too.
    """

    def __init__(
        self, answers: Iterable[tuple[Agent, list[WorkspaceAgentMetadata] | CoderError]]
    ) -> None:
        found: list[tuple[Agent, list[WorkspaceAgentMetadata]]] = []
        failures: list[tuple[Agent, CoderError]] = []
        for agent, answer in answers:
            if isinstance(answer, CoderError):
                failures.append((agent, answer))
            else:
                found.append((agent, answer))
        super().__init__(found)
        self._failures = ByAgent(failures)

    @property
    def failures(self) -> ByAgent[Agent, CoderError]:
        """
        The error of each agent whose metadata could not be read.
        """
        return self._failures

    def __repr__(self) -> str:
        return f"<MetadataOfAgents of {len(self)}, {len(self.failures)} failed>"

    def _repr_html_(self) -> str:
        rows = [(agent.label, *item._cells()) for agent, items in self.items() for item in items]
        hidden = len(rows) - MAX_ROWS
        table = render_html_table(
            *without_empty(("Agent", *WorkspaceAgentMetadata._columns), rows[:MAX_ROWS]),
            caption=f"{counted(len(rows), 'item')} of {counted(len(self), 'agent')}",
            skipped=(MAX_ROWS, hidden) if hidden > 0 else None,
        )
        return table + (self.failures._repr_html_() if self.failures else "")


def read_metadata(
    agents: Iterable[Agent], *, timeout: float | None, workers: int
) -> MetadataOfAgents:
    """
    Return the metadata of *agents*; see `Client.metadata`.
    """
    seconds_or_none("timeout", timeout)
    whole_number("workers", workers, least=1)
    each = distinct(several(agents))
    connections = WokenTogether()

    def read(agent: Agent) -> list[WorkspaceAgentMetadata] | CoderError:
        try:
            return agent._read_metadata("client.metadata()", timeout, on_source=connections.add)
        except CoderError as error:
            return error

    answers = _of_each(each, read, connections.wake, workers)
    return MetadataOfAgents(zip(each, answers, strict=True))


def _of_each(
    agents: Sequence[Agent], read: Callable[[Agent], T], wake: Callable[[], None], workers: int
) -> list[T]:
    """
    Return the result of *read* for each of *agents*, in order; *wake* stops the reading threads.
    """
    threads: list[threading.Thread] = []
    pool = ThreadPoolExecutor(
        min(workers, len(agents)) or 1,
        "coder-agents-metadata",
        initializer=lambda: threads.append(threading.current_thread()),
    )
    try:
        futures = [pool.submit(read, agent) for agent in agents]
        return [future.result() for future in futures]
    except BaseException:
        # Mostly Ctrl-C: send no more requests, and leave no connection open.
        pool.shutdown(wait=False, cancel_futures=True)
        wake()
        raise
    finally:
        pool.shutdown()
        # Ctrl-C may have interrupted the pool before it recorded a thread.
        for thread in threads:
            thread.join()
