"""
The terminals of an embedded agent: real processes on this machine.

Imports go down this list:

- `route`: a request for a terminal, and what it is answered with.
- `stream`: the WebSocket of one client.
- `terminals`: the processes of one agent by their reconnect ids.
- `process`: one process and its clients.
- `launch`, `attachment`, `inputs`, `leftovers`: what these are built from.
"""

from __future__ import annotations

from coder_agents.lazy import listing
from coder_agents.testing.terminals.process import TerminalProcess
from coder_agents.testing.terminals.terminals import Terminals

__all__ = ["TerminalProcess", "Terminals"]

__dir__ = listing(__name__)
