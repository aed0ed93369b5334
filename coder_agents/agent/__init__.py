"""
One method for each thing one can do with an agent.
"""

from __future__ import annotations

from coder_agents.agent.commands import CommandMethods
from coder_agents.agent.containers import ContainerMethods
from coder_agents.agent.logs import LogMethods
from coder_agents.agent.states import StateMethods
from coder_agents.lazy import listing

__all__ = ["Agent"]

__dir__ = listing(__name__)


class Agent(LogMethods, StateMethods, ContainerMethods, CommandMethods):
    """
    A workspace agent.

    Found by `Client.agent` and `Client.agents`. Two are equal where they are the same agent of the
    same deployment, whatever was last read of it. Every method raises *APIError* where the deployment says no
    and *TransportError* where it does not answer.
    """
