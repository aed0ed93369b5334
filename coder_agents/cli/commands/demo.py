"""
The command ``demo``.
"""

from __future__ import annotations

import click

from coder_agents.cli.arguments import AGENT, DURATION
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings


@command("demo")
@click.argument("ref", metavar="[AGENT]", type=AGENT, required=False)
@click.option("--seconds", type=DURATION, default=8.0, help="How long the metadata is watched (8).")
@settings_of
def demo_command(settings: CommandSettings, ref: str | None, seconds: float) -> None:
    """
    Show what the library does, on this machine only.

    The demo starts a small deployment on this machine, whose agent runs real scripts. With AGENT, it watches that
    agent of the deployment of the environment, and runs nothing there.
    """
    import sys

    from coder_agents.cli.screen import output
    from coder_agents.demo.command import show
    from coder_agents.demo.screen import Screen

    screen = Screen.of(output().out)
    try:
        show(screen, ref, seconds, new_client=settings.client)
    except KeyboardInterrupt:
        sys.stderr.write(screen.clear)  # what was drawn in place
        raise
