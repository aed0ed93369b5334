"""
Where files are: on this machine, or on an agent.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

import attrs
import click

if TYPE_CHECKING:
    from coder_agents import Client

# Both on one line: names of folders may contain anything but the byte 0.
_FOLDERS = r'printf "%s\000%s" "$PWD" "$HOME"'


@attrs.frozen
class CopyPlace:
    """
    A path on this machine or on an agent.

    Attributes:
        ref: the name of the agent; empty for this machine.
        path: the path; one on an agent is relative to the agent's directory, or begins with ``/`` or ``~``.
    """

    ref: str
    path: str

    def __str__(self) -> str:
        return f"{self.ref}:{self.path}" if self.ref else self.path

    @property
    def name(self) -> str:
        """
        The last part of the path; empty where that is no name, as in ``dev:`` and ``..``.
        """
        paths = posixpath if self.ref else os.path
        name = paths.basename(self.path.rstrip("/"))
        return "" if name in ("", ".", "..", "~") else str(name)

    def joined(self, parts: tuple[str, ...]) -> CopyPlace:
        """
        Return the place of *parts* below this one.
        """
        paths = posixpath if self.ref else os.path
        return attrs.evolve(self, path=paths.join(self.path, *parts))

    @property
    def is_folder(self) -> bool:
        """
        Whether the path is written as that of a folder: with a slash at its end, or empty.
        """
        return self.path.endswith("/") or not self.path


def parse_place(text: str) -> CopyPlace:
    """
    Return the place that *text* names: ``workspace:path``, or a path on this machine.

    A path on this machine that contains a colon begins with ``./`` or ``/``.

    Raises *BadParameter* where the text before the colon names no agent.
    """
    from coder_agents.references import parse_reference

    ref, colon, path = text.partition(":")
    is_drive = os.name == "nt" and len(ref) == 1
    if not colon or ref.startswith((".", "/", "~")) or is_drive:
        if not text:
            raise click.BadParameter("a path is empty: use . for the current folder")
        return CopyPlace("", text)
    try:
        parse_reference(ref)
    except ValueError as error:
        raise click.BadParameter(f"{error}; a path with a colon begins with ./") from None
    return CopyPlace(ref, path)


class Roots:
    """
    Makes the paths on agents absolute. Each agent is requested once for its folders.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._folders: dict[str, tuple[str, str]] = {}

    def absolute(self, place: CopyPlace) -> str:
        """
        Return the path of *place*, which is on an agent, from the root.
        """
        path = place.path
        if path.startswith("/"):
            return posixpath.normpath(path)
        directory, home = self._of(place.ref)
        first, _, rest = path.partition("/")
        if first == "~":
            return posixpath.normpath(posixpath.join(home, rest))
        return posixpath.normpath(posixpath.join(directory, path))

    def _of(self, ref: str) -> tuple[str, str]:
        if ref not in self._folders:
            done = self._client.agent(ref).run(_FOLDERS, check=True)
            directory, _, home = os.fsdecode(done.stdout).partition("\0")
            self._folders[ref] = directory, home
        return self._folders[ref]
