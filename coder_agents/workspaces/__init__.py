"""
Starting and stopping workspaces, and waiting for the builds that do it.
"""

from __future__ import annotations

from coder_agents.lazy import listing

__all__: list[str] = []

__dir__ = listing(__name__)
