"""
The checks of ``coder-agents doctor``.
"""

from __future__ import annotations

from coder_agents.cli.doctor.result import Result
from coder_agents.cli.doctor.visit import check
from coder_agents.lazy import listing

__all__ = ["Result", "check"]

__dir__ = listing(__name__)
