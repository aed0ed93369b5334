"""
``coder-agents top``: a live dashboard of agents in a terminal.

Needs textual and rich: ``pip install 'coder-agents[cli]'``. Everything but the screens works
without them.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coder_agents.config import positive_seconds
from coder_agents.lazy import listing

if TYPE_CHECKING:
    from coder_agents.client import Client

__all__ = ["run"]

__dir__ = listing(__name__)


def run(
    client: Client,
    query: str | None = None,
    *,
    refs: Sequence[uuid.UUID | str] = (),
    interval: float = 5.0,
) -> int:
    """
    Show a dashboard until its user quits, and return the exit code: 0, or 130 after Ctrl-C.

    Args:
        client: whose settings are used; it stays open.
        query: a search for workspaces, as in `Client.workspaces`; None finds the user's own.
        refs: the agents to show in place of those of *query*, as in `Client.agent`.
        interval: seconds from one read of an agent's metadata to the next.

    Raises *CoderError* where the agents cannot be listed at the beginning; later the dashboard shows
    the error and tries again. Raises *ValueError* or *TypeError*, before any request, for arguments
    that cannot work, and *ImportError* where the extra ``cli`` is not installed.
    """
    from coder_agents.cli.top.pace import DashboardPace
    from coder_agents.cli.top.selection import Selection

    positive_seconds("interval", interval)
    selection = Selection.of(query, refs)
    try:
        from coder_agents.cli.top.session import run_session
    except ImportError as error:
        raise ImportError(
            "the dashboard needs textual and rich: pip install 'coder-agents[cli]'"
        ) from error
    return run_session(client, selection, DashboardPace(metadata=float(interval)))
