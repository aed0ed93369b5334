"""
A mapping from agents to values.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from coder_agents.errors import CoderError
from coder_agents.render.html import render_html_table
from coder_agents.render.line import counted, render_value
from coder_agents.representation.cells import problem
from coder_agents.representation.tables import MAX_ROWS
from coder_agents.streams.merged_position import A
from coder_agents.streams.options import StreamEnd

V = TypeVar("V")

_MAX_SHOWN = 3  # agents in a line


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
        pairs = list(self._found.values())
        parts = [f"{agent.label}: {render_value(value)}" for agent, value in pairs[:_MAX_SHOWN]]
        more = [f"… {len(pairs) - _MAX_SHOWN:,} more"] if len(pairs) > _MAX_SHOWN else []
        return f"<{type(self).__name__} {{{', '.join(parts + more)}}}>"

    def _repr_html_(self) -> str:
        pairs = list(self._found.values())
        hidden = len(pairs) - MAX_ROWS
        return render_html_table(
            ("Agent", "Value"),
            [(agent.label, _cell(value)) for agent, value in pairs[:MAX_ROWS]],
            caption=counted(len(pairs), "agent"),
            skipped=(MAX_ROWS, hidden) if hidden > 0 else None,
        )


def _cell(value: object) -> object:
    if isinstance(value, CoderError):
        return problem(str(value))
    if isinstance(value, Exception):
        return problem(f"{type(value).__name__}: {value}")
    return str(value) if isinstance(value, StreamEnd) else render_value(value)
