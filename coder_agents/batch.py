"""
What is asked of many agents at once.

A call here starts threads, at most as many as it is told to, each with one connection at a time,
and they have ended when it returns or raises.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, TypeVar

from coder_agents.agent import Agent
from coder_agents.config import positive_seconds, whole_number
from coder_agents.errors import CoderError
from coder_agents.schema import WorkspaceAgentMetadata
from coder_agents.transport import Source

T = TypeVar("T")


class MetadataOfAgents(Mapping[Agent, list[WorkspaceAgentMetadata]]):
    """
    The metadata of each agent that it could be read of, in the order in which they were asked for.

    A mapping from agents to lists; an agent's UUID will do to look one up.
    """

    def __init__(
        self, answers: Iterable[tuple[Agent, list[WorkspaceAgentMetadata] | CoderError]]
    ) -> None:
        self._found: dict[uuid.UUID, tuple[Agent, list[WorkspaceAgentMetadata]]] = {}
        failures: dict[Agent, CoderError] = {}
        for agent, answer in answers:
            if isinstance(answer, CoderError):
                failures[agent] = answer
            else:
                self._found[agent.id] = agent, answer
        self._failures = MappingProxyType(failures)

    @property
    def failures(self) -> Mapping[Agent, CoderError]:
        """
        The error of each of the other agents.
        """
        return self._failures

    def __getitem__(self, agent: Agent | uuid.UUID) -> list[WorkspaceAgentMetadata]:
        _, items = self._found[agent.id if isinstance(agent, Agent) else agent]
        return items

    def __iter__(self) -> Iterator[Agent]:
        return (agent for agent, _ in self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"<MetadataOfAgents of {len(self)}, {len(self.failures)} failed>"

    def __reduce__(self) -> tuple[Any, ...]:
        # What `failures` returns cannot be pickled.
        return type(self), ([*self.items(), *self.failures.items()],)


class _Connections:
    """
    Connections that can be woken all at once, also those that are opened later.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: weakref.WeakSet[Source[Any]] = weakref.WeakSet()
        self._woken = False

    def add(self, source: Source[Any]) -> None:
        """
        Wake *source* when the others are, at once if they were.
        """
        with self._lock:
            self._held.add(source)
            woken = self._woken
        if woken:
            source.wake()

    def wake(self) -> None:
        """
        Make whoever opens or reads one stop.
        """
        with self._lock:
            self._woken = True
            held = list(self._held)
        for source in held:
            source.wake()


def read_metadata(agents: Iterable[Agent], *, timeout: float, workers: int) -> MetadataOfAgents:
    """
    Return the metadata of *agents*; see `Client.metadata`.
    """
    positive_seconds("timeout", timeout)
    whole_number("workers", workers, least=1)
    asked = _distinct(agents)
    connections = _Connections()

    def ask(agent: Agent) -> list[WorkspaceAgentMetadata] | CoderError:
        try:
            return agent._read_metadata("client.metadata()", timeout, tell=connections.add)
        except CoderError as error:
            return error

    return MetadataOfAgents(
        zip(asked, _of_each(asked, ask, connections.wake, workers), strict=True)
    )


def _distinct(agents: Iterable[Agent]) -> list[Agent]:
    if isinstance(agents, (str, Agent)):
        raise TypeError(
            f"agents must be several, as client.agents() finds them, not {type(agents).__name__}"
        )
    found: dict[uuid.UUID, Agent] = {}
    for agent in agents:
        if not isinstance(agent, Agent):
            raise TypeError(f"agents must be agents, not {type(agent).__name__}")
        found.setdefault(agent.id, agent)
    return list(found.values())


def _of_each(
    agents: Sequence[Agent], ask: Callable[[Agent], T], wake: Callable[[], None], workers: int
) -> list[T]:
    """
    Return the answers of *agents* in their order; *wake* makes those who *ask* stop.
    """
    threads: list[threading.Thread] = []
    pool = ThreadPoolExecutor(
        min(workers, len(agents)) or 1,
        "coder-agents-metadata",
        initializer=lambda: threads.append(threading.current_thread()),
    )
    try:
        asked = [pool.submit(ask, agent) for agent in agents]
        return [each.result() for each in asked]
    except BaseException:
        # Ctrl-C, most of all: nothing more is asked, and nothing is left open.
        pool.shutdown(wait=False, cancel_futures=True)
        wake()
        raise
    finally:
        pool.shutdown()
        # The pool does not know of a thread that Ctrl-C has kept it from noting.
        for thread in threads:
            thread.join()
