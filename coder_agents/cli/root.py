"""
The command ``coder-agents`` itself: its options, and the list of its commands.

A command is imported when it runs. So the list has the first line of each command's help, and a test
compares both.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from coder_agents._version import __version__
from coder_agents.cli.settings import CommandSettings, shared_options

NAME = "coder-agents"

_MAX_HELP = 100  # columns
_MIN_HELP = 38

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "Read": {
        "list": "List workspaces and their agents.",
        "show": "Show an agent, and the scripts of its start.",
        "logs": "Print the logs of agents, and follow them.",
        "metadata": "Print the metadata of agents, and watch it.",
        "ports": "Print the ports on which a workspace listens, and watch them.",
        "containers": "Print the containers of an agent, and watch them.",
        "top": "Show many agents live, in a dashboard.",
    },
    "Start and stop": {
        "wait": "Wait until an agent is ready.",
        "start": "Start a workspace.",
        "stop": "Stop a workspace.",
        "restart": "Stop a workspace and start it again.",
    },
    "Run": {
        "run": "Run a command on an agent.",
        "jobs": "List the jobs of an agent, read their output, end them.",
        "terminal": "Open a terminal on an agent.",
        "cp": "Copy files to an agent, from it, or between agents.",
    },
    "Save": {
        "export": "Write what an agent or a deployment lists to a file.",
        "record": "Record the metadata of agents into a file.",
    },
    "Monitor": {
        "exporter": "Serve metrics of agents for Prometheus.",
    },
    "More": {
        "demo": "Show what the library does, on this machine only.",
        "doctor": "Check the settings, the deployment and the way to it.",
        "completion": "Print the script that completes commands in a shell.",
    },
}
"""
The first line of the help of each command, in chapters.
"""

MODULES = {
    "list": "workspaces",
    "wait": "waiting",
    "start": "builds",
    "stop": "builds",
    "restart": "builds",
}
"""
The modules of commands that are not called as the command is.
"""


class Context(click.Context):
    """
    The context of a command, whose help fits a narrow terminal; click's is never narrower than 50 columns.
    """

    def make_formatter(self) -> click.HelpFormatter:
        """
        Return the formatter of the help.
        """
        columns = min(shutil.get_terminal_size().columns, _MAX_HELP)
        return self.formatter_class(width=max(_MIN_HELP, columns - 2))


class RootCommand(click.Group):
    """
    The group of all commands, each imported on its first use.
    """

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """
        Return the names of the commands, in the order of the help.
        """
        return [name for chapter in COMMANDS.values() for name in chapter]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """
        Return the command *cmd_name*; None where there is none.
        """
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"coder_agents.cli.commands.{MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """
        Return the command that *args* begin with.

        Raises *UsageError*, with similar names, where there is no such command.
        """
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx))
            similar = f"; similar: {', '.join(near)}" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}{similar}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """
        Write the list of the commands, without importing them.
        """
        for chapter, commands in COMMANDS.items():
            with formatter.section(chapter):
                formatter.write_dl(list(commands.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """
        Return the commands and options that begin with *incomplete*.
        """
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=line)
            for commands in COMMANDS.values()
            for name, line in commands.items()
            if name.startswith(incomplete)
        ]


class Command(click.Command):
    """
    A command with the shared options, which are listed in the help of ``coder-agents`` alone.
    """

    context_class = Context

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params += shared_options(hidden=True)


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """
    Return a decorator that makes a function the command *name*.

    The function returns the exit code; None is 0.
    """
    return click.command(name, **{"cls": Command, "context_settings": HELP, **attributes})


settings_of = click.make_pass_decorator(CommandSettings, ensure=True)
"""
Passes the `CommandSettings` to a command.
"""

HELP = {"help_option_names": ["-h", "--help"]}


@click.group(
    NAME,
    cls=RootCommand,
    invoke_without_command=True,
    no_args_is_help=False,
    context_settings=HELP,
    params=shared_options(hidden=False),
    epilog="The deployment and the token are those of Coder's own command: CODER_URL and"
    " CODER_SESSION_TOKEN, or the files that coder login has written. An AGENT is [owner/]workspace[.agent], or a UUID.",
)
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """
    Work with the agents of Coder workspaces.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
