"""
The command ``terminal``.
"""

from __future__ import annotations

import shlex
import sys
import uuid

import click

from coder_agents.cli.arguments import agent_argument
from coder_agents.cli.command_line import CommandOfAgent
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings


@command("terminal", cls=CommandOfAgent)
@agent_argument
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.option("--container", metavar="NAME", help="In this container of the agent's machine.")
@click.option("--container-user", metavar="USER", help="As this user in the container.")
@click.option(
    "--attach", metavar="ID", type=click.UUID, help="Attach again to the terminal with this id."
)
@settings_of
def terminal_command(
    settings: CommandSettings,
    ref: str,
    words: tuple[str, ...],
    container: str | None,
    container_user: str | None,
    attach: uuid.UUID | None,
) -> None:
    """
    Open a terminal on an agent.

    COMMAND runs in it, or the login shell. The keys ~. at the beginning of a line leave the terminal. What runs
    in it lives on for five minutes; the id to attach again is printed then.
    """
    from coder_agents.cli.failures import report
    from coder_agents.cli.screen import output
    from coder_agents.errors import TerminalError

    if container_user and not container:
        raise click.UsageError("--container-user needs --container")
    if words and attach:
        raise click.UsageError(
            "COMMAND cannot be given with --attach: something runs there already"
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise TerminalError(
            "a terminal needs a terminal here, too: standard input or output is none;"
            " coder-agents run runs a command without one"
        )
    screen = output()
    terminal = settings.agent(ref).terminal(
        words[0] if len(words) == 1 else shlex.join(words),
        size=(screen.width, screen.console.height),
        container=container,
        container_user=container_user,
        reconnect_id=attach,
    )
    with terminal:
        terminal.interact()
    if not terminal.has_ended:
        report(
            "left the terminal; attach again within five minutes:"
            f" coder-agents terminal {ref} --attach {terminal.reconnect_id}"
        )
