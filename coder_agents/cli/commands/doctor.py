"""
The command ``doctor``.
"""

from __future__ import annotations

import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import AGENT
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import Settings

_COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}


@command("doctor")
@click.argument("ref", metavar="[AGENT]", type=AGENT, required=False)
@settings_of
def doctor_command(settings: Settings, ref: str | None) -> int:
    """
    Check the settings, the deployment and the way to it.

    Each line is a check: the URL and the source of the token (never the token itself), the proxy, the release of
    the deployment, TLS, the clocks, a test call, a WebSocket, metadata, a command, and which newer calls the
    deployment has. AGENT is checked, or else the first agent of yours that is connected.

    In a pipe, a row has four cells, separated by tabs: "ok", "failed" or "skipped", the name of the check, what
    was found, and what to do. The exit code is 1 where a check failed.
    """
    from coder_agents.cli.doctor import check
    from coder_agents.cli.screen import output
    from coder_agents.cli.tables import tab_separated
    from coder_agents.render import escape_controls

    screen, status = output(), exits.DONE
    for finding in check(settings, ref):
        status = exits.FAILED if finding.state == "failed" else status
        if not screen.is_terminal:
            screen.line(
                tab_separated((finding.state, finding.name, finding.text, finding.advice))
            )
            continue
        state = screen.styled(f"{finding.state:<8}", _COLOURS[finding.state])
        screen.line(f"{state}{finding.name:<13}{escape_controls(finding.text)}")
        if finding.advice:
            screen.line(f"{'':21}{screen.styled(finding.advice, 'bold')}")
        screen.flush()
    return status
