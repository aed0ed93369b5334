"""
A small Coder deployment on loopback, to try and to test against.

It needs the extra ``testing``. For pytest there is a fixture, ``coder_deployment``,
asked for by ``pytest_plugins = ["coder_agents.testing.fixtures"]``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coder_agents.testing.agent import EmbeddedAgent
    from coder_agents.testing.deployment import Deployment, RecordedRequest
    from coder_agents.testing.fault_kinds import Fault
    from coder_agents.testing.faults import Faults
    from coder_agents.testing.logs import PendingLogs
    from coder_agents.testing.metadata import Metadata
    from coder_agents.testing.scripts import Script
    from coder_agents.testing.workspace import EmbeddedBuild, EmbeddedWorkspace

__all__ = [
    "Deployment",
    "EmbeddedAgent",
    "EmbeddedBuild",
    "EmbeddedWorkspace",
    "Fault",
    "Faults",
    "Metadata",
    "PendingLogs",
    "RecordedRequest",
    "Script",
]

_HOMES = {
    "Deployment": "deployment",
    "EmbeddedAgent": "agent",
    "EmbeddedBuild": "workspace",
    "EmbeddedWorkspace": "workspace",
    "Fault": "fault_kinds",
    "Faults": "faults",
    "Metadata": "metadata",
    "PendingLogs": "logs",
    "RecordedRequest": "deployment",
    "Script": "scripts",
}


def __getattr__(name: str) -> object:
    # On demand, so that a run of pytest which only names the fixtures imports no server.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
