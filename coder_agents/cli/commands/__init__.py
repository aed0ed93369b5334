"""
The commands, each a module that is imported when the command runs.
"""

from __future__ import annotations

from coder_agents.lazy import listing

__all__: list[str] = []

__dir__ = listing(__name__)
