"""
The command ``show``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coder_agents.cli.arguments import agent_argument, json_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from coder_agents import Agent, StartupReport
    from coder_agents.cli.screen import OutputScreen
    from coder_agents.cli.tables import Row


@command("show")
@agent_argument
@click.option(
    "-s", "--startup", is_flag=True, help="Show the scripts of the start, and how they ended."
)
@json_option
@settings_of
def show_command(settings: CommandSettings, ref: str, startup: bool, as_json: bool) -> None:
    """
    Show an agent, and the scripts of its start.

    In a pipe, each line is a name and a value, separated by a tab. With --startup, each line is a script: its
    name, its stage, its conclusion, its exit code, whether it blocks login, and its duration in seconds. With
    --json, the line is the agent, or with --startup each line is a script.
    """
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.screen import output

    agent, screen = settings.agent(ref), output()
    if as_json:
        write_json(screen, {agent: [agent.startup_report()]} if startup else [agent])
    elif startup:
        _write_scripts(screen, agent.startup_report())
    else:
        _write_agent(screen, agent)


def _write_agent(screen: OutputScreen, agent: Agent) -> None:
    from coder_agents.cli.tables import TableColumn, write_rows

    write_rows(
        screen, [TableColumn("AGENT"), TableColumn(agent.label, is_state=True)], _facts(agent)
    )


def _facts(agent: Agent) -> list[Row]:
    data, workspace = agent.data, agent.workspace
    relays = [(relay.latency_ms, name) for name, relay in data.latency.items() if relay.preferred]
    rows: list[Row] = [
        ("id", str(agent.id)),
        ("status", str(data.status)),
        ("lifecycle", str(data.lifecycle_state)),
        ("health", "ok" if data.health.healthy else data.health.reason or "not healthy"),
        ("system", f"{data.operating_system}/{data.architecture}"),
        ("version", data.version),
        ("directory", data.expanded_directory or data.directory),
        ("relay", f"{relays[0][1]}, {relays[0][0]:.0f} ms" if relays else ""),
        ("apps", ", ".join(app.slug for app in data.apps) or "none"),
        ("connected", data.first_connected_at),
        ("ready", data.ready_at),
        ("log", f"{_bytes(data.logs_length)}{', full' if data.logs_overflowed else ''}"),
    ]
    if workspace is not None:
        build = workspace.latest_build
        rows += [
            ("workspace", f"{workspace.owner_name}/{workspace.name}"),
            ("workspace status", str(build.status)),
            ("template", f"{workspace.template_name}{', outdated' if workspace.outdated else ''}"),
            ("build", f"{build.build_number}, {build.transition}"),
            ("last used", workspace.last_used_at),
        ]
    return rows


def _bytes(count: int) -> str:
    # Without a comma between the digits, as in a pipe a program reads them.
    return f"{count} byte" if count == 1 else f"{count} bytes"


def _write_scripts(screen: OutputScreen, report: StartupReport) -> None:
    from coder_agents.cli.tables import TableColumn, write_rows

    columns = [
        TableColumn("SCRIPT"),
        TableColumn("STAGE", rank=3),
        TableColumn("CONCLUSION", is_state=True),
        TableColumn("EXIT", rank=1, right=True),
        TableColumn("BLOCKS LOGIN", rank=4),
        TableColumn("SECONDS", rank=2, right=True),
    ]
    rows: list[Row] = [
        (
            script.name,
            str(script.stage),
            str(script.conclusion),
            script.exit_code,
            "yes" if script.blocks_login else "no",
            None if script.duration is None else round(script.duration.total_seconds(), 3),
        )
        for script in (*report.scripts, *report.stop_scripts)
    ]
    write_rows(screen, columns, rows)
