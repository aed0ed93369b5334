"""
Files on an agent, over its control shell.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import posixpath
import secrets
from collections.abc import Callable, Iterator
from typing import BinaryIO

import attrs

from coder_agents.errors import CoderError, TransportError
from coder_agents.jobs.answers import Answer
from coder_agents.jobs.checksum import Checksum
from coder_agents.jobs.file_requests import (
    CopyFile,
    GetChecksum,
    GetPiece,
    ListDirectory,
    MakeDirectory,
    Move,
    Path,
    PutPiece,
    RemovePath,
    Replace,
    Stat,
)
from coder_agents.jobs.requests import MAX_PIECE, Request
from coder_agents.jobs.results import FileInfo, Piece, numbers_of, read_entries
from coder_agents.jobs.shells import Shells, UnreachableError

Data = bytes | bytearray | memoryview | BinaryIO

_CHECKSUM_WAIT = 60.0  # seconds; a gigabyte takes some three


@attrs.frozen
class Files:
    """
    The files of an agent.

    Every call raises Python's own errors, such as `FileNotFoundError`, with the path as their
    ``filename``; *CoderError* where the agent cannot be reached.
    """

    shells: Shells

    def stat(self, path: Path, *, follow: bool = True) -> FileInfo:
        """
        Return what *path* is; with *follow*, what a symbolic link points to.
        """
        return FileInfo.read(self._call(Stat(path, follow), path))

    def entries(self, path: Path) -> dict[bytes, FileInfo]:
        """
        Return the entries of the directory *path*, by name; links are not followed.
        """
        return read_entries(self._answers(ListDirectory(path), path))

    def read(self, path: Path) -> bytes:
        """
        Return the content of the file *path*.

        Raises *OSError* where the file changes meanwhile.
        """
        whole = io.BytesIO()
        self.copy_out(path, whole.write)
        return whole.getvalue()

    def copy_out(self, path: Path, write: Callable[[bytes], object]) -> int:
        """
        Pass the content of the file *path* to *write*, piece by piece; return its size.

        A device, or a file of the kernel that reports no size, is read to its end.

        Raises *OSError* where the file changes meanwhile: after the last piece, as its checksum is compared.
        """
        checksum = Checksum()
        for data in self.pieces(path):
            checksum.update(data)
            write(data)
        answer = self._call(GetChecksum(path), path, wait=_CHECKSUM_WAIT)
        if numbers_of(answer)[:2] != (checksum.value, checksum.size):
            raise _changed(path)
        return checksum.size

    def pieces(self, path: Path, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """
        Yield the bytes of the file *path* from *begin* to *end*, in pieces of up to 1 MiB.
        """
        at = begin
        while end is None or at < end:
            most = MAX_PIECE if end is None else min(MAX_PIECE, end - at)
            answer = self._call(GetPiece(path, offset=at, max_bytes=most), path)
            piece = Piece.read(answer)
            if not piece.data:
                return
            at += len(piece.data)
            yield piece.data

    def write(self, path: Path, data: Data, *, mode: int | None = None) -> int:
        """
        Make *data* the content of the file *path* in one step; return its size.

        Until then the file is as it was. It keeps its mode, unless *mode* is given.
        """
        source = data if hasattr(data, "read") else io.BytesIO(data)
        temporary = beside(path)
        checksum = Checksum()
        try:
            while True:
                piece = source.read(MAX_PIECE)
                if not isinstance(piece, bytes):
                    raise TypeError('data must be a binary file: open it with mode "rb"')
                if piece or not checksum.size:
                    self.put(temporary, checksum.size, piece)
                    checksum.update(piece)
                if not piece:
                    break
            self.replace(path, temporary, checksum, mode)
        except BaseException:
            self.discard(temporary)
            raise
        return checksum.size

    def replace(self, path: Path, temporary: Path, checksum: Checksum, mode: int | None) -> None:
        """
        Make the file *temporary*, which *checksum* is of, become *path*, in one step.
        """
        request = Replace(
            path, temporary=temporary, checksum=checksum.value, size=checksum.size, mode=mode
        )
        self._call(request, path, wait=_CHECKSUM_WAIT)

    def put(self, path: Path, offset: int, piece: bytes) -> None:
        """
        Write *piece* into the file *path* at *offset*.
        """
        answer = self._call(PutPiece(path, offset=offset, data=piece), path)
        if numbers_of(answer)[0] != offset + len(piece):
            raise OSError(errno.EIO, "bytes were lost on the way to the agent", path)

    def discard(self, temporary: Path) -> None:
        """
        Remove the file *temporary*, as far as that is possible.
        """
        with contextlib.suppress(OSError, CoderError):
            self.remove(temporary)

    def make_directory(self, path: Path, *, parents: bool = False) -> None:
        """
        Create the directory *path*; with *parents* those above it too, and one that is there is no error.
        """
        self._call(MakeDirectory(path, parents), path)

    def remove(self, path: Path, *, recursive: bool = False) -> None:
        """
        Remove a file or an empty directory; with *recursive* all that is in it, too.
        """
        self._call(RemovePath(path, recursive), path, wait=_CHECKSUM_WAIT)

    def move(self, path: Path, target: Path) -> None:
        """
        Rename *path* to *target*, which is replaced where it is a file.
        """
        self._call(Move(path, target), path, wait=_CHECKSUM_WAIT)

    def copy(self, path: Path, target: Path) -> None:
        """
        Copy the bytes and the mode of the file *path* to *target*, on the agent.
        """
        self._call(CopyFile(path, target), path, wait=_CHECKSUM_WAIT)

    def _call(self, request: Request, path: Path, *, wait: float = 0) -> Answer:
        return self._answers(request, path, wait=wait)[-1]

    def _answers(self, request: Request, path: Path, *, wait: float = 0) -> list[Answer]:
        failure: Exception
        try:
            return self.shells.call(request, wait=wait)
        except UnreachableError as error:
            failure = error.failure
            if not isinstance(failure, CoderError):
                failure = TransportError(f"{self.shells.place.what}: {failure}")
        except OSError as error:
            failure = OSError(error.errno, error.strerror, path)
        raise failure


def beside(path: Path) -> Path:
    """
    Return the name of a new file in the directory of *path*.
    """
    suffix = f".{secrets.token_hex(6)}.part"
    if isinstance(path, bytes):
        return os.path.join(
            posixpath.dirname(path), b"." + posixpath.basename(path)[:200] + suffix.encode()
        )
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f".{name[:60]}{suffix}")


def _changed(path: Path) -> OSError:
    return OSError(errno.ESTALE, "the file changed while it was read", path)
