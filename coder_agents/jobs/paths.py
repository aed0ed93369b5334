"""
Paths of files on an agent.
"""

from __future__ import annotations

import os
import posixpath
import secrets
from pathlib import PurePath

from coder_agents.jobs.file_requests import Path

FilePath = str | bytes | os.PathLike[str]
"""
What a user may pass as a path.
"""


def path_of(path: FilePath) -> Path:
    """
    Return *path* as the agent has it. Raises *TypeError* for what is no path.
    """
    return path.as_posix() if isinstance(path, PurePath) else os.fspath(path)


def parent_of(path: Path) -> Path:
    """
    Return the directory in which *path* is.
    """
    return (
        (posixpath.dirname(path) or b".")
        if isinstance(path, bytes)
        else posixpath.dirname(path) or "."
    )


def beside(path: Path) -> Path:
    """
    Return the name of a new file in the directory of *path*.
    """
    suffix = f".{secrets.token_hex(6)}.part"
    if isinstance(path, bytes):
        folder, name = posixpath.split(path)
        return posixpath.join(folder, b"." + name[:200] + suffix.encode())
    # A character has up to four bytes, and a name up to 255.
    head, tail = posixpath.split(path)
    return posixpath.join(head, f".{tail[:50]}{suffix}")
