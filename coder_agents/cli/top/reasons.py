"""
The reasons of failures, as a person at a shell reads them.
"""

from __future__ import annotations

from coder_agents.cli.advice import in_shell
from coder_agents.scheduling import workers


def described(error: BaseException) -> str:
    """
    Return *error* as one line, safe to show, whose advice is for a shell.
    """
    return in_shell(workers.described(error))
