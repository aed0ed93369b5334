"""
Threads that read many agents again and again, at a gentle pace.

The dashboard and the exporter are built on them.
"""

from __future__ import annotations

from coder_agents.lazy import listing

__all__: list[str] = []

__dir__ = listing(__name__)
