"""
The checks of ``coder-agents doctor``.
"""

from __future__ import annotations

from coder_agents.cli.doctor.finding import Finding
from coder_agents.cli.doctor.visit import check

__all__ = ["Finding", "check"]
