"""
One run of the dashboard, from the first list of agents to the end of the last thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coder_agents.cli.top.app import Dashboard
from coder_agents.cli.top.board import Board
from coder_agents.cli.top.feeds import BoardFeeds
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.cli.top.selection import Selection
from coder_agents.cli.top.signals import ended_by_signals
from coder_agents.client import Client


@contextmanager
def dashboard(client: Client, selection: Selection, pace: DashboardPace) -> Iterator[Dashboard]:
    """
    Return the dashboard, whose threads run until the end of the ``with`` block.

    Raises *CoderError* where the agents cannot be listed.
    """
    board = Board(gone_for=pace.gone)
    feeds = BoardFeeds(client, selection, board, pace)
    try:
        feeds.list_first()
        feeds.start()
        yield Dashboard(board, feeds, subject=str(selection), redraw=pace.redraw)
    finally:
        feeds.close()


def run_session(client: Client, selection: Selection, pace: DashboardPace) -> int:
    """
    Show the dashboard until its user quits, and return the exit code: of a signal, 128 + its number.

    Raises *CoderError* where the agents cannot be listed.
    """
    with dashboard(client, selection, pace) as app, ended_by_signals(app.end_from_outside):
        code = app.run()
    # Without a code the application has failed, and has printed why.
    return app.return_code or 1 if code is None else code
