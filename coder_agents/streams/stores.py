"""
Stores of bookmarks, with which a stream of logs continues where an earlier process has stopped.
"""

from __future__ import annotations

import itertools
import json
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from coder_agents.config import seconds_or_none
from coder_agents.errors import BookmarkConflictError
from coder_agents.local_files import check_version
from coder_agents.replacing import check_replaceable, locked, remove_abandoned, replaced
from coder_agents.streams.bookmark import Bookmark
from coder_agents.transport import fork

INTERVAL = 5.0
"""
Seconds between two saves of a store without an attribute *interval*.
"""

_VERSION = 1
_Identity = tuple[int, int, int, int]


class BookmarkStore(Protocol):
    """
    Where a stream of logs saves its bookmarks: a class with these two methods.

    The thread that reads the stream calls both. A line counts as done when the caller asks for the
    next one, so a bookmark is saved after its lines were handled: a store delivers each line *at
    least once*. A store that commits its bookmarks in one transaction with the lines delivers each
    line *exactly once*.

    A class may have two attributes, too:

    - ``interval``: seconds between two saves, 5 where it is missing; 0 saves before each line.
    - ``transactional``: true where `save` commits what the caller did with the lines. After an
      exception in the body of a ``with`` statement the last line may be half done, so nothing is
      saved then, and the store is left to roll back. Other stores save all lines but that one.
    """

    def load(self) -> Mapping[uuid.UUID, str]:
        """
        Return the saved bookmarks, by the ids of the agents; called when a stream is opened.
        """

    def save(self, bookmarks: Mapping[uuid.UUID, str]) -> None:
        """
        Save *bookmarks*, those that have changed since the last call; all others are kept.
        """


def check_store(store: object) -> float:
    """
    Return the interval of *store*, in seconds.

    Raises *TypeError* or *ValueError* where *store* is no store of bookmarks.
    """
    if isinstance(store, type) or not all(
        callable(getattr(store, name, None)) for name in ("load", "save")
    ):
        hint = (
            f"FileBookmarks({str(store)!r})"
            if isinstance(store, (str, os.PathLike))
            else "FileBookmarks('bookmarks.json')"
        )
        raise TypeError(
            "bookmarks must be a store with the methods load and save, such as"
            f" {hint}, not {type(store).__name__}"
        )
    return _seconds(getattr(store, "interval", INTERVAL))


def _seconds(interval: float) -> float:
    seconds = seconds_or_none("interval", interval)
    if seconds is None:
        raise TypeError("interval must be seconds, not None")
    return seconds


def stored_bookmarks(
    store: BookmarkStore | None, agent_ids: Iterable[uuid.UUID]
) -> dict[uuid.UUID, Bookmark]:
    """
    Return the bookmarks in *store* of those agents that have one there.

    Raises *TypeError* where *store* is no store or does not load a mapping from ids to bookmarks,
    *ValueError* where a bookmark in it is damaged, and what *store* raises.
    """
    if store is None:
        return {}
    check_store(store)
    stored = store.load()
    _check_loaded(stored, f"{type(store).__name__}.load")
    return {each: Bookmark.read(stored[each], each) for each in agent_ids if each in stored}


def _check_loaded(stored: Any, name: str) -> None:
    """
    Raise *TypeError* where *stored*, what the function *name* returned, is no mapping from ids of agents.

    With texts as keys, no agent would be found, and each log would be read from its beginning again.
    """
    if not isinstance(stored, Mapping):
        raise TypeError(
            f"{name} must return a mapping from the ids of agents to bookmarks, empty where nothing"
            f" is saved, not {type(stored).__name__}"
        )
    # One key is enough: a store may hold the bookmarks of a million agents.
    for key in itertools.islice(stored, 1):
        if not isinstance(key, uuid.UUID):
            raise TypeError(
                f"the keys of what {name} returns must be ids of agents, of the class uuid.UUID, not"
                f" {type(key).__name__}"
            )


