"""
The commands ``start``, ``stop`` and ``restart``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli.arguments import DURATION, workspace_argument
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import Settings

if TYPE_CHECKING:
    from coder_agents import Client
    from coder_agents.schema import WorkspaceBuild


def _build_command(name: str, help: str) -> Callable[[Callable[..., WorkspaceBuild]], click.Command]:
    """
    Return a decorator that makes a function, which requests a build, the command *name*.
    """

    def decorate(request: Callable[..., WorkspaceBuild]) -> click.Command:
        def run(
            settings: Settings, ref: str, no_wait: bool, timeout: float | None, quiet: bool
        ) -> None:
            _run(request, settings.client(), ref, no_wait=no_wait, timeout=timeout, quiet=quiet)

        for decorator in (
            settings_of,
            click.option(
                "-q", "--quiet", is_flag=True, help="Do not print the log of the build."
            ),
            click.option(
                "--timeout", type=DURATION, help="Do not wait longer than this, such as 90s or 10m."
            ),
            click.option("--no-wait", is_flag=True, help="Do not wait for the build."),
            workspace_argument,
        ):
            run = decorator(run)
        return command(name, help=help)(run)

    return decorate


_LAST_LINES = """
At the end the command prints the name of the workspace, the transition, the number of the build and the status
of its job, separated by tabs. The log of the build is printed on standard error.

The exit code is 124 after the time limit; the build continues then.
"""


@_build_command(
    "start",
    f"""
    Start a workspace.

    A workspace that is running already is not started again.
    {_LAST_LINES}""",
)
def start_command(client: Client, ref: str, **options: Any) -> WorkspaceBuild:
    """
    Return the build that starts the workspace *ref*.
    """
    return client.start_workspace(ref, **options)


@_build_command(
    "stop",
    f"""
    Stop a workspace.
    {_LAST_LINES}""",
)
def stop_command(client: Client, ref: str, **options: Any) -> WorkspaceBuild:
    """
    Return the build that stops the workspace *ref*.
    """
    return client.stop_workspace(ref, **options)


@_build_command(
    "restart",
    f"""
    Stop a workspace and start it again.
    {_LAST_LINES}""",
)
def restart_command(client: Client, ref: str, **options: Any) -> WorkspaceBuild:
    """
    Return the build that starts the workspace *ref* again.
    """
    return client.restart_workspace(ref, **options)


def _run(
    request: Callable[..., WorkspaceBuild],
    client: Client,
    ref: str,
    *,
    no_wait: bool,
    timeout: float | None,
    quiet: bool,
) -> None:
    from coder_agents.cli.progress import waiting
    from coder_agents.cli.screen import output
    from coder_agents.cli.tables import tab_separated

    with waiting(f"{ref}: waiting for the build") as progress:
        on_build_log = None if quiet else progress.write_build
        build = request(
            client, ref, wait=not no_wait, timeout=timeout, on_build_log=on_build_log
        )
    row = build.workspace_name, str(build.transition), build.build_number, str(build.job.status)
    output().line(tab_separated(row))
