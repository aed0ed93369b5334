"""
The command ``record``.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import DURATION, agents_argument, file_options
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings, agents_of
from coder_agents.render.line import counted

if TYPE_CHECKING:
    from coder_agents import Agent
    from coder_agents.display import MetadataRecorder
    from coder_agents.export.growing import GrowingRows
    from coder_agents.schema import WorkspaceAgentMetadata

FORMATS = ("jsonl", "csv", "parquet")

_INTERVAL = 1.0  # seconds between two writes: what a program that is killed has not written yet


@command("record")
@agents_argument
@file_options(FORMATS)
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
    settings: CommandSettings, refs: tuple[str, ...], path: str, format_: Any, seconds: float
) -> int:
    """
    Record the metadata of agents into a file.

    Each reading has a row, once: the agent, the item, the value, its number and unit, and when the agent collected
    it. The suffix of the file is its format: .jsonl or .csv, with .gz compressed, or .parquet.

    The rows are written every second, so that a recording that is killed has all readings but the last ones. A
    Parquet file, which cannot grow, is written at the end. Ctrl-C ends the recording early, with the code 0;
    SIGTERM and SIGHUP end it, too, and the file is complete.
    """
    from coder_agents.cli.failures import one_line, report
    from coder_agents.export.files import check_file
    from coder_agents.export.growing import growing_rows
    from coder_agents.schema import WorkspaceAgentMetadata

    # An hour of readings must not meet a file that cannot be written.
    check_file(path, WorkspaceAgentMetadata, format=format_)
    client = settings.client()
    with (
        contextlib.closing(client.record_metadata(agents_of(client, refs))) as recorder,
        growing_rows(path, WorkspaceAgentMetadata, format=format_) as rows,
    ):
        has_failed = _record(recorder, rows, seconds)
    if has_failed and not rows.count:
        raise next(iter(recorder.failures.values()))
    click.echo(f"{counted(rows.count, 'reading')} written to {path}", err=True)
    for agent, error in recorder.failures.items():
        report(f"{agent.label}: {one_line(error)}")
    return exits.FAILED if recorder.failures else exits.DONE


def _record(recorder: MetadataRecorder, rows: GrowingRows, seconds: float) -> bool:
    """
    Write the readings for *seconds*, or until Ctrl-C; return whether the streams of all agents have failed.

    Whatever ends the recording, such as SIGTERM, the readings so far are written.
    """
    from coder_agents.cli.progress import waiting

    has_failed = False
    deadline = time.monotonic() + seconds
    try:
        with waiting("") as progress:
            while not has_failed and (left := deadline - time.monotonic()) > 0:
                progress.show(
                    f"{counted(rows.count, 'reading')}, {left:.0f} s left; Ctrl-C ends the recording"
                )
                has_failed = not recorder.wait(min(left, _INTERVAL))
                _add(recorder, rows)
    except KeyboardInterrupt:
        pass
    finally:
        recorder.close()
        _add(recorder, rows)
        if not (rows.count or has_failed):
            rows.add({})  # a file with the names of the columns
    return has_failed


def _add(recorder: MetadataRecorder, rows: GrowingRows) -> None:
    """
    Write the readings that *rows* does not have yet.
    """
    added: dict[Agent, list[WorkspaceAgentMetadata]] = {}
    for reading in recorder.readings[rows.count :]:
        added.setdefault(reading.agent, []).append(reading.metadata)
    if added:
        rows.add(added)
