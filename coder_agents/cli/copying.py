"""
Copies of files and folders between this machine and agents.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs

from coder_agents.cli.places import CopyPlace, Roots
from coder_agents.errors import CoderError
from coder_agents.filesystem import AgentFileSystem

if TYPE_CHECKING:
    from coder_agents import Client

_NO_NAMES = {"", ".", ".."}


class PlaceError(OSError):
    """
    An error with a file, whose name is that of the place as it was typed.
    """


@contextlib.contextmanager
def naming_place(place: object) -> Iterator[None]:
    """
    Raise an error with a file as a `PlaceError` that names *place*, unless it names one already.
    """
    try:
        yield
    except (CoderError, BrokenPipeError, PlaceError):
        raise
    except OSError as error:
        raise PlaceError(error.errno, error.strerror or str(error), str(place)) from error


Advance = Callable[[int], object]
"""
Called with the number of bytes that were copied since the last call.
"""


@attrs.frozen
class Entry:
    """
    A file or a folder that is copied.

    Attributes:
        source: its path.
        parts: the names below the path that was requested; none for that path itself.
        kind: ``file``, ``directory``, ``link``, or ``other``.
        size: bytes.
        mode: its mode; 0 where it is not known.
    """

    source: str
    parts: tuple[str, ...]
    kind: str
    size: int
    mode: int


class LocalFiles:
    """
    The files of this machine, as a source or a target.
    """

    def path(self, place: CopyPlace) -> str:
        """
        Return the path of *place*.
        """
        return os.path.expanduser(place.path)

    def joined(self, path: str, parts: tuple[str, ...]) -> str:
        """
        Return the path of *parts* in the folder *path*.
        """
        return os.path.join(path, *parts)

    def is_folder(self, path: str) -> bool:
        """
        Whether *path* is a folder.
        """
        return os.path.isdir(path)

    def make_folder(self, path: str) -> None:
        """
        Create the folder *path* where there is none.
        """
        os.makedirs(path, exist_ok=True)

    def entry(self, path: str, parts: tuple[str, ...] = ()) -> Entry:
        """
        Return what *path* is; a symbolic link is followed where it was requested itself.
        """
        found = os.stat(path) if not parts else os.lstat(path)
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
        kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
        return Entry(path, parts, kind, found.st_size, found.st_mode)

    def below(self, entry: Entry) -> Iterator[Entry]:
        """
        Yield what is in the folder *entry*.
        """
        for name in sorted(os.listdir(entry.source)):
            yield self.entry(os.path.join(entry.source, name), (*entry.parts, name))

    def followed(self, entry: Entry) -> Entry:
        """
        Return what the symbolic link *entry* leads to.
        """
        return attrs.evolve(self.entry(entry.source), parts=entry.parts)


class AgentFiles:
    """
    The files of agents, as a source or a target.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.system = AgentFileSystem(client=client)
        self._roots = Roots(client)

    def path(self, place: CopyPlace) -> str:
        """
        Return the path of *place* in the file system of all agents.
        """
        # Without the @, the first part of owner/workspace could be a workspace.
        ref = f"@{place.ref.removeprefix('@')}" if "/" in place.ref else place.ref
        return f"{ref}{self._roots.absolute(place)}"

    def joined(self, path: str, parts: tuple[str, ...]) -> str:
        """
        Return the path of *parts* in the folder *path*.
        """
        return posixpath.join(path, *parts)

    def is_folder(self, path: str) -> bool:
        """
        Whether *path* is a folder.
        """
        return self.system.isdir(path)

    def make_folder(self, path: str) -> None:
        """
        Create the folder *path* where there is none.
        """
        self.system.makedirs(path, exist_ok=True)

    def entry(self, path: str, parts: tuple[str, ...] = ()) -> Entry:
        """
        Return what *path* is.
        """
        return _entry(self.system.info(path), path, parts)

    def below(self, entry: Entry) -> Iterator[Entry]:
        """
        Yield what is in the folder *entry*.

        Raises *ValueError* for a name that would lead out of the folder, as only a hostile agent lists it.
        """
        for found in self.system.ls(entry.source):
            name = found["name"].removeprefix(f"{entry.source.rstrip('/')}/")
            if name in _NO_NAMES or os.sep in name or (os.altsep or "/") in name or "\0" in name:
                raise ValueError(f"the agent lists the name {name!r}, which is not copied")
            yield _entry(found, found["name"], (*entry.parts, name))

    def followed(self, entry: Entry) -> Entry:
        """
        Return what the symbolic link *entry* leads to.
        """
        return self.entry(entry.source, entry.parts)


