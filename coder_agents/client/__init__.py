"""
The client: one method for each request to a deployment.
"""

from __future__ import annotations

from coder_agents.client.client import Client
from coder_agents.client.searches import AgentSequence, WorkspaceSequence
from coder_agents.lazy import listing

__all__ = ["AgentSequence", "Client", "WorkspaceSequence"]

__dir__ = listing(__name__)
