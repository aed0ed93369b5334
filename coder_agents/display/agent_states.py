"""
The states of several agents, read again and again in a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from coder_agents.agent import Agent
from coder_agents.errors import CoderError
from coder_agents.streams.reconnect import is_resumable, without_frames

if TYPE_CHECKING:
    from coder_agents.client import Client

PAUSE = 10.0
"""
Seconds between two reads.
"""

_PAUSE_PER_AGENT = 1.0  # a deployment permits 512 requests a minute
_MAX_LEAVING = 2.0  # seconds that `close` waits for an answer


@attrs.frozen
class States:
    """
    The agents with their newest states, and the errors of those that could not be read.
    """

    agents: Sequence[Agent]
    failures: Sequence[tuple[Agent, CoderError]] = ()


class AgentStates:
    """
    Reads the states of agents.

    Args:
        read: reads them; a *CoderError* means that they cannot be read now.
        pause: seconds between two reads.
    """

    def __init__(self, read: Callable[[], States], *, pause: float) -> None:
        self._read = read
        self._pause = pause
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, take: Callable[[States], object], fail: Callable[[CoderError], object]) -> None:
        """
        Read in a thread from now on. *take* gets the states, *fail* the error where there are none.
        """
        self._thread = threading.Thread(
            target=self._run, args=(take, fail), name="coder-agents-states", daemon=True
        )
        self._thread.start()

    def _run(self, take: Callable[[States], object], fail: Callable[[CoderError], object]) -> None:
        while not self._stop.wait(self._pause):
            try:
                states = self._read()
            except CoderError as error:
                fail(without_frames(error))
                continue
            if not self._stop.is_set():
                take(states)

    def close(self) -> None:
        """
        End the thread. Where it waits for an answer, it may end later.
        """
        self._stop.set()
        # An interrupt may have come before the start.
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(_MAX_LEAVING)


def states_of_own(client: Client) -> AgentStates:
    """
    Return what reads the agents of the user's own workspaces, also new ones.
    """
    return AgentStates(lambda: States(list(client.agents())), pause=PAUSE)


def states_of(agents: Sequence[Agent]) -> AgentStates:
    """
    Return what reads *agents*, one after the other.
    """

    def read() -> States:
        failures = []
        for agent in agents:
            try:
                agent.refresh()
            except CoderError as error:
                if is_resumable(error):
                    raise
                failures.append((agent, without_frames(error)))
        return States(agents, failures)

    return AgentStates(read, pause=max(PAUSE, len(agents) * _PAUSE_PER_AGENT))
