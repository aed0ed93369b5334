"""
Files of this machine whose errors name them.

The system names a file where it cannot be opened, but not where it cannot be written or read.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]


@contextlib.contextmanager
def naming(path: PathLike) -> Iterator[None]:
    """
    Give an error of the system that the block raises the name *path*, in place of any other name.
    """
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        del error.filename2  # None would be shown as a second name
        raise


def written_path(path: PathLike) -> Path:
    """
    Return the path that is written to for *path*: the file that a link leads to is replaced, not the link.
    """
    # /dev/stdout leads to the name of a pipe, which is no path.
    return Path(path) if is_device(path) else Path(os.path.realpath(path))


def is_device(path: PathLike) -> bool:
    """
    Whether *path* is something that is written to and never replaced, such as a device or a pipe.

    A folder is, too: opening it raises the right error.
    """
    return os.path.exists(path) and not os.path.isfile(path)


def check_version(path: PathLike, document: object, newest: int) -> None:
    """
    Raise *ValueError* where *document*, which was read from *path*, has a version above *newest*.

    Such a file is not damaged: a newer release of this package has written it, and can read it.
    """
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > newest:
        raise ValueError(
            f"{os.fspath(path)} was written by a newer release of coder-agents (its version is"
            f" {version}, and this release reads {newest}): install that release, or pass another path"
        )


class LocalFile(io.FileIO):
    """
    A file without a buffer, whose errors name it.

    Args:
        file: its path, or its descriptor.
        mode: how it is opened, as of `open`, always for bytes.
        known_as: the name that a person knows; a file that is replaced at the end has another path until then.
    """

    def __init__(self, file: PathLike | int, mode: str, *, known_as: PathLike) -> None:
        self._known_as = known_as
        with naming(known_as):
            super().__init__(os.fspath(file) if not isinstance(file, int) else file, mode)

    def write(self, data: Any) -> int:
        """
        Write the beginning of *data*, and return how many bytes that is.
        """
        with naming(self._known_as):
            return super().write(data)

    def readinto(self, buffer: Any) -> int:
        """
        Fill the beginning of *buffer*, and return how many bytes that is.
        """
        with naming(self._known_as):
            return super().readinto(buffer)

    def truncate(self, size: int | None = None) -> int:
        """
        Cut the file off after *size* bytes.
        """
        with naming(self._known_as):
            return super().truncate(size)

    def write_durably(self, data: bytes, at: int) -> None:
        """
        Write all of *data* at the offset *at*, over what is there, and wait until the disk has it.
        """
        self.seek(at)
        left = memoryview(data)
        while left:
            left = left[self.write(left) :]
        with naming(self._known_as):
            os.fsync(self.fileno())
