"""
The command ``cp``.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from coder_agents.cli import exits
from coder_agents.cli.arguments import PLACE
from coder_agents.cli.root import command, settings_of
from coder_agents.cli.settings import CommandSettings

if TYPE_CHECKING:
    from coder_agents.cli.copying import Advance, AgentFiles, Copy, Entry, Files, LocalFiles
    from coder_agents.cli.places import CopyPlace


@command("cp")
@click.argument("sources", metavar="SOURCE...", type=PLACE, nargs=-1, required=True)
@click.argument("target", metavar="TARGET", type=PLACE)
@click.option("-r", "--recursive", is_flag=True, help="Copy folders, with all that is in them.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@settings_of
def cp_command(
    settings: CommandSettings,
    sources: tuple[CopyPlace, ...],
    target: CopyPlace,
    recursive: bool,
    quiet: bool,
) -> int:
    """
    Copy files to an agent, from it, or between agents.

    A path on an agent is AGENT:PATH, such as dev:results.csv or alice/dev.main:/var/log. It is relative to the
    agent's directory; ~ is the home there. A path on this machine that contains a colon begins with ./.

    As with cp, an existing folder as TARGET gets the copies into it. A file is written in one step, and compared
    with its checksum on the agent. A new file gets the mode of its source. A symbolic link to a file is
    copied as that file; other links are skipped.

    Progress is shown on standard error, if that is a terminal.
    """
    if not (target.ref or all(source.ref for source in sources)):
        raise click.UsageError("no path is on an agent: name one as AGENT:PATH")
    from coder_agents.cli.copying import AgentFiles, LocalFiles

    agent_files, local_files = AgentFiles(settings.client()), LocalFiles()
    copies = _Copies(agent_files, local_files, recursive=recursive)
    jobs = list(copies.planned(sources, target))
    total = sum(entry.size for _, entry in jobs if entry.kind != "directory")
    with _progress(total, quiet=quiet) as advance:
        for copy, entry in jobs:
            copies.run(copy, entry, advance)
    return exits.FAILED if copies.failed else exits.DONE


class _Copies:
    """
    Plans copies. What cannot be copied is reported, and the other copies are made.

    Attributes:
        failed: how many paths were not copied.
    """

    def __init__(
        self, agent_files: AgentFiles, local_files: LocalFiles, *, recursive: bool
    ) -> None:
        self._agent_files = agent_files
        self._local_files = local_files
        self._recursive = recursive
        self.failed = 0
        self._missing: set[tuple[Copy, tuple[str, ...]]] = set()

    def run(self, copy: Copy, entry: Entry, advance: Advance) -> None:
        """
        Copy *entry*, unless a folder that it is in could not be created: that folder was reported.
        """
        above = (entry.parts[:count] for count in range(len(entry.parts)))
        if any((copy, parts) in self._missing for parts in above):
            return
        before = self.failed
        with self.reported():
            copy.run(entry, advance)
        if entry.kind == "directory" and self.failed > before:
            self._missing.add((copy, entry.parts))

    def _files(self, place: CopyPlace) -> Files:
        return self._agent_files if place.ref else self._local_files

    def planned(self, places: Sequence[CopyPlace], into: CopyPlace) -> Iterator[tuple[Copy, Entry]]:
        """
        Yield what is copied from *places* to *into*, and how.

        Raises *NotADirectoryError* where several sources have no folder as their target.
        """
        from coder_agents.cli.copying import Copy, entries, naming_place

        target = self._files(into)
        path = target.path(into)
        is_folder = target.is_folder(path)
        if not is_folder and (len(places) > 1 or (into.is_folder and not self._recursive)):
            raise NotADirectoryError(errno.ENOTDIR, "is no folder", str(into))
        for place in places:
            source = self._files(place)
            with self.reported():
                with naming_place(place):
                    top = source.entry(source.path(place))
                if top.kind == "directory" and not self._recursive:
                    raise IsADirectoryError(errno.EISDIR, "is a folder: use -r", str(place))
                names = (place.name,) if is_folder and place.name else ()
                copy = Copy(source, target, target.joined(path, names), place, into.joined(names))
                for entry in entries(source, top, place, self._skipped, self.reported):
                    yield copy, entry

    def _skipped(self, place: CopyPlace) -> None:
        from coder_agents.cli.failures import report

        report(f"{place}: skipped, as it is neither a file nor a folder")

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """
        Report an error with a file that the block raises.
        """
        from coder_agents.cli.failures import one_line, report
        from coder_agents.errors import CoderError

        try:
            yield
        except OSError as error:
            if isinstance(error, CoderError | BrokenPipeError):
                raise
            self.failed += 1
            report(one_line(error))


@contextlib.contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Advance]:
    """
    Yield what counts copied bytes; a terminal shows their share of *total*.
    """
    from coder_agents.cli.screen import notes

    screen = notes()
    if quiet or not screen.is_live:
        yield lambda count: None
        return
    from rich import progress

    columns = (
        progress.BarColumn(bar_width=None),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=screen.console, expand=True) as shown:
        task = shown.add_task("", total=total)
        yield lambda count: shown.advance(task, count)
