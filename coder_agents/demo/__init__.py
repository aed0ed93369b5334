"""
The demo: it follows the start-up of an agent, and shows its metadata, ports and containers.

    python -m coder_agents.demo [--seconds N] [AGENT]

Without AGENT, the demo starts a small deployment on this machine. With the name or the UUID of an
agent, it shows that agent of the deployment that `Client.from_env` finds.
"""

from __future__ import annotations

from coder_agents.demo.command import main
from coder_agents.lazy import listing

__all__ = ["main"]

__dir__ = listing(__name__)
