"""
What is asked of many agents at once.

A call here starts threads, at most as many as it is told to, each with one connection at a time,
and they have ended when it returns or raises.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from coder_agents.agent import Agent
from coder_agents.config import seconds_or_none, whole_number
from coder_agents.errors import CoderError
from coder_agents.schema import WorkspaceAgentMetadata
from coder_agents.streams.by_agent import ByAgent
from coder_agents.transport import Source

T = TypeVar("T")


class MetadataOfAgents(ByAgent[Agent, list[WorkspaceAgentMetadata]]):
    """
    The metadata of each agent of which it could be read, in the order in which the agents were given.

    A mapping from agents to lists; an agent's UUID finds its list, too.
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
        The error of each of the other agents.
        """
        return self._failures

    def __repr__(self) -> str:
        return f"<MetadataOfAgents of {len(self)}, {len(self.failures)} failed>"


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


def read_metadata(
    agents: Iterable[Agent], *, timeout: float | None, workers: int
) -> MetadataOfAgents:
    """
    Return the metadata of *agents*; see `Client.metadata`.
    """
    seconds_or_none("timeout", timeout)
    whole_number("workers", workers, least=1)
    distinct = _distinct(several(agents))
    connections = _Connections()

    def ask(agent: Agent) -> list[WorkspaceAgentMetadata] | CoderError:
        try:
            return agent._read_metadata("client.metadata()", timeout, tell=connections.add)
        except CoderError as error:
            return error

    answers = _of_each(distinct, ask, connections.wake, workers)
    return MetadataOfAgents(zip(distinct, answers, strict=True))


def _distinct(agents: Iterable[Agent]) -> list[Agent]:
    found: dict[uuid.UUID, Agent] = {}
    for agent in agents:
        found.setdefault(agent.id, agent)
    return list(found.values())


def several(agents: Iterable[Agent] | Any) -> list[Agent]:
    """
    Return *agents* as a list.

    Raises *TypeError*, which says what to write instead, where they are not several agents.
    """
    if isinstance(agents, Agent):
        raise TypeError(
            "agents must be several agents, not one: pass [agent], or call the agent's own method"
            " of the same name"
        )
    if isinstance(agents, str) or not isinstance(agents, Iterable):
        raise TypeError(
            "agents must be several agents, such as client.agents() yields, not"
            f" {type(agents).__name__}"
        )
    found = list(agents)
    for each in found:
        if not isinstance(each, Agent):
            raise TypeError(
                f"agents must be of the class Agent, not {type(each).__name__};"
                " client.agent() returns the agent of a name or an id"
            )
    return found


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
