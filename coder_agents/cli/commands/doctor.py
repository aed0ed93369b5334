"""
The command ``doctor``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import AGENT, json_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from coder_agents.cli.doctor import Result
    from coder_agents.cli.screen import OutputScreen

_MIN_TABLE = 40  # columns below which a check has lines and no row
_COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}


@command("doctor")
@click.argument("ref", metavar="[AGENT]", type=AGENT, required=False)
@json_option
@settings_of
def doctor_command(settings: CommandSettings, ref: str | None, as_json: bool) -> int:
    """
    Check the settings, the deployment and the way to it.

    Each line is a check: the URL and the source of the token (never the token itself), the proxy, the release of
    the deployment, TLS, the clocks, a test call, a WebSocket, metadata, a command, and which newer calls the
    deployment has. AGENT is checked, or else the first agent of yours that is connected.

    In a pipe, a row has four cells, separated by tabs: "ok", "failed" or "skipped", the name of the check, what
    was found, and what to do. With --json, each line is a check, with the values "state", "name", "text" and
    "advice". The exit code is 1 where a check failed.
    """
    import attrs

    from coder_agents.cli.doctor import check
    from coder_agents.cli.json_lines import write_records
    from coder_agents.cli.screen import output

    screen, status = output(), exits.DONE
    for result in check(settings, ref):
        status = exits.FAILED if result.state == "failed" else status
        if as_json:
            write_records(screen, [attrs.asdict(result)])
        else:
            _write(screen, result)
        screen.flush()  # the next check may take seconds
    return status


def _write(screen: OutputScreen, result: Result) -> None:
    from coder_agents.cli.tables import tab_separated

    row = result.state, result.name, result.text, result.advice
    if not screen.is_terminal:
        screen.line(tab_separated(row))
        return
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from coder_agents.render import escape_controls

    state = Text(result.state, style=_COLOURS[result.state])
    text = Text(escape_controls(result.text))
    advice = Text(escape_controls(result.advice), style="bold")
    if screen.width < _MIN_TABLE:
        screen.console.print(state, result.name)
        for part in filter(None, (text, advice)):
            screen.console.print(Padding(part, (0, 0, 0, 2)))
        return
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=7)
    table.add_column(width=12)
    table.add_column(overflow="fold")
    table.add_row(state, result.name, text)
    if advice:
        table.add_row("", "", advice)
    screen.console.print(table)
