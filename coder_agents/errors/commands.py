"""
Terminals that are gone.
"""

from __future__ import annotations

from coder_agents.errors.resolve import FindingError
from coder_agents.errors.root import CoderError


class TerminalNotFoundError(FindingError):
    """
    The agent has no terminal of this id, or its command has ended.
    """


class TerminalError(CoderError):
    """
    A terminal could not be started, or broke off.
    """
