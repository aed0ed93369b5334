"""
The command ``top``.
"""

from __future__ import annotations

import sys

import click

from coder_agents.cli.arguments import AGENT
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import Settings


@command("top")
@click.argument("refs", metavar="[AGENT]...", type=AGENT, nargs=-1)
@click.option(
    "-q",
    "--query",
    metavar="QUERY",
    help="The workspaces that this search finds, such as 'owner:me status:running'.",
)
@settings_of
def top_command(settings: Settings, refs: tuple[str, ...], query: str | None) -> int:
    """
    Show many agents live, in a dashboard.

    Without AGENT and --query, the dashboard shows the agents of your own workspaces: their states, their metadata
    with sparklines, their last log lines and their ports. The key ? shows its keys, and q leaves it.
    """
    if refs and query is not None:
        raise click.UsageError("AGENT and --query cannot be given together")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "the dashboard needs a terminal: `list` and `metadata` print the same in a pipe"
        )
    try:
        from coder_agents.cli.top import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise ImportError("the dashboard needs textual: pip install 'coder-agents[cli]'") from None
    return run(settings.client(), query, refs=refs)
