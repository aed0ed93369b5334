"""
The command ``top``.
"""

from __future__ import annotations

import sys

import click

from coder_agents.cli.arguments import AGENT, INTERVAL
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings


@command("top")
@click.argument("refs", metavar="[AGENT]...", type=AGENT, nargs=-1)
@click.option(
    "-q",
    "--query",
    metavar="QUERY",
    help="The workspaces that this search finds, such as 'owner:me status:running'.",
)
@click.option(
    "-i",
    "--interval",
    type=INTERVAL,
    default=5.0,
    help="The time from one read of an agent's metadata to the next, such as 2s (5s).",
)
@settings_of
def top_command(
    settings: CommandSettings, refs: tuple[str, ...], query: str | None, interval: float
) -> int:
    """
    Show many agents live, in a dashboard.

    Without AGENT and --query, the dashboard shows the agents of your own workspaces: their states, their metadata
    with sparklines, their last log lines and their ports. The key ? shows its keys, and q leaves it.
    """
    if refs and query is not None:
        raise click.UsageError("AGENT and --query cannot be given together")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "the dashboard needs a terminal: list and metadata print the same in a pipe"
        )
    from coder_agents.cli.top import run

    return run(settings.client(), query, refs=refs, interval=interval)
