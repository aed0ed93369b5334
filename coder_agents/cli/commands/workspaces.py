"""
The command ``list``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli.arguments import json_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from coder_agents.cli.tables import Row, TableColumn
    from coder_agents.schema import Workspace, WorkspaceAgent


@command("list")
@click.option(
    "-q",
    "--query",
    metavar="QUERY",
    help="A search as in the dashboard, such as 'owner:me status:running'.",
)
@click.option("-a", "--all", "is_all", is_flag=True, help="All workspaces that you may see.")
@click.option(
    "--workspaces", "of_workspaces", is_flag=True, help="One row for each workspace, not agent."
)
@json_option
@settings_of
def list_command(
    settings: CommandSettings, query: str | None, is_all: bool, of_workspaces: bool, as_json: bool
) -> None:
    """
    List workspaces and their agents.

    Without options, your own workspaces are listed. Each agent has a row; a workspace without agents, such as
    one that is stopped, has one row with "-" as its agent's states.

    In a pipe, a row has six cells, separated by tabs: the name, which other commands take as AGENT, the state of
    the workspace, the status and the lifecycle of the agent, the template, and when the workspace was last
    used. With --json, each line is such a row: the record of the agent, with the state, the template and the last
    use of its workspace; a workspace without agents has null for what belongs to an agent.

    With --workspaces, a row has five cells: the name, the state, the number of agents, the template, and when the
    workspace was last used. With --json, each line is a workspace then.
    """
    if query is not None and is_all:
        raise click.UsageError("--all and --query cannot be given together: --all is --query ''")
    from coder_agents.cli.json_lines import write_json, write_records
    from coder_agents.cli.screen import output
    from coder_agents.cli.tables import write_rows

    workspaces = settings.client().workspaces("" if is_all else query)
    with_owner = is_all or query is not None
    screen = output()
    if of_workspaces and as_json:
        write_json(screen, workspaces)
    elif of_workspaces:
        write_rows(screen, _columns_of_workspaces(), _workspaces(workspaces, with_owner))
    elif as_json:
        write_records(screen, _records(workspaces, with_owner))
    else:
        write_rows(screen, _columns(), _rows(workspaces, with_owner))


def _columns() -> list[TableColumn]:
    from coder_agents.cli.tables import TableColumn

    return [
        TableColumn("NAME"),
        TableColumn("WORKSPACE", is_state=True),
        TableColumn("AGENT", rank=1, is_state=True),
        TableColumn("LIFECYCLE", rank=2, is_state=True),
        TableColumn("TEMPLATE", rank=4),
        TableColumn("LAST USED", rank=3),
    ]


def _columns_of_workspaces() -> list[TableColumn]:
    from coder_agents.cli.tables import TableColumn

    return [
        TableColumn("NAME"),
        TableColumn("STATE", is_state=True),
        TableColumn("AGENTS", rank=1, right=True),
        TableColumn("TEMPLATE", rank=3),
        TableColumn("LAST USED", rank=2),
    ]


def _rows(workspaces: Iterable[Workspace], with_owner: bool) -> Iterator[Row]:
    for workspace, agent in _listed(workspaces):
        name, status = _name(workspace, with_owner), str(workspace.latest_build.status)
        last = workspace.template_name, workspace.last_used_at
        if agent is None:
            yield name, status, "-", "-", *last
        else:
            states = str(agent.status), str(agent.lifecycle_state)
            yield f"{name}.{agent.name}", status, *states, *last


def _records(workspaces: Iterable[Workspace], with_owner: bool) -> Iterator[dict[str, Any]]:
    from coder_agents.export import records
    from coder_agents.export.workspace_rows import AGENTS

    for workspace, agent in _listed(workspaces):
        record: dict[str, Any] = dict.fromkeys(AGENTS.names)
        if agent is not None:
            [record] = records(agent)
            record["agent"] = f"{_name(workspace, with_owner)}.{agent.name}"
        yield {
            **record,
            "owner": workspace.owner_name,
            "workspace": workspace.name,
            "workspace_status": str(workspace.latest_build.status),
            "template": workspace.template_name,
            "last_used_at": workspace.last_used_at,
        }


def _listed(workspaces: Iterable[Workspace]) -> Iterator[tuple[Workspace, WorkspaceAgent | None]]:
    """
    Yield each agent with its workspace, and None for a workspace without agents.
    """
    for workspace in workspaces:
        for agent in workspace.latest_build.agents or (None,):
            yield workspace, agent


def _workspaces(workspaces: Iterable[Workspace], with_owner: bool) -> Iterator[Row]:
    for each in workspaces:
        build, last = each.latest_build, (each.template_name, each.last_used_at)
        yield _name(each, with_owner), str(build.status), len(build.agents), *last


def _name(workspace: Workspace, with_owner: bool) -> str:
    return f"{workspace.owner_name}/{workspace.name}" if with_owner else workspace.name
