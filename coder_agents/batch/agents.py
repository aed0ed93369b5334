"""
The agents that a user passes to a call over several agents, checked.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from coder_agents.agent import Agent


def distinct(agents: Iterable[Agent]) -> list[Agent]:
    """
    Return *agents*, each once.
    """
    found: dict[uuid.UUID, Agent] = {}
    for agent in agents:
        found.setdefault(agent.id, agent)
    return list(found.values())


def several(agents: Iterable[Agent] | Any) -> list[Agent]:
    """
    Return *agents* as a list.

    Raises *TypeError* where *agents* are not several agents; its text shows what to pass instead.
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
