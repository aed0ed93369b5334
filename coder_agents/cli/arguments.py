"""
The arguments that several commands take: agents, workspaces, moments, time limits and files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from coder_agents.cli.places import CopyPlace

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # has no parameters before click 8.4

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(rf"(?:\d+(?:\.\d+)?[{''.join(_UNITS)}])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([a-z])")
_MAX_SECONDS = 1e9  # some 30 years


class ReferenceType(ParamType):
    """
    The name or the UUID of an agent or of a workspace; the shell completes it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """
        Return *value*, which is checked before any request.
        """
        from coder_agents.references import parse_reference, parse_workspace_reference

        parse = parse_workspace_reference if self.name == "workspace" else parse_reference
        try:
            parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """
        Return the names of the deployment that begin with *incomplete*.
        """
        from coder_agents.cli.names import complete

        return [
            CompletionItem(name, help=line)
            for name, line in complete(ctx, incomplete, agents=self.name == "agent")
        ]


AGENT = ReferenceType("agent")
WORKSPACE = ReferenceType("workspace")


class PlaceName(ParamType):
    """
    A path on this machine, or ``workspace:path`` on an agent; the shell completes both.
    """

    name = "place"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> CopyPlace:
        """
        Return the place that *value* names.
        """
        from coder_agents.cli.places import parse_place

        return parse_place(str(value))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """
        Return the files of this machine that begin with *incomplete*; where there are none, the names of agents.
        """
        from coder_agents.cli.names import complete

        if _begins_a_file(incomplete):
            return [CompletionItem(incomplete, type="file")]
        return [
            CompletionItem(f"{name}:", help=line)
            for name, line in complete(ctx, incomplete, agents=True)
        ]


def _begins_a_file(path: str) -> bool:
    folder, name = os.path.split(os.path.expanduser(path))
    try:
        return any(each.startswith(name) for each in os.listdir(folder or "."))
    except OSError:
        return False


PLACE = PlaceName()


class Duration(ParamType):
    """
    A number of seconds: ``90``, ``1.5``, or with units: ``90s``, ``10m``, ``2h30m``, ``1d``, ``2w``.
    """

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """
        Return *value* in seconds.
        """
        seconds = seconds_of(str(value))
        if seconds is None:
            self.fail(f"{value!r} is no duration such as 90, 90s, 10m, 2h30m or 1d", param, ctx)
        return seconds


class Interval(Duration):
    """
    A duration above 0, from one read to the next.
    """

    name = "interval"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """
        Return *value* in seconds.
        """
        seconds = super().convert(value, param, ctx)
        if not seconds:
            self.fail("an interval is longer than 0 seconds, such as 5s or 1m", param, ctx)
        return seconds


class MomentType(ParamType):
    """
    A moment: a duration before now, such as ``10m``, or a time of ISO 8601.
    """

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | timedelta:
        """
        Return *value*; a time without an offset is in the time zone of this machine.
        """
        text = str(value)
        seconds = seconds_of(text)
        if seconds is not None:
            return timedelta(seconds=seconds)
        try:
            moment = datetime.fromisoformat(text)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a duration such as 10m or 2h30m nor a time such as"
                " 2026-11-28T09:00 or 2026-11-28T09:00:00Z",
                param,
                ctx,
            )


def seconds_of(text: str) -> float | None:
    """
    Return *text*, a duration, in seconds; None where it is no duration.
    """
    if _DURATION.fullmatch(text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    elif re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    else:
        return None
    return seconds if seconds <= _MAX_SECONDS else None


DURATION = Duration()
INTERVAL = Interval()
MOMENT = MomentType()

agent_argument = click.argument("ref", metavar="AGENT", type=AGENT)
agents_argument = click.argument("refs", metavar="AGENT...", type=AGENT, nargs=-1, required=True)
workspace_argument = click.argument("ref", metavar="WORKSPACE", type=WORKSPACE)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON Lines: one object for each row."
)
watch_option = click.option(
    "-w", "--watch", is_flag=True, help="Continue with each change, until Ctrl-C."
)


def file_options(formats: Sequence[str]) -> Callable[[F], F]:
    """
    Return a decorator that adds the options for the file that a command writes, in one of *formats*.

    The function gets them as *path* and *format_*.
    """

    def decorate(function: F) -> F:
        return _output_option(_format_option(formats)(function))

    return decorate


def _not_a_dash(context: click.Context, option: click.Parameter, path: str) -> str:
    if path == "-":
        raise click.BadParameter("standard output is /dev/stdout, with --format; a file is ./-")
    return path


_output_option = click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False),
    callback=_not_a_dash,
    help="The file; its suffix is the format, and .gz compresses it.",
)


def _format_option(formats: Sequence[str]) -> Callable[[F], F]:
    return click.option(
        "--format",
        "format_",
        type=click.Choice(formats),
        help="The format, whatever the suffix is.",
    )
