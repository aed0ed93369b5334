"""
The commands ``start``, ``stop`` and ``restart``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli.arguments import DURATION, json_option, workspace_argument
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from coder_agents.schema import WorkspaceBuild


def build_options(function: Callable[..., None]) -> Callable[..., None]:
    """
    Add the argument and the options that the three commands share.
    """
    quiet = click.option("-q", "--quiet", is_flag=True, help="Do not print the log of the build.")
    timeout = click.option(
        "--timeout", type=DURATION, help="Do not wait longer than this, such as 90s or 10m."
    )
    no_wait = click.option("--no-wait", is_flag=True, help="Do not wait for the build.")
    return workspace_argument(no_wait(timeout(quiet(json_option(settings_of(function))))))


@command("start")
@build_options
def start_command(settings: CommandSettings, ref: str, **options: Any) -> None:
    """
    Start a workspace.

    A workspace that runs already is not started again; a build that is under way is waited for. The log of the
    build is printed on standard error. At the end the command prints the name of the workspace, the transition,
    the number of the build and the status of its job, separated by tabs. With --json, the line is the build.

    The exit code is 124 after the time limit; the build continues then.
    """
    _run(settings.client().start_workspace, ref, **options)


@command("stop")
@build_options
def stop_command(settings: CommandSettings, ref: str, **options: Any) -> None:
    """
    Stop a workspace.

    The log of the build is printed on standard error. At the end the command prints the name of the workspace,
    the transition, the number of the build and the status of its job, separated by tabs. With --json, the line is
    the build.

    The exit code is 124 after the time limit; the build continues then.
    """
    _run(settings.client().stop_workspace, ref, **options)


@command("restart")
@build_options
def restart_command(settings: CommandSettings, ref: str, **options: Any) -> None:
    """
    Stop a workspace and start it again.

    The stop is always waited for. The logs of the builds are printed on standard error. At the end the command
    prints the name of the workspace, the transition, the number of the last build and the status of its job,
    separated by tabs. With --json, the line is the last build.

    The exit code is 124 after the time limit; the build continues then.
    """
    _run(settings.client().restart_workspace, ref, **options)


def _run(
    request: Callable[..., WorkspaceBuild],
    ref: str,
    *,
    no_wait: bool,
    timeout: float | None,
    quiet: bool,
    as_json: bool,
) -> None:
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.progress import waiting
    from coder_agents.cli.screen import output
    from coder_agents.cli.tables import tab_separated

    with waiting(f"{ref}: waiting for the build") as progress:
        on_build_log = None if quiet else progress.write_build
        build = request(ref, wait=not no_wait, timeout=timeout, on_build_log=on_build_log)
    if as_json:
        write_json(output(), [build])
        return
    row = build.workspace_name, str(build.transition), build.build_number, str(build.job.status)
    output().line(tab_separated(row))
