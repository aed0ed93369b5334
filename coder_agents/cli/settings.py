"""
The options before a command: the deployment, the token, and whether tracebacks are shown.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from coder_agents import Agent, Client


class CommandSettings:
    """
    The options that all commands share. They can be given before the command and after it.

    Attributes:
        url: the deployment's URL; None where the environment names it.
        token_file: a file that contains the token; None where the environment has the token.
        debug: whether errors are shown with their tracebacks.
    """

    def __init__(self) -> None:
        self.url: str | None = None
        self.token_file: str | None = None
        self.debug = False

    def client(self, **options: Any) -> Client:
        """
        Return a client of the deployment, with *options*, which is closed after the command.

        Raises *ConfigError* where a setting is missing or malformed.
        """
        from coder_agents import Client
        from coder_agents.progress import VARIABLE

        # The commands have progress of their own, and two bars would be drawn over each other.
        os.environ[VARIABLE] = "0"
        client = Client.from_env(self.url, self.token(), **options)
        if context := click.get_current_context(silent=True):
            context.call_on_close(client.close)
        return client

    def agent(self, ref: str) -> Agent:
        """
        Return the agent that *ref* names.
        """
        return self.client().agent(ref)

    def token(self) -> str | None:
        """
        Return the token in the file that ``--token-file`` names; None where it names none.

        Raises *ConfigError* where the file cannot be read, or is empty.
        """
        from coder_agents.errors import ConfigError

        if self.token_file is None:
            return None
        try:
            token = Path(self.token_file).read_bytes().decode("ascii").strip()
        except OSError as error:
            raise ConfigError(
                f"the file {self.token_file} of --token-file cannot be read: {error.strerror}"
            ) from None
        except UnicodeDecodeError:
            token = ""
        if not token:
            raise ConfigError(f"the file {self.token_file} of --token-file contains no token")
        return token


def agents_of(client: Client, refs: tuple[str, ...]) -> list[Agent]:
    """
    Return the agents that *refs* name, each once.
    """
    return list(dict.fromkeys(client.agent(ref) for ref in refs))


def shared_options(*, hidden: bool) -> list[click.Parameter]:
    """
    Return the options of `CommandSettings`; *hidden* where they are not listed in the help.
    """

    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(context.ensure_object(CommandSettings), parameter.name or "", value)

    def option(*names: str, **attributes: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=keep, hidden=hidden, **attributes)

    return [
        option("--url", metavar="URL", help="The deployment's URL, in place of CODER_URL."),
        option(
            "--token-file",
            metavar="FILE",
            type=click.Path(),
            help="A file that contains the token, in place of CODER_SESSION_TOKEN.",
        ),
        option("--debug", is_flag=True, help="Show the traceback of an error."),
    ]
