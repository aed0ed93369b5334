"""
The command ``list``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from coder_agents.cli.arguments import json_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import Settings

if TYPE_CHECKING:
    from coder_agents.cli.tables import Row
    from coder_agents.schema import Workspace


@command("list")
@click.option(
    "-q",
    "--query",
    metavar="QUERY",
    help="A search as in the dashboard, such as 'owner:me status:running'.",
)
@click.option("-a", "--all", "is_all", is_flag=True, help="All workspaces that you may see.")
@json_option
@settings_of
def list_command(settings: Settings, query: str | None, is_all: bool, as_json: bool) -> None:
    """
    List workspaces and their agents.

    Without options, your own workspaces are listed. Each agent has a row; a workspace without agents, such as
    one that is stopped, has one row with "-" as its agent's states.

    In a pipe, a row has six cells, separated by tabs: the name, which other commands take as AGENT, the state of
    the workspace, the status and the lifecycle of the agent, the template, and when the workspace was last
    used. With --json, each line is a workspace.
    """
    if query is not None and is_all:
        raise click.UsageError("--all and --query cannot be given together: --all is --query ''")
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.screen import output
    from coder_agents.cli.tables import Column, write_rows

    workspaces = settings.client().workspaces("" if is_all else query)
    screen = output()
    if as_json:
        write_json(screen, workspaces)
        return
    columns = [
        Column("NAME"),
        Column("WORKSPACE", is_state=True),
        Column("AGENT", rank=1, is_state=True),
        Column("LIFECYCLE", rank=2, is_state=True),
        Column("TEMPLATE", rank=4),
        Column("LAST USED", rank=3),
    ]
    rows = _rows(workspaces, with_owner=is_all or query is not None)
    write_rows(screen, columns, rows)


def _rows(workspaces: Iterable[Workspace], *, with_owner: bool) -> Iterator[Row]:
    for each in workspaces:
        owner = f"{each.owner_name}/" if with_owner else ""
        build, name = each.latest_build, f"{owner}{each.name}"
        last = each.template_name, each.last_used_at
        if not build.agents:
            yield name, str(build.status), "-", "-", *last
        for agent in build.agents:
            states = str(build.status), str(agent.status), str(agent.lifecycle_state)
            yield f"{name}.{agent.name}", *states, *last
