"""
How objects and lists of objects show themselves: a line for programmers, a card or a table for notebooks.

Showing does no input or output.
"""

from __future__ import annotations

from coder_agents.lazy import listing
from coder_agents.representation.lists import ResultList
from coder_agents.representation.objects import Represented

__all__ = ["Represented", "ResultList"]

__dir__ = listing(__name__)
