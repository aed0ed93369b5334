"""
The command ``logs``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import MOMENT, agents_argument, json_option
from coder_agents.cli.readers import ending_without_reader
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings, agents_of

if TYPE_CHECKING:
    from coder_agents import Agent, AgentLog, Client, CoderError, MergedLogStream
    from coder_agents.streams import Stream

_POLL = 1.0  # seconds between two reads of which logs have ended, or have connected again
_MAX_LINES = 1_000  # that are written together

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
    type=click.Path(dir_okay=False),
    help="With -f: continue after the bookmarks in FILE, and save them there.",
)
@json_option
@click.option(
    "--text", "as_text", is_flag=True, help="Print lines as in a pipe, also on a terminal."
)
@settings_of
def logs_command(
    settings: CommandSettings,
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
    else:
        outage = _LogOutage()
        filters["options"] = attrs.evolve(agents[0]._chosen(None), on_reconnect=outage.note)
        if len(agents) == 1:
            batches = _followed_alone(agents[0], filters, across_builds, outage)
        else:
            batches = _followed(client, agents, filters, failed, outage)
    # An error, such as a reader that has gone, closes the stream.
    with contextlib.closing(batches), ending_without_reader():
        _write(agents, batches, as_json=as_json, as_text=as_text)
    return exits.FAILED if failed.count else exits.DONE


class _LogOutage:
    """
    Reports, once, that a stream cannot connect again, and then that it has.

    Attributes:
        stream: the stream, once it is open.
    """

    def __init__(self) -> None:
        self.stream: Stream[Any] | None = None
        self._is_reported = False
        self._reconnects = 0

    def note(self, reason: str, attempt: int, seconds: float) -> None:
        """
        Note that the try *attempt* follows in *seconds*. The first one is not reported: it mostly succeeds.
        """
        from coder_agents.cli.failures import report

        if self.stream is None or attempt == 1:
            return
        self._reconnects = self.stream.stats.reconnects
        if not self._is_reported:
            self._is_reported = True
            report(f"disconnected; connecting again: {reason}")

    def report_end(self) -> None:
        """
        Report that the stream has connected again since the last try that failed, also where no line came.
        """
        from coder_agents.cli.failures import report

        if (
            self._is_reported
            and self.stream is not None
            and self.stream.stats.reconnects > self._reconnects
        ):
            self._is_reported = False
            report("connected again")


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
    client: Client,
    agents: list[Agent],
    options: dict[str, Any],
    failed: _Failures,
    outage: _LogOutage,
) -> Generator[list[AgentLog[Agent]], None, None]:
    """
    Yield the lines of *agents* as they arrive, and report whose log ends while others continue.
    """
    with client.follow_logs(agents, on_failure=failed.add, **options) as stream:
        outage.stream = stream
        reported: set[Agent] = set()
        while stream.end is None:
            yield from _arrived(stream.poll, _max_lines(options))
            outage.report_end()
            _report_ends(stream, agents, reported)


def _max_lines(options: dict[str, Any]) -> int:
    # Taking the next line says that the one before was printed, to a store of bookmarks.
    return 1 if "bookmarks" in options else _MAX_LINES


def _arrived(
    poll: Callable[[float], AgentLog[Agent] | None], max_lines: int
) -> Iterator[list[AgentLog[Agent]]]:
    """
    Yield the lines that have arrived within some time, together; also where *poll* fails after them.
    """
    lines: list[AgentLog[Agent]] = []
    try:
        line = poll(_POLL)
        while line is not None:
            lines.append(line)
            line = poll(0) if len(lines) < max_lines else None
    finally:
        if lines:
            yield lines


def _report_ends(stream: MergedLogStream[Agent], agents: list[Agent], reported: set[Agent]) -> None:
    from coder_agents.cli.failures import report

    ends = stream.ends
    if len(ends) == len(agents):
        return
    for agent, end in ends.items():
        if agent not in reported and agent not in stream.failures:
            report(f"{agent.label}: the log has ended: {end}")
        reported.add(agent)


def _followed_alone(
    agent: Agent, options: dict[str, Any], across_builds: bool, outage: _LogOutage
) -> Generator[list[AgentLog[Agent]], None, None]:
    """
    Yield the lines of *agent* as they arrive, with *across_builds* also those of its successors.
    """
    from coder_agents import AgentLog

    current = [agent]
    on_build = current.append if across_builds else None
    with agent.follow_logs(across_builds=across_builds, on_build=on_build, **options) as stream:
        outage.stream = stream

        def poll(timeout: float) -> AgentLog[Agent] | None:
            log = stream.poll(timeout)
            return None if log is None else AgentLog(current[-1], log)

        while stream.end is None:
            yield from _arrived(poll, _max_lines(options))
            outage.report_end()


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
