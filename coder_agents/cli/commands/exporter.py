"""
The command ``exporter``.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator

import click

from coder_agents.cli.arguments import INTERVAL
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

_HOUR = 3600.0  # seconds


@command("exporter")
@click.option(
    "-p",
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=9464,
    help="The port to listen on; 0 for any free one, which is printed (9464).",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    help="The address to listen on, such as 0.0.0.0 (127.0.0.1).",
)
@click.option(
    "-q",
    "--query",
    metavar="QUERY",
    help="The workspaces that this search finds, such as 'template:docker'; '' for all.",
)
@click.option(
    "-k",
    "--keys",
    metavar="GLOB",
    multiple=True,
    help="Export only metadata whose key matches, such as 'cpu*'; repeatable.",
)
@click.option(
    "-i",
    "--interval",
    type=INTERVAL,
    default=15.0,
    help="The time from one read of the agents and their metadata to the next (15s).",
)
@click.option("--no-logs", is_flag=True, help="Follow no logs, and count no lines.")
@click.option(
    "--max-series",
    metavar="N",
    type=click.IntRange(1),
    default=100_000,
    help="How many series the agents may have, all together (100000).",
)
@settings_of
def exporter_command(
    settings: CommandSettings,
    port: int,
    host: str,
    query: str | None,
    keys: tuple[str, ...],
    interval: float,
    no_logs: bool,
    max_series: int,
) -> None:
    """
    Serve metrics of agents for Prometheus.

    Without --query, the agents are those of your own workspaces. The first line of the output is the URL of the
    metrics: states, numbers in metadata, log lines by level, and the deployment itself. Ctrl-C ends the exporter.

    The command needs the extra "exporter", which installs prometheus-client:

    \b
    pip install 'coder-agents[exporter]'
    """
    from coder_agents.exporter import AgentCollector
    from coder_agents.exporter.server import serving

    collector = AgentCollector(
        settings.client(),
        query=query,
        keys=keys or None,
        interval=interval,
        logs=not no_logs,
        max_series=max_series,
    )
    # A port that is in use is reported before anything is requested.
    with _logged_to_stderr(), serving(collector, host, port) as url, collector:
        click.echo(url)
        while True:
            time.sleep(_HOUR)


@contextlib.contextmanager
def _logged_to_stderr() -> Iterator[None]:
    """
    Write the exporter's log to standard error in the ``with`` block: the end of an outage, too.
    """
    # Not that of the whole package, which has a line for each try of each log.
    logger = logging.getLogger("coder_agents.exporter")
    handler, level = logging.StreamHandler(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
