"""
The steps of the demo, as a user would write them.
"""

from __future__ import annotations

import time

from coder_agents import Agent, PermissionDeniedError
from coder_agents.demo.screen import Screen
from coder_agents.render import escape_controls, render_table
from coder_agents.render.line import counted
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
)

FIRST_STATE = 5.0  # seconds to wait for the first metadata


def walk(agent: Agent, screen: Screen, seconds: float, *, command: str | None = None) -> None:
    """
    Show the log of *agent*, its metadata for *seconds*, its ports and its containers; run *command*, if
    there is one.
    """
    began = time.monotonic()
    lines = follow_startup(agent, screen)
    updates = watch_metadata(agent, screen, seconds)
    if command is not None:
        run_command(agent, command, screen)
    show_ports(agent, screen)
    show_containers(agent, screen)
    screen.heading("The end")
    screen.line(
        f"{counted(lines, 'line')} of log and {counted(updates, 'update')} of the metadata,"
        f" in {time.monotonic() - began:.1f} seconds."
    )


def follow_startup(agent: Agent, screen: Screen) -> int:
    """
    Follow the log of *agent* until the agent is ready, and return the number of lines.
    """
    screen.heading("The log of its startup scripts, as they run")
    lines, settled = 0, False
    with agent.follow_logs() as stream:
        while stream.end is None:
            log = stream.poll(0.25)
            if log is not None:
                lines += 1
                show_log(log, agent, screen)
            elif settled:
                break
            else:
                # The last lines may still arrive: the loop ends after the next quiet moment.
                settled = not is_starting(agent)
            screen.progress(f"{agent.data.lifecycle_state}, {counted(lines, 'line')}")
    screen.line(f"The agent is {escape_controls(agent.data.lifecycle_state)}.")
    return lines


def is_starting(agent: Agent) -> bool:
    """
    Read *agent*, and return whether it may still get ready.
    """
    data = agent.refresh()
    return data.lifecycle_state.starting and data.status in ("connecting", "connected")


def show_log(log: WorkspaceAgentLog, agent: Agent, screen: Screen) -> None:
    """
    Show one line of the log of *agent*; ``str(log)`` is safe for a terminal.
    """
    sources = {source.id: source.display_name for source in agent.data.log_sources}
    width = max(map(len, sources.values()), default=0)
    moment = f"{log.created_at.astimezone():%H:%M:%S}" if log.created_at else ""
    about = escape_controls(f"{moment}  {log.level:5}  {sources.get(log.source_id, ''):{width}}")
    screen.line(f"{screen.red(about) if log.level == 'error' else about}  {log}")


def watch_metadata(agent: Agent, screen: Screen, seconds: float) -> int:
    """
    Watch the metadata of *agent* for *seconds*, and return the number of updates.
    """
    screen.heading(f"Its metadata, for {counted(seconds, 'second')}")
    updates, before = 0, dict[str, str]()
    with agent.watch_metadata() as stream:
        # The seconds begin after the first state has arrived.
        items = stream.poll(FIRST_STATE)
        deadline = time.monotonic() + seconds
        while items is not None:
            updates += 1
            values = {name_of(item): value_of(item) for item in items}
            show_metadata(before, values, screen)
            before = values
            items = stream.poll(max(0.0, deadline - time.monotonic()))
    return updates


def name_of(item: WorkspaceAgentMetadata) -> str:
    """
    Return the name of *item*.
    """
    return item.description.display_name or item.description.key


def value_of(item: WorkspaceAgentMetadata) -> str:
    """
    Return the value of *item*, with its error, as one line.
    """
    if item.result.collected_at is None:
        return "(not collected yet)"
    error = f" ({item.result.error})" if item.result.error else ""
    return " ".join(f"{item.result.value}{error}".split())


def show_metadata(before: dict[str, str], values: dict[str, str], screen: Screen) -> None:
    """
    Show *values*: on a terminal all values in place, elsewhere only those that have changed.
    """
    if screen.live:
        screen.in_place(render_table(["Name", "Value"], values.items()))
        return
    changed = [f"{name}: {value}" for name, value in values.items() if before.get(name) != value]
    if changed:
        screen.line(escape_controls(", ".join(changed)))


def run_command(agent: Agent, command: str, screen: Screen) -> None:
    """
    Run *command* on *agent*, and show its outputs and how it ended.
    """
    screen.heading("A command that runs in it")
    screen.line(f"$ {command}")
    done = agent.run(command, text=True)
    for line in done.stdout.splitlines():
        screen.line(escape_controls(line))
    for line in done.stderr.splitlines():
        screen.line(screen.red(escape_controls(line)))
    screen.line(f"The return code is {done.returncode}, after {done.duration:.2f} seconds.")


def show_ports(agent: Agent, screen: Screen) -> None:
    """
    Show the ports on which processes listen.
    """
    screen.heading("Ports on which something listens")
    ports = agent.listening_ports()
    rows = [(port.port, port.network, port.process_name or "(not known)") for port in ports]
    screen.table(
        ["Port", "Network", "Process"], rows, empty="None, or the agent cannot list its ports."
    )


def show_containers(agent: Agent, screen: Screen) -> None:
    """
    Show the containers and dev containers.
    """
    screen.heading("Containers")
    try:
        found = agent.containers()
    except PermissionDeniedError as error:
        # The deployment refuses the list where dev containers are switched off for this agent.
        screen.line(escape_controls(error.message))
        return
    screen.table(
        ["Name", "Image", "Status", "Ports"],
        [(each.name, each.image, each.status, ports_of(each)) for each in found.containers],
        empty="None.",
    )
    screen.heading("Dev containers")
    screen.table(
        ["Name", "Folder", "Status"],
        [(each.name, each.workspace_folder, each.status) for each in found.devcontainers],
        empty="None.",
    )


def ports_of(container: WorkspaceAgentContainer) -> str:
    """
    Return the ports of *container*, each as ``outside -> inside``.
    """
    return ", ".join(
        f"{port.host_port} -> {port.port}" if port.host_port else str(port.port)
        for port in container.ports
    )
