"""
The walk that a newcomer sees: an agent starts, tells what it does, and is looked at.

    python -m coder_agents.demo [--seconds N] [AGENT]

Without AGENT it needs no deployment: it makes a small one on this machine. With the UUID
of an agent it looks at that one, in the deployment that `Client.from_env` finds.
"""

from __future__ import annotations

from coder_agents.demo.command import main
from coder_agents.lazy import listing

__all__ = ["main"]

__dir__ = listing(__name__)
