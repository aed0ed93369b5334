"""
The demo: it follows the start-up of an agent, shows its metadata, ports and containers, and runs a command.

    python -m coder_agents.demo [--seconds N] [AGENT]

Without AGENT, the demo starts a small deployment on this machine. With the name or the UUID of an
agent, it shows that agent of the deployment that `Client.from_env` finds, and runs nothing there.
"""

from __future__ import annotations

from coder_agents.demo.command import main
from coder_agents.lazy import listing

__all__ = ["main"]

__dir__ = listing(__name__)
