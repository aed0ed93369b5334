"""
Waiting until an agent can be used, and what its start-up did.

It reads through the agent that it is handed, of which it knows a protocol alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.readiness.conclusions import ScriptConclusion
    from coder_agents.readiness.report import ScriptReport, StartupReport

__all__ = ["ScriptConclusion", "ScriptReport", "StartupReport"]

__getattr__, __dir__ = exports(
    __name__, {"conclusions": "ScriptConclusion", "report": "ScriptReport StartupReport"}
)
