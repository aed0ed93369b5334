"""
The client: one method for each request to a deployment.
"""

from __future__ import annotations

from coder_agents.client.client import Client
from coder_agents.client.searches import Agents, Workspaces
from coder_agents.lazy import listing

__all__ = ["Agents", "Client", "Workspaces"]

__dir__ = listing(__name__)
