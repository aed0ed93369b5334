"""
One call over several agents, in threads or on an executor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.batch.agents import distinct, several
    from coder_agents.batch.groups import AgentGroup
    from coder_agents.batch.metadata import MetadataOfAgents, read_metadata
    from coder_agents.batch.travel import TravellingAgent, TravellingClient, travelling

__all__ = [
    "AgentGroup",
    "MetadataOfAgents",
    "TravellingAgent",
    "TravellingClient",
    "distinct",
    "read_metadata",
    "several",
    "travelling",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "agents": "distinct several",
        "groups": "AgentGroup",
        "metadata": "MetadataOfAgents read_metadata",
        "travel": "TravellingAgent TravellingClient travelling",
    },
)
