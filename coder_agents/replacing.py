"""
Files that are written in one step.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from coder_agents.local_files import LocalFile, naming


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


def check_replaceable(path: Path) -> None:
    """
    Raise *OSError* where the folder of *path* takes no new file; *path* itself is not touched.
    """
    temporary = _beside(path)
    _created(temporary, path).close()
    temporary.unlink()


def _beside(path: Path) -> Path:
    # A short name: the file's own name may have the maximal length.
    return path.with_name(f".{secrets.token_hex(6)}.tmp")


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
