"""
What a client wants of a terminal.
"""

from __future__ import annotations

from uuid import UUID

import attrs

from coder_agents.testing.terminals.process import Size


@attrs.frozen(kw_only=True)
class WantedTerminal:
    """
    The query of a request for a terminal.

    Attributes:
        reconnect: the id of the terminal, which its clients choose.
        size: rows and columns.
        command: what to start where no terminal has the id; empty for a login shell.
        container: the id or name of the container to start it in; empty for none.
        container_user: the user in the container; empty for its own.
        backend_type: ``buffered``, or ``screen``, which the embedded agents do not have.
    """

    reconnect: UUID
    size: Size
    command: str = ""
    container: str = ""
    container_user: str = ""
    backend_type: str = ""
