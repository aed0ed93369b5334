"""
A small Coder deployment on loopback, to try and to test against.

It needs the extra ``testing``. For pytest there is a fixture, ``coder_deployment``,
asked for by ``pytest_plugins = ["coder_agents.testing.fixtures"]``.
"""

from __future__ import annotations

from coder_agents.testing.agent import EmbeddedAgent
from coder_agents.testing.deployment import Deployment, RecordedRequest
from coder_agents.testing.faults import Fault, Faults
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
    "RecordedRequest",
    "Script",
]
