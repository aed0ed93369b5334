"""
The agent: one method for each operation.
"""

from __future__ import annotations

from coder_agents.agent.commands import CommandMethods
from coder_agents.agent.containers import ContainerMethods
from coder_agents.agent.displays import AgentDisplays
from coder_agents.agent.logs import LogMethods
from coder_agents.agent.states import StateMethods
from coder_agents.lazy import listing

__all__ = ["Agent"]

__dir__ = listing(__name__)


class Agent(LogMethods, StateMethods, ContainerMethods, CommandMethods, AgentDisplays):
    """
    A workspace agent.

    `Client.agent` and `Client.agents` return agents. Two objects are equal where they have the same
    id and the same deployment, whatever `data` they have. Every method raises *APIError* where the
    deployment refuses a request, and *TransportError* where it does not answer.
    """