def _entry(info: dict[str, Any], path: str, parts: tuple[str, ...]) -> Entry:
    return Entry(path, parts, info["type"], info["size"] or 0, info["mode"] or 0)


Files = LocalFiles | AgentFiles


@attrs.frozen
class Copy:
    """
    A copy of one path.

    Attributes:
        source: the files that are read.
        target: the files that are written.
        into: the path to which it is copied.
        source_place: the place that is copied, as it was typed.
        target_place: the place to which it is copied, as it was typed.
    """

    source: Files
    target: Files
    into: str
    source_place: CopyPlace
    target_place: CopyPlace

    def run(self, entry: Entry, advance: Advance) -> None:
        """
        Copy *entry*, a file or a folder.
        """
        path = self.target.joined(self.into, entry.parts)
        source = self.source_place.joined(entry.parts)
        target = self.target_place.joined(entry.parts)
        if entry.kind == "directory":
            with naming_place(target):
                self.target.make_folder(path)
        elif isinstance(self.target, LocalFiles):
            with naming_place(target):
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            try:
                self._get(entry, path, advance)
            except OSError as error:
                with naming_place(target if error.filename == path else source):
                    raise
        elif isinstance(self.source, LocalFiles):
            with naming_place(source), open(entry.source, "rb") as local, naming_place(target):
                self._put(entry, _CopiedFile(local, source, advance), path)
        else:
            # Neither the file system nor the agent reports on which side the error is.
            with naming_place(f"{source} to {target}"):
                self.target.system.cp_file(entry.source, path)
            advance(entry.size)

    def _get(self, entry: Entry, path: str, advance: Advance) -> None:
        assert isinstance(self.source, AgentFiles)
        # The file is replaced by a new one, but an existing file keeps its mode.
        mode = os.stat(path).st_mode if os.path.exists(path) else entry.mode & ~_umask()
        callback: Any = _Callback(advance)
        self.source.system.get_file(entry.source, path, callback=callback)
        if entry.mode and os.path.isfile(path):
            os.chmod(path, stat.S_IMODE(mode) & 0o777)

    def _put(self, entry: Entry, local: Any, path: str) -> None:
        assert isinstance(self.target, AgentFiles)
        system = self.target.system
        ref, _, inner = system._split(path)
        # An existing file keeps its mode.
        mode = None if system.exists(path) else stat.S_IMODE(entry.mode) & 0o777
        self.target.client.agent(ref).write_file(inner, local, mode=mode)


def entries(
    files: Files,
    top: Entry,
    place: CopyPlace,
    skipped: Callable[[CopyPlace], object],
    reported: Callable[[], contextlib.AbstractContextManager[None]],
) -> Iterator[Entry]:
    """
    Yield *top* and all that is below it, each folder before what is in it.

    *place* is that of *top* as it was typed. A symbolic link to a file is copied as that file. *skipped* is called
    with the places of other links, and of what is neither a file nor a folder. *reported* handles the error of a
    folder that cannot be read: the others follow.
    """
    pending = [top]
    while pending:
        entry = pending.pop()
        if entry.kind == "link":
            try:
                entry = files.followed(entry)
            except OSError:
                skipped(place.joined(entry.parts))
                continue
            if entry.kind == "directory":
                skipped(place.joined(entry.parts))
                continue
        if entry.kind == "other" and entry.parts:
            skipped(place.joined(entry.parts))
            continue
        yield entry
        if entry.kind == "directory":
            with reported(), naming_place(place.joined(entry.parts)):
                pending += reversed(list(files.below(entry)))


class _Callback:
    """
    What the file system uses of a callback of fsspec.

    Attributes:
        relative_update: called with the bytes that were copied.
    """

    def __init__(self, advance: Advance) -> None:
        self.relative_update = advance

    def set_size(self, size: int) -> None:
        """
        The sizes of all files are known before.
        """


class _CopiedFile:
    """
    A local file that reports what is read of it.
    """

    def __init__(self, local: BinaryIO, place: CopyPlace, advance: Advance) -> None:
        self._local = local
        self._place = place
        self._advance = advance

    def read(self, size: int) -> bytes:
        """
        Return the next *size* bytes.
        """
        with naming_place(self._place):
            data = self._local.read(size)
        self._advance(len(data))
        return data


def _umask() -> int:
    """
    Return the mask of the modes of new files, which can only be read by setting it.
    """
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