class FileBookmarks:
    """
    A store of bookmarks in the JSON file *path*.

    Each line is delivered at least once: after a crash, a stream repeats the lines that were handed
    out since the last save, and loses none. The file is replaced in one step, so that it is whole
    after a crash, too.

    Several streams of one process may share a store. Two programs may share a file only if they
    follow different agents: `save` raises *BookmarkConflictError* where another program has saved the
    bookmark of an agent of this store.

    A store can be pickled; the other process opens the same path.

    Args:
        path: the file; it need not exist. A relative path is resolved now.
        interval: seconds between two saves; 0 saves before each line.

    Raises *ValueError* or *TypeError* for an impossible interval.
    """

    def __init__(self, path: str | os.PathLike[str], *, interval: float = INTERVAL) -> None:
        self._path = Path(os.path.realpath(path))
        self.interval = _seconds(interval)
        self._lock = fork.RenewedLock()
        self._bookmarks: dict[uuid.UUID, str] = {}
        self._own: set[uuid.UUID] = set()  # the agents whose bookmarks were saved here
        self._identity: _Identity | None = None  # of the file as it was last read or written

    @property
    def path(self) -> Path:
        """
        The file, as an absolute path.
        """
        return self._path

    def __repr__(self) -> str:
        return f"FileBookmarks({str(self._path)!r}, interval={self.interval:g})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (type(self), str(self._path), self.interval)

    def load(self) -> dict[uuid.UUID, str]:
        """
        Return the bookmarks in the file; none where there is no file yet.

        What a program that was killed in a save has left beside the file is removed after an hour.

        Raises *ValueError* where the file is damaged or written by a newer release, and *OSError*
        where it cannot be read, or its folder takes no new file.
        """
        with self._lock.current:
            check_replaceable(self._path)
            remove_abandoned(self._path)
            self._read()
            return dict(self._bookmarks)

    def save(self, bookmarks: Mapping[uuid.UUID, str]) -> None:
        """
        Save *bookmarks*, together with those that the file has of other agents.

        Raises *BookmarkConflictError* where another program has saved the bookmark of one of these
        agents, and *OSError* where the file cannot be written.
        """
        with locked(self._path.parent), self._lock.current:
            self._check_own(bookmarks)
            self._bookmarks.update(bookmarks)
            self._write()
            self._own.update(bookmarks)

    def _check_own(self, saved: Iterable[uuid.UUID]) -> None:
        """
        Read the file where another program has written it.
        """
        if _identity_of(self._path) in (self._identity, None):
            return
        before = dict(self._bookmarks)
        own = self._own.union(saved)
        identity = self._identity
        self._read()
        for each in own:
            if self._bookmarks.get(each) != before.get(each):
                self._bookmarks, self._identity = before, identity  # the next save raises, too
                raise BookmarkConflictError(
                    f"another program saves the bookmark of agent {each} to {self._path}: stop that"
                    " program, or give each program a file of its own"
                )

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                identity = _identity(os.fstat(file.fileno()))
                content = file.read()
        except FileNotFoundError:
            self._bookmarks, self._identity = {}, None
            return
        self._bookmarks = _bookmarks_in(content, self._path)
        self._identity = identity

    def _write(self) -> None:
        document = {
            "version": _VERSION,
            "bookmarks": {str(each): text for each, text in self._bookmarks.items()},
        }
        with replaced(self._path) as file:
            file.write(json.dumps(document, indent=0).encode())
            file.flush()
            identity = _identity(os.fstat(file.fileno()))
        self._identity = identity


def _opened(kind: type[FileBookmarks], path: str, interval: float) -> FileBookmarks:
    return kind(path, interval=interval)


def _bookmarks_in(content: bytes, path: Path) -> dict[uuid.UUID, str]:
    document = None
    try:
        document = json.loads(content)
        return _of_document(document)
    except (ValueError, TypeError, RecursionError) as error:
        check_version(path, document, _VERSION)
        raise ValueError(
            f"{path} is damaged, or no file of bookmarks ({error}): pass another path, or delete it,"
            " to read each log from its beginning"
        ) from error


def _of_document(document: Any) -> dict[uuid.UUID, str]:
    match document:
        case {"version": version, "bookmarks": dict(bookmarks)} if version == _VERSION:
            read = map(Bookmark.read_any, bookmarks.values())
            return {bookmark.agent_id: str(bookmark) for bookmark in read}
    raise ValueError(f"it has no bookmarks of the version {_VERSION}")


def _identity_of(path: Path) -> _Identity | None:
    try:
        return _identity(path.stat())
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
