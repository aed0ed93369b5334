"""
Files that are written in one step.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from coder_agents.local_files import LocalFile, naming

try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
except ImportError:  # pragma: no cover (Windows)
    flock = None  # type: ignore[assignment]

_MAX_WAIT = 5.0  # seconds for a lock; a save takes milliseconds
_RECHECK = 0.002  # seconds
_ABANDONED = 3600.0  # seconds since a program has last written a new file


@contextlib.contextmanager
def replaced(path: Path, *, stale: Path | None = None) -> Iterator[BinaryIO]:
    """
    Open a new file that takes the place of *path* at the end of the block.

    Whoever opens *path* gets the old file or the complete new file, also after a crash. The new file
    has the mode of the old one. An exception in the block leaves the old file, and nothing beside
    it. *stale* is a file about the old one, which is removed with it. The new name is durable after
    `sync_folder`.

    Raises *OSError* where the file cannot be written.
    """
    temporary = _beside(path)
    try:
        with _created(temporary, path) as file, io.BufferedWriter(file) as buffered:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, path.stat().st_mode & 0o7777)
            yield buffered
            buffered.flush()
            with naming(path):
                os.fsync(file.fileno())
        if stale is not None and os.path.exists(stale):
            stale.unlink()
        with naming(path):
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """
    Wait until no other program is in such a block of the same *folder*, and keep others out.

    A file that is read and replaced in the block loses nothing that another program writes. A thread
    that is in a block of the folder enters another one at once. Where the system cannot lock a
    folder, as with some network file systems, nobody is kept out; and a program that was stopped in
    the block keeps others out for a few seconds only.
    """
    met = _entered.folders
    if folder in met:  # the garbage collector may run other code in a block
        yield
        return
    with _locks(folder):
        try:
            met.add(folder)
            yield
        finally:
            met.discard(folder)


@contextlib.contextmanager
def _locks(folder: Path) -> Iterator[None]:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        yield
        return
    try:
        _wait_for_lock(descriptor)
        yield
    finally:
        # A process that was forked in the block has the descriptor, too, and would keep the lock.
        with contextlib.suppress(OSError):
            flock(descriptor, LOCK_UN)
        os.close(descriptor)


def _wait_for_lock(descriptor: int) -> None:
    until = time.monotonic() + _MAX_WAIT
    while time.monotonic() < until:
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            time.sleep(_RECHECK)
        except OSError:  # pragma: no cover (a file system without locks)
            return
        else:
            return


class _Entered(threading.local):
    """
    The folders that the current thread has locked.
    """

    def __init__(self) -> None:
        self.folders: set[Path] = set()


_entered = _Entered()


def check_replaceable(path: Path) -> None:
    """
    Raise *OSError* where the folder of *path* takes no new file; *path* itself is not touched.
    """
    temporary = _beside(path)
    _created(temporary, path).close()
    temporary.unlink()


def remove_abandoned(path: Path) -> None:
    """
    Remove the new files beside *path* that programs have left which were killed.

    Only for files that are written in a moment: a new file that was not touched for an hour counts as
    left. One that cannot be removed stays.
    """
    for each in path.parent.glob(_beside_name(path, "*")):
        with contextlib.suppress(OSError):
            if time.time() - each.stat().st_mtime > _ABANDONED:
                each.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(_beside_name(path, secrets.token_hex(6)))


def _beside_name(path: Path, part: str) -> str:
    # A short name: the file's own name may have the maximal length.
    return f".{zlib.crc32(os.fsencode(path.name)):08x}-{part}.tmp"


def _created(temporary: Path, path: Path) -> LocalFile:
    return LocalFile(temporary, "xb", known_as=path)


def sync_folder(folder: Path) -> None:
    """
    Make the names in *folder* durable, where the system can do that.
    """
    if os.name == "nt":  # pragma: no cover (Windows opens no folders)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
