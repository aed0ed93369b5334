"""
Waiting until an agent can be used, and reports on its start-up.

This package knows an agent only as the protocol `lines.WaitedAgent`.
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
