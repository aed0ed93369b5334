"""
The command ``ports``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coder_agents.cli.arguments import agent_argument, json_option, watch_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import Settings

if TYPE_CHECKING:
    from coder_agents import Agent
    from coder_agents.cli.screen import Screen
    from coder_agents.cli.tables import Column, Row
    from coder_agents.schema import WorkspaceAgentListeningPort

    Ports = list[WorkspaceAgentListeningPort]


@command("ports")
@agent_argument
@watch_option
@json_option
@settings_of
def ports_command(settings: Settings, ref: str, watch: bool, as_json: bool) -> None:
    """
    Print the ports on which a workspace listens, and watch them.

    No output can also mean that the agent cannot list ports on its platform.

    In a pipe, a row has three cells, separated by tabs: the port, the network, and the process, which may not be
    known. With --watch, a row is a change, and its first cell is "opened" or "closed"; the first rows are the
    ports that are open already.
    """
    from coder_agents.cli.screen import output

    agent, screen = settings.agent(ref), output()
    if watch:
        _watch(screen, agent, as_json=as_json)
        return
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.tables import write_rows

    ports = agent.listening_ports()
    if as_json:
        write_json(screen, {agent: ports})
    else:
        write_rows(screen, _columns(), _rows(ports))


def _columns() -> list[Column]:
    from coder_agents.cli.tables import Column

    return [Column("PORT", right=True), Column("NETWORK", rank=1), Column("PROCESS")]


def _rows(ports: Sequence[WorkspaceAgentListeningPort]) -> list[Row]:
    return [(port.port, port.network, port.process_name) for port in ports]


def _watch(screen: Screen, agent: Agent, *, as_json: bool) -> None:
    from coder_agents import PortOpened
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.tables import drawn, tab_separated
    from coder_agents.cli.watching import show_states
    from coder_agents.streams.changes import port_changes

    def append(before: Ports | None, after: Ports) -> None:
        for change in port_changes(before or (), after):
            word = "opened" if isinstance(change, PortOpened) else "closed"
            if as_json:
                write_json(screen, {agent: [change.port]}, change=word)
            else:
                [row] = _rows([change.port])
                screen.line(tab_separated((word, *row)))

    show_states(
        screen,
        agent.watch_listening_ports(),
        draw=lambda ports, width: drawn(_columns(), _rows(ports), width),
        append=append,
        in_place=screen.is_live and not as_json,
    )
