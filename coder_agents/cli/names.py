"""
The names of agents and workspaces, for the shell that completes them.

Nothing is cached: a completion sends one request, for the names that begin as typed.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from coder_agents.schema import Workspace

VARIABLE = "CODER_AGENTS_COMPLETION_TIMEOUT"
"""
The environment variable with the seconds after which a completion has no names.
"""

_SECONDS = 2.0  # a person waits for it

_MAX_SECONDS = 3_600.0
_MAX_WORKSPACES = 100  # one page
_NAME = re.compile(r"[A-Za-z0-9_-]*")

Names = list[tuple[str, str]]


def complete(context: click.Context, incomplete: str, *, agents: bool) -> Names:
    """
    Return the names that begin with *incomplete*, each with a line that describes it.

    It returns no names, and no error, where the deployment does not answer in time.
    """
    seconds = _limit()
    settings = context.find_object(CommandSettings) or CommandSettings()
    found: Names = []

    def read() -> None:
        # An error has no place on the line that a person is typing.
        with contextlib.suppress(Exception):
            found.extend(_names(settings, incomplete, agents=agents, timeout=seconds))

    logging.getLogger("coder_agents").addHandler(logging.NullHandler())
    # A thread, as neither a look-up of a host nor the command of CODER_HEADER_COMMAND ends in time.
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(seconds)
    return list(found)


def _limit() -> float:
    try:
        seconds = float(os.environ.get(VARIABLE, ""))
    except ValueError:
        return _SECONDS
    return seconds if 0 < seconds <= _MAX_SECONDS else _SECONDS


def _names(
    settings: CommandSettings, incomplete: str, *, agents: bool, timeout: float
) -> Iterator[tuple[str, str]]:
    owner, slash, typed = incomplete.rpartition("/")
    workspace = typed.partition(".")[0]
    # What a name cannot contain could be another filter of the search.
    if not (_NAME.fullmatch(workspace) and _NAME.fullmatch(owner.removeprefix("@"))):
        return
    query = f"owner:{owner.removeprefix('@') or 'me'} {f'name:{workspace}' if workspace else ''}"
    with settings.client(timeout=timeout, retries=0) as client:
        for each in itertools.islice(client.workspaces(query.strip()), _MAX_WORKSPACES):
            for name, line in _of(each, agents=agents):
                if name.startswith(typed):
                    yield f"{owner}{slash}{name}", line


def _of(workspace: Workspace, *, agents: bool) -> Iterator[tuple[str, str]]:
    """
    Yield the names that *workspace* and its agents have.
    """
    build = workspace.latest_build
    names = [workspace.name, *(f"{workspace.name}.{agent.name}" for agent in build.agents)]
    lines = [build.status, *(agent.status for agent in build.agents)]
    for name, line in zip(names, lines, strict=True):
        # The shell gets nothing that is no name.
        if all(_NAME.fullmatch(part) for part in name.split(".")):
            yield name, str(line)
        if not agents:
            return
