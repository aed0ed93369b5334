"""
The requests of the control shell about files.

Paths are the agent's: text, or bytes where a name is not UTF-8. A relative path begins at the
directory of the control shell.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from coder_agents.jobs.escape import payload
from coder_agents.jobs.piece_size import FIRST_PIECE
from coder_agents.jobs.requests import Request, check_natural, check_piece, path_word

Path = str | bytes


def _path(request: object, field: object, path: Path) -> None:
    path_word(path)


@attrs.frozen
class PathRequest(Request):
    """
    A request about one path.
    """

    # With the oldest attrs a subclass that is ``kw_only`` takes this field by name only, too. So a
    # subclass declares each of its own fields ``kw_only``.
    path: Path = attrs.field(validator=_path)

    def _fields(self) -> list[bytes]:
        return [path_word(self.path)]


@attrs.frozen
class Stat(PathRequest):
    """
    Report what *path* is: see `results.FileInfo`. With *follow*, what a symbolic link points to.
    """

    operation = "STAT"
    follow: bool = True

    def _fields(self) -> list[bytes]:
        return [path_word(self.path), b"1" if self.follow else b"0"]


class ListDirectory(PathRequest):
    """
    List a directory without ``.`` and ``..``, in answers ``MORE`` and at last one ``OK``.

    Links are not followed: see `results.read_entries`.
    """

    operation = "DIR"


@attrs.frozen
class GetPiece(PathRequest):
    """
    Read a piece of a file: see `results.Piece`. Beyond the end it is empty.
    """

    operation = "GET"
    offset: int = attrs.field(validator=check_natural, kw_only=True)
    max_bytes: int = attrs.field(default=FIRST_PIECE, validator=check_natural, kw_only=True)

    def _fields(self) -> list[bytes]:
        return [path_word(self.path), b"%d" % self.offset, b"%d" % self.max_bytes]


@attrs.frozen
class PutPiece(PathRequest):
    """
    Write a piece into a file, which is created where it is missing and never cut.

    The answer's field is the file's size afterwards: less than the offset and the piece together
    means that bytes were lost on the way.
    """

    operation = "PUT"
    offset: int = attrs.field(validator=check_natural, kw_only=True)
    data: bytes = attrs.field(validator=check_piece, kw_only=True)

    def _words(self, base64_available: bool) -> tuple[list[bytes], Iterable[bytes]]:
        form, following = payload(self.data, base64_available=base64_available)
        words = [path_word(self.path), b"%d" % self.offset, b"%d" % len(self.data), form]
        return words, following


@attrs.frozen
class ReplaceFile(PathRequest):
    """
    Make *temporary*, a file in the same directory, become *path* in one step.

    Refused where its checksum or its size is another one. A symbolic link stays one: what it
    points to is replaced. With no *mode* the old file's mode and, where that is permitted, owner
    are kept, and a new file gets what the umask leaves of 0o666.
    """

    operation = "REPLACE"
    temporary: Path = attrs.field(validator=_path, kw_only=True)
    checksum: int = attrs.field(validator=check_natural, kw_only=True)
    size: int = attrs.field(validator=check_natural, kw_only=True)
    mode: int | None = attrs.field(default=None, kw_only=True)

    def _fields(self) -> list[bytes]:
        mode = b"-" if self.mode is None else b"%o" % (self.mode & 0o7777)
        numbers = [b"%d" % self.checksum, b"%d" % self.size]
        return [path_word(self.path), path_word(self.temporary), *numbers, mode]


class GetChecksum(PathRequest):
    """
    Report the checksum and the size of a file in two fields: see `checksum.Checksum`.
    """

    operation = "CKSUM"


@attrs.frozen
class MakeDirectory(PathRequest):
    """
    Create a directory; with *parents* those above it too, and one that is there is no error.
    """

    operation = "MKDIR"
    parents: bool = False

    def _fields(self) -> list[bytes]:
        return [path_word(self.path), b"1" if self.parents else b"0"]


@attrs.frozen
class RemovePath(PathRequest):
    """
    Remove a file or an empty directory; with *recursive* all that is in it, too.
    """

    operation = "RM"
    recursive: bool = False

    def _fields(self) -> list[bytes]:
        return [path_word(self.path), b"1" if self.recursive else b"0"]


@attrs.frozen
class TargetRequest(PathRequest):
    """
    A request about one path and another one.
    """

    target: Path = attrs.field(validator=_path)

    def _fields(self) -> list[bytes]:
        return [path_word(self.path), path_word(self.target)]


class Move(TargetRequest):
    """
    Rename *path* to *target*, which is replaced where it is a file.
    """

    operation = "MV"


class CopyFile(TargetRequest):
    """
    Copy the bytes and the mode of the file *path* to *target*.
    """

    operation = "CP"
