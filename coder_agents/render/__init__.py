"""
Rows, columns and text in; text for people out.

A leaf: it knows no class of this package.
"""

from __future__ import annotations

from coder_agents.render.escape import escape_controls, terminal_safe

__all__ = ["escape_controls", "terminal_safe"]
