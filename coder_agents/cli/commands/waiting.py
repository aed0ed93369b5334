"""
The command ``wait``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli.arguments import DURATION, agent_argument, json_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from coder_agents import Agent


@command("wait")
@agent_argument
@click.option("--start", is_flag=True, help="Start the workspace if it is stopped.")
@click.option(
    "--timeout",
    type=DURATION,
    default=600.0,
    help="Give up after this time, such as 90s or 10m (10m).",
)
@click.option("--strict", is_flag=True, help="Fail if a startup script failed or took too long.")
@click.option(
    "-l",
    "--log",
    "with_log",
    is_flag=True,
    help="Print the logs of the build and the start on standard error.",
)
@json_option
@settings_of
def wait_command(
    settings: CommandSettings,
    ref: str,
    start: bool,
    timeout: float,
    strict: bool,
    with_log: bool,
    as_json: bool,
) -> None:
    """
    Wait until an agent is ready.

    The command waits for the build of the workspace, for the agent's connection and for its startup scripts. At
    the end it prints the name of the agent, its status and its lifecycle, separated by tabs. With --json, the line
    is the agent.

    The exit code is 124 after the time limit.
    """
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.progress import waiting
    from coder_agents.cli.screen import output
    from coder_agents.cli.tables import tab_separated

    client = settings.client()
    with waiting(f"waiting for {ref}") as progress:
        options: dict[str, Any] = {"on_log": progress.write} if with_log else {}
        if start:
            options["start"] = True
            if with_log:
                options["on_build_log"] = progress.write_build
        agent = client.wait_ready(
            ref,
            timeout,
            strict=strict,
            on_state=lambda agent: progress.show(_state(agent)),
            **options,
        )
    if as_json:
        write_json(output(), [agent])
    else:
        output().line(tab_separated((agent.label, str(agent.status), str(agent.lifecycle_state))))


def _state(agent: Agent) -> str:
    return f"{agent.label}: {agent.status}, {agent.lifecycle_state}"
