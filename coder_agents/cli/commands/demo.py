"""
The command ``demo``.
"""

from __future__ import annotations

import click

from coder_agents.cli.arguments import AGENT
from coder_agents.cli.root import command


@command("demo")
@click.argument("ref", metavar="[AGENT]", type=AGENT, required=False)
@click.option(
    "--seconds", type=click.FloatRange(0), default=8.0, help="How long the metadata is watched (8)."
)
def demo_command(ref: str | None, seconds: float) -> int:
    """
    Show what the library does, on this machine only.

    The demo starts a small deployment on this machine, whose agent runs real scripts. With AGENT, it watches that
    agent of the deployment of the environment, and runs nothing there.
    """
    from coder_agents.demo import main

    return main(["--seconds", str(seconds), *([] if ref is None else [ref])])
