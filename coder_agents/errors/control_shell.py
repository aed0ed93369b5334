"""
A control shell on an agent that answers what it should not.
"""

from __future__ import annotations

from coder_agents.errors.root import CoderError


class ControlShellError(CoderError):
    """
    What arrived over the terminal is no answer of the control shell.

    A header without the nonce, a length that is no number or beyond the limit, a header without
    an end, bytes that belong to no answer. The terminal is of no use afterwards: open another one
    and repeat the request.
    """
