"""
The command ``completion``.
"""

from __future__ import annotations

import click

from coder_agents.cli.root import NAME, command

SHELLS = ("bash", "zsh", "fish")


@command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """
    Print the script that completes commands in a shell.

    \b
    eval "$(coder-agents completion bash)"     # in ~/.bashrc
    eval "$(coder-agents completion zsh)"      # in ~/.zshrc
    coder-agents completion fish > ~/.config/fish/completions/coder-agents.fish

    Commands, options and the names of workspaces and agents are completed. To complete a
    name, the shell requests from the deployment the names that begin with the typed text, and waits two seconds at most.
    """
    from click.shell_completion import get_completion_class

    from coder_agents.cli.program import COMPLETE
    from coder_agents.cli.root import root

    kind = get_completion_class(shell)
    assert kind is not None  # click has all of them
    click.echo(kind(root, {}, NAME, COMPLETE).source())
