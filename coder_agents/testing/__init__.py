"""
An embedded Coder deployment on loopback, for trials and tests.

It needs the extra ``testing``. For pytest the package has a fixture, ``coder_deployment``, enabled
by ``pytest_plugins = ["coder_agents.testing.fixtures"]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.testing.agent import EmbeddedAgent
    from coder_agents.testing.build import EmbeddedBuild
    from coder_agents.testing.connections import Connections
    from coder_agents.testing.deployment import Deployment
    from coder_agents.testing.faults import Fault, Faults
    from coder_agents.testing.logs import PendingLogs
    from coder_agents.testing.machine import Machine
    from coder_agents.testing.metadata import Metadata
    from coder_agents.testing.plans import BuildPlan
    from coder_agents.testing.rate_limit import RateLimit
    from coder_agents.testing.recorded_request import RecordedRequest
    from coder_agents.testing.scripts import Script
    from coder_agents.testing.terminals import TerminalProcess, Terminals
    from coder_agents.testing.workspace import EmbeddedWorkspace

__all__ = [
    "BuildPlan",
    "Connections",
    "Deployment",
    "EmbeddedAgent",
    "EmbeddedBuild",
    "EmbeddedWorkspace",
    "Fault",
    "Faults",
    "Machine",
    "Metadata",
    "PendingLogs",
    "RateLimit",
    "RecordedRequest",
    "Script",
    "TerminalProcess",
    "Terminals",
]

# Imported on demand: a run of pytest that only names the fixtures imports no server.
__getattr__, __dir__ = exports(
    __name__,
    {
        "agent": "EmbeddedAgent",
        "build": "EmbeddedBuild",
        "connections": "Connections",
        "deployment": "Deployment",
        "faults": "Fault Faults",
        "logs": "PendingLogs",
        "machine": "Machine",
        "metadata": "Metadata",
        "plans": "BuildPlan",
        "rate_limit": "RateLimit",
        "recorded_request": "RecordedRequest",
        "scripts": "Script",
        "terminals": "TerminalProcess Terminals",
        "workspace": "EmbeddedWorkspace",
    },
)
