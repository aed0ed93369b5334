"""
The command ``containers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coder_agents.cli import exits
from coder_agents.cli.arguments import agent_argument, json_option, watch_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coder_agents.cli.states import Listing
    from coder_agents.cli.tables import Row
    from coder_agents.schema import (
        WorkspaceAgentContainer,
        WorkspaceAgentDevcontainer,
        WorkspaceAgentListContainersResponse,
    )

    Container = WorkspaceAgentContainer | WorkspaceAgentDevcontainer


@command("containers")
@agent_argument
@watch_option
@json_option
@settings_of
def containers_command(settings: CommandSettings, ref: str, watch: bool, as_json: bool) -> int:
    """
    Print the containers of an agent, and watch them.

    In a pipe, a row has five cells, separated by tabs: "container" or "devcontainer", the name, the status, the
    image or the folder, and the ports. With --watch, a row is a change, and its first cell is "added", "changed"
    or "removed"; the first rows are the containers that exist already.
    """
    agent, listing = settings.agent(ref), _listing()
    if watch:
        return listing.print_watched([agent], as_json=as_json)
    from coder_agents.cli.failures import report

    found = agent.containers()
    listing.print_once({agent: found}, as_json=as_json)
    for warning in found.warnings:
        report(f"{agent.label}: {warning}")
    return exits.DONE


def _listing() -> Listing[WorkspaceAgentListContainersResponse, Container]:
    from coder_agents.cli.states import Listing
    from coder_agents.cli.tables import TableColumn

    return Listing(
        columns=[
            TableColumn("KIND", rank=3),
            TableColumn("NAME", is_long=True),
            TableColumn("STATUS", is_state=True),
            TableColumn("IMAGE OR FOLDER", rank=1, is_long=True),
            TableColumn("PORTS", rank=2),
        ],
        items=_all,
        row=lambda agent, container, seconds: _row(container),
        watch=lambda agent, options: agent.watch_containers(options=options),
        changes=_changes,
    )


def _all(found: WorkspaceAgentListContainersResponse) -> list[Container]:
    return [*found.devcontainers, *found.containers]


def _row(container: Container) -> Row:
    from coder_agents.schema import WorkspaceAgentContainer

    if isinstance(container, WorkspaceAgentContainer):
        ports = ", ".join(_ports(container))
        return "container", container.name, container.status, container.image, ports
    folder = container.workspace_folder
    return "devcontainer", container.name, str(container.status), folder, ""


def _ports(container: WorkspaceAgentContainer) -> Iterator[str]:
    for port in container.ports:
        outside = f"{port.host_port}->" if port.host_port else ""
        yield f"{outside}{port.port}/{port.network}"


def _changes(
    before: WorkspaceAgentListContainersResponse | None,
    after: WorkspaceAgentListContainersResponse,
) -> Iterator[tuple[str, list[Container]]]:
    """
    Yield the containers that were added, changed or removed between two states.
    """
    old = {} if before is None else _by_id(before)
    new = _by_id(after)
    for key, container in old.items():
        if key not in new:
            yield "removed", [container]
    for key, container in new.items():
        if key not in old:
            yield "added", [container]
        elif _row(container) != _row(old[key]):
            yield "changed", [container]


def _by_id(found: WorkspaceAgentListContainersResponse) -> dict[str, Container]:
    return {str(each.id or each.name): each for each in _all(found)}
