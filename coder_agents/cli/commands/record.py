"""
The command ``record``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import DURATION, agents_argument
from coder_agents.cli.commands.export import FORMATS
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import Settings, agents_of

if TYPE_CHECKING:
    from coder_agents import Agent


@command("record")
@agents_argument
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False),
    help="The file; its suffix is the format: .jsonl, .csv or .parquet, with .gz compressed.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS[1:]),
    help="The format, whatever the suffix is.",
)
@click.option(
    "-t",
    "--time",
    "seconds",
    type=DURATION,
    default=60.0,
    help="How long, such as 90s or 10m (60s).",
)
@settings_of
def record_command(
    settings: Settings, refs: tuple[str, ...], path: str, format_: Any, seconds: float
) -> int:
    """
    Record the metadata of agents into a file.

    Each reading has a row, once: the agent, the item, the value, its number and unit, and when the agent collected
    it. Ctrl-C ends the recording, and what was recorded until then is written.
    """
    from coder_agents import export
    from coder_agents.cli.failures import one_line, report
    from coder_agents.cli.progress import waiting
    from coder_agents.export.files import check_file
    from coder_agents.schema import WorkspaceAgentMetadata

    # An hour of readings must not meet a file that cannot be written.
    check_file(path, WorkspaceAgentMetadata, format=format_)
    client = settings.client()
    agents = agents_of(client, refs)
    with waiting(f"recording for {seconds:g} s; Ctrl-C ends it"):
        recorder = client.record_metadata(agents, seconds=seconds)
    readings: dict[Agent, list[WorkspaceAgentMetadata]] = {agent: [] for agent in agents}
    for each in recorder.readings:
        readings[each.agent].append(each.metadata)
    count = export.write(readings, path, format=format_)
    click.echo(f"{count} readings written to {path}", err=True)
    for agent, error in recorder.failures.items():
        report(f"{agent.label}: {one_line(error)}")
    return exits.FAILED if recorder.failures else exits.DONE
