"""
Rendering of text and of tables, as plain text or HTML for people.

It uses no other class of this package.
"""

from __future__ import annotations

from coder_agents.lazy import listing
from coder_agents.render.escape import (
    escape_controls,
    last_state,
    single_line,
    terminal_safe,
    without_colours,
)
from coder_agents.render.table import cut_to_width, render_table, text_width

__all__ = [
    "cut_to_width",
    "escape_controls",
    "last_state",
    "render_table",
    "single_line",
    "terminal_safe",
    "text_width",
    "without_colours",
]

__dir__ = listing(__name__)
