"""
One call over several agents, in threads or on an executor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.batch.agents import distinct, several
    from coder_agents.batch.each import EachOptions, agents_of, begin, complete, pace_of
    from coder_agents.batch.results import AgentResult, Results
    from coder_agents.batch.travel import TravellingAgent, TravellingClient, travelling

__all__ = [
    "AgentResult",
    "EachOptions",
    "Results",
    "TravellingAgent",
    "TravellingClient",
    "agents_of",
    "begin",
    "complete",
    "distinct",
    "pace_of",
    "several",
    "travelling",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "agents": "distinct several",
        "each": "EachOptions agents_of begin complete pace_of",
        "results": "AgentResult Results",
        "travel": "TravellingAgent TravellingClient travelling",
    },
)
