"""
The command ``logs``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import MOMENT, agents_argument, json_option
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import Settings, agents_of

if TYPE_CHECKING:
    from coder_agents import Agent, AgentLog, Client, CoderError

LEVELS = ("trace", "debug", "info", "warn", "error")


@command("logs")
@agents_argument
@click.option(
    "-f", "--follow", is_flag=True, help="Continue with new lines, until the log ends or Ctrl-C."
)
@click.option(
    "-n",
    "--tail",
    metavar="N",
    type=click.IntRange(0),
    help="Begin with the newest N lines of each agent.",
)
@click.option(
    "--since", type=MOMENT, help="Lines since a time, or since a duration ago such as 10m."
)
@click.option(
    "--source",
    multiple=True,
    metavar="NAME",
    help="Lines of this source, such as a script; repeatable.",
)
@click.option("--level", type=click.Choice(LEVELS), help="Lines of this level and above.")
@click.option("--grep", metavar="TEXT", help="Lines that contain TEXT.")
@click.option(
    "--across-builds",
    is_flag=True,
    help="With -f and one agent: continue with the workspace's next build.",
)
@click.option(
    "--bookmarks",
    metavar="FILE",
    help="With -f: continue after the bookmarks in FILE, and save them there.",
)
@json_option
@click.option(
    "--text", "as_text", is_flag=True, help="Print lines as in a pipe, also on a terminal."
)
@settings_of
def logs_command(
    settings: Settings,
    refs: tuple[str, ...],
    follow: bool,
    tail: int | None,
    since: datetime | timedelta | None,
    source: tuple[str, ...],
    level: Any,
    grep: str | None,
    across_builds: bool,
    bookmarks: str | None,
    as_json: bool,
    as_text: bool,
) -> int:
    """
    Print the logs of agents, and follow them.

    A followed log loses no line and repeats none, also where the connection drops. The lines of several agents
    come in their order.

    With --bookmarks, the next command with the same FILE begins after the lines that this one has printed. After a
    crash, the lines of the last seconds come again, and none is lost.

    In a pipe, a line has the form of the deployment's own text logs: the time, [level], [agent.NAME|SOURCE] and
    the output. Control characters are shown by their codes.
    """
    if as_json and as_text:
        raise click.UsageError("--json and --text cannot be given together")
    if across_builds and (not follow or len(refs) > 1):
        raise click.UsageError("--across-builds needs --follow and a single agent")
    if bookmarks is not None and not follow:
        raise click.UsageError("--bookmarks needs --follow")
    filters: dict[str, Any] = {
        "tail": tail,
        "since": since,
        "source": source or None,
        "level": level,
        "grep": grep,
    }
    client = settings.client()
    agents = agents_of(client, refs)
    failed = _Failures()
    if bookmarks is not None:
        from coder_agents import FileBookmarks

        filters["bookmarks"] = FileBookmarks(bookmarks)
    if not follow:
        batches = _stored(agents, filters, failed)
    elif len(agents) == 1:
        batches = _followed_alone(agents[0], filters, across_builds)
    else:
        batches = _followed(client, agents, filters, failed)
    with contextlib.closing(batches):  # an error, such as a reader that has gone, closes the stream
        _write(agents, batches, as_json=as_json, as_text=as_text)
    return exits.FAILED if failed.count else exits.DONE


class _Failures:
    """
    Reports the agents whose logs cannot be followed, and counts them.
    """

    def __init__(self) -> None:
        self.count = 0

    def add(self, agent: Agent, error: CoderError) -> None:
        """
        Report that the log of *agent* failed with *error*.
        """
        from coder_agents.cli.failures import one_line, report

        self.count += 1
        report(f"{agent.label}: {one_line(error)}")


def _stored(
    agents: list[Agent], filters: dict[str, Any], failed: _Failures
) -> Generator[list[AgentLog[Agent]], None, None]:
    """
    Yield the stored lines of *agents*, in the order of their ids.
    """
    from coder_agents import AgentLog, CoderError

    lines: list[AgentLog[Agent]] = []
    unknown: list[ValueError] = []
    for agent in agents:
        try:
            lines += [AgentLog(agent, log) for log in agent.logs(**filters)]
        except CoderError as error:
            if len(agents) == 1:
                raise
            failed.add(agent, error)
        except ValueError as error:
            # A name in --source has to be a source of one of the agents, not of each.
            unknown.append(error)
            if len(unknown) == len(agents):
                raise
    yield sorted(lines, key=lambda line: line.log.id)


def _followed(
    client: Client, agents: list[Agent], options: dict[str, Any], failed: _Failures
) -> Generator[list[AgentLog[Agent]], None, None]:
    """
    Yield the lines of *agents* as they arrive.
    """
    with client.follow_logs(agents, on_failure=failed.add, **options) as stream:
        yield from stream.batches()


def _followed_alone(
    agent: Agent, options: dict[str, Any], across_builds: bool
) -> Generator[list[AgentLog[Agent]], None, None]:
    """
    Yield the lines of *agent* as they arrive, with *across_builds* also those of its successors.
    """
    from coder_agents import AgentLog

    current = [agent]
    on_build = current.append if across_builds else None
    with agent.follow_logs(across_builds=across_builds, on_build=on_build, **options) as stream:
        for batch in stream.batches():
            yield [AgentLog(current[-1], log) for log in batch]


def _write(
    agents: list[Agent],
    batches: Generator[list[AgentLog[Agent]], None, None],
    *,
    as_json: bool,
    as_text: bool,
) -> None:
    from coder_agents.cli.json_lines import write_json
    from coder_agents.cli.log_lines import LogWriter
    from coder_agents.cli.screen import output

    screen = output()
    writer = LogWriter(screen, agents, as_text=as_text)
    for batch in batches:
        if as_json:
            write_json(screen, batch)
            continue
        for each in batch:
            writer.write(each.agent, each.log)
        screen.flush()
