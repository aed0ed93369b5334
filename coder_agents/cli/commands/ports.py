"""
The command ``ports``.
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
    from coder_agents.representation import ResultList
    from coder_agents.schema import WorkspaceAgentListeningPort

    Ports = ResultList[WorkspaceAgentListeningPort]


@command("ports")
@agent_argument
@watch_option
@json_option
@settings_of
def ports_command(settings: CommandSettings, ref: str, watch: bool, as_json: bool) -> int:
    """
    Print the ports on which a workspace listens, and watch them.

    No output can also mean that the agent cannot list ports on its platform.

    In a pipe, a row has three cells, separated by tabs: the port, the network, and the process, which may not be
    known. With --watch, a row is a change, and its first cell is "opened" or "closed"; the first rows are the
    ports that are open already.
    """
    agent, listing = settings.agent(ref), _listing()
    if watch:
        return listing.print_watched([agent], as_json=as_json)
    listing.print_once({agent: agent.listening_ports()}, as_json=as_json)
    return exits.DONE


def _listing() -> Listing[Ports, WorkspaceAgentListeningPort]:
    from coder_agents.cli.states import Listing
    from coder_agents.cli.tables import TableColumn

    return Listing(
        columns=[
            TableColumn("PORT", right=True),
            TableColumn("NETWORK", rank=1),
            TableColumn("PROCESS"),
        ],
        items=lambda ports: ports,
        row=lambda agent, port, seconds: (port.port, port.network, port.process_name),
        watch=lambda agent, options: agent.watch_listening_ports(options=options),
        changes=_changes,
    )


def _changes(
    before: Ports | None, after: Ports
) -> Iterator[tuple[str, list[WorkspaceAgentListeningPort]]]:
    from coder_agents import PortOpened
    from coder_agents.streams.changes import port_changes

    for change in port_changes(before or (), after):
        yield "opened" if isinstance(change, PortOpened) else "closed", [change.port]
