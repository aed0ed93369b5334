"""
Terminals of an agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.lazy import exports

if TYPE_CHECKING:
    from coder_agents.terminal.terminal import Terminal

__all__ = ["Terminal"]

__getattr__, __dir__ = exports(__name__, {"terminal": "Terminal"})
