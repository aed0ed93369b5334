"""
A mapping from agents to values.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from coder_agents.streams.merged_position import A

V = TypeVar("V")


class ByAgent(Mapping[A, V]):
    """
    A mapping from agents to values, in the order in which the agents were given.

    A key is an agent or the agent's UUID.
    """

    def __init__(self, pairs: Iterable[tuple[A, V]] = ()) -> None:
        self._found = {agent.id: (agent, value) for agent, value in pairs}

    def __getitem__(self, agent: A | uuid.UUID) -> V:
        key: Any = agent
        _, value = self._found[getattr(key, "id", key)]
        return value

    def __iter__(self) -> Iterator[A]:
        return (agent for agent, _ in self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        parts = (f"{agent.label}: {value!r}" for agent, value in self._found.values())
        return f"<{type(self).__name__} {{{', '.join(parts)}}}>"
