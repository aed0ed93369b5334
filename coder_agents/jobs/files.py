"""
Files on an agent, over its control shell.
"""

from __future__ import annotations

import contextlib
import errno
import io
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import attrs

from coder_agents.errors import CoderError, ControlShellError, TransportError
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
    ReplaceFile,
    Stat,
)
from coder_agents.jobs.paths import beside, parent_of
from coder_agents.jobs.piece_size import FIRST_PIECE, MAX_PIECE, PieceSize
from coder_agents.jobs.requests import Request, path_word
from coder_agents.jobs.results import FileInfo, Piece, numbers_of, read_entries
from coder_agents.jobs.shells import Shells, UnreachableError
from coder_agents.progress import ignore

Data = bytes | bytearray | memoryview | BinaryIO

OnPiece = Callable[[int], object]
"""
Called with the number of bytes of each piece of a transfer.
"""

_CHECKSUM_WAIT = 60.0  # seconds; a gigabyte takes some three


@attrs.frozen
class Files:
    """
    The files of an agent.

    Every call raises Python's own errors, such as `FileNotFoundError`, with the path as their
    ``filename``; *CoderError* where the agent cannot be reached.

    Attributes:
        shells: reach the agent.
        reference: what a path in an error begins with, so that it is not taken for a local one.
    """

    shells: Shells
    reference: str = ""

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

    def read(self, path: Path, *, on_piece: OnPiece = ignore) -> bytes:
        """
        Return the content of the file *path*.

        Raises *OSError* where the file changes meanwhile.
        """
        whole = io.BytesIO()
        self.copy_out(path, lambda piece: on_piece(whole.write(piece)))
        return whole.getvalue()

    def copy_out(self, path: Path, write: Callable[[bytes], object]) -> int:
        """
        Pass the content of the file *path* to *write*, piece by piece; return its size.

        A device, or a file of the kernel that reports no size, is read to its end.

        Raises *OSError* where the file changes meanwhile: after the last piece, as its checksum is compared.
        """
        checksum = Checksum()
        for piece in self.pieces(path):
            checksum.update(piece)
            write(piece)
        answer = self._call(GetChecksum(path), path, wait=_CHECKSUM_WAIT)
        if numbers_of(answer)[:2] != (checksum.value, checksum.size):
            raise self._changed(path)
        return checksum.size

    def pieces(self, path: Path, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """
        Yield the bytes of the file *path* from *begin* to *end*, in pieces of up to 4 MiB.

        A file that ends before *end* yields fewer bytes.
        """
        at = begin
        size = PieceSize()
        while end is None or at < end:
            wanted = size.bytes if end is None else min(size.bytes, end - at)
            request = GetPiece(path, offset=at, max_bytes=wanted)
            began = time.monotonic()
            piece = Piece.read(self._call(request, path))
            size.passed(len(piece.data), time.monotonic() - began)
            if len(piece.data) > wanted:
                raise ControlShellError(f"a piece has {len(piece.data)} bytes, not {wanted}")
            if piece.data:
                yield piece.data
            at += len(piece.data)
            # A file of the kernel has no size before its end: there, a whole piece may have a next one.
            if len(piece.data) < wanted:
                return

    def read_range(self, path: Path, begin: int, end: int, known: FileInfo | None = None) -> bytes:
        """
        Return the bytes of the file *path* from *begin* to *end*, or to its end where that is before.

        Raises *OSError* where the file is not as *known* says, or changes between two pieces.
        """
        if known is None and end - begin > FIRST_PIECE:
            known = self.stat(path)
        data = b"".join(self.pieces(path, begin, end))
        if known is not None and self.stat(path).version != known.version:
            raise self._changed(path)
        return data

    def write(
        self,
        path: Path,
        data: Data,
        *,
        mode: int | None = None,
        parents: bool = False,
        on_piece: OnPiece = ignore,
    ) -> int:
        """
        Make *data* the content of the file *path* in one step; return its size in bytes.

        Until then the file is as it was. It keeps its mode, unless *mode* is given. With *parents* the
        directories above it are created, if they are missing.

        Raises *ValueError* and *TypeError* for arguments that no file can get, before anything is sent.
        """
        path_word(path)
        given: object = mode
        if given is not None and not (isinstance(given, int) and 0 <= given <= 0o7777):
            raise ValueError(f"a mode is a number from 0 to 0o7777, not {mode!r}")
        pieces = _pieces_of(data)
        upload = Upload(self, path, parents=parents)
        with upload.discarded_on_error():
            for piece in pieces:
                upload.append(piece)
                on_piece(len(piece))
            upload.commit(mode)
        return upload.checksum.size

    def replace(self, path: Path, temporary: Path, checksum: Checksum, mode: int | None) -> None:
        """
        Make the file *temporary*, which *checksum* is of, become *path*, in one step.
        """
        request = ReplaceFile(
            path, temporary=temporary, checksum=checksum.value, size=checksum.size, mode=mode
        )
        self._call(request, path, wait=_CHECKSUM_WAIT)

    def put(self, path: Path, offset: int, piece: bytes, *, known_as: Path) -> None:
        """
        Write *piece* into the file *path* at *offset*. The path of an error is *known_as*.
        """
        answer = self._call(PutPiece(path, offset=offset, data=piece), known_as)
        if numbers_of(answer) != (offset + len(piece),):
            raise OSError(
                errno.EIO, "bytes were lost on the way to the agent", self._shown(known_as)
            )

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
        except CoderError:  # some are OSError, too
            raise
        except UnreachableError as error:
            failure = error.failure
            if not isinstance(failure, CoderError):
                failure = TransportError(f"{self.shells.place.what}: {failure}")
        except OSError as error:
            failure = OSError(error.errno, error.strerror, self._shown(path))
        raise failure

    def _changed(self, path: Path) -> OSError:
        return OSError(errno.ESTALE, "the file changed while it was read", self._shown(path))

    def _shown(self, path: Path) -> Path:
        return f"{self.reference}{path}" if isinstance(path, str) else path


class Upload:
    """
    A file that is written beside the one that it becomes in the end.

    With *parents* the directories above it are created, if they are missing.

    Attributes:
        checksum: the checksum and the size of what was appended so far.
    """

    def __init__(self, files: Files, path: Path, *, parents: bool = False) -> None:
        self.checksum = Checksum()
        self._files = files
        self._path = path
        self._parents = parents
        self._temporary = beside(path)
        self._is_begun = False
        self._size = PieceSize(MAX_PIECE)

    def append(self, data: bytes | memoryview) -> None:
        """
        Append *data*, of any size; with no bytes, make sure that the file is there.
        """
        rest = memoryview(data)
        while True:
            piece, rest = bytes(rest[: self._size.bytes]), rest[self._size.bytes :]
            began = time.monotonic()
            self._put(piece)
            self._size.passed(len(piece), time.monotonic() - began)
            self.checksum.update(piece)
            if not rest:
                return

    def _put(self, piece: bytes) -> None:
        is_first, self._is_begun = not self._is_begun, True
        offset = self.checksum.size
        try:
            self._files.put(self._temporary, offset, piece, known_as=self._path)
        except FileNotFoundError:
            if not (is_first and self._parents):
                raise
            self._files.make_directory(parent_of(self._path), parents=True)
            self._files.put(self._temporary, offset, piece, known_as=self._path)

    def commit(self, mode: int | None = None) -> None:
        """
        Make what was appended the content of the file, in one step.
        """
        if not self._is_begun:
            self.append(b"")
        self._files.replace(self._path, self._temporary, self.checksum, mode)

    def discard(self) -> None:
        """
        Drop what was appended.
        """
        if self._is_begun:
            self._files.discard(self._temporary)

    @contextlib.contextmanager
    def discarded_on_error(self) -> Iterator[None]:
        """
        Drop what was appended where the body of the ``with`` statement raises.
        """
        try:
            yield
        except BaseException:
            self.discard()
            raise


def _pieces_of(data: Data) -> Iterator[bytes | memoryview]:
    source: Any = data
    if hasattr(data, "read"):
        return _read_pieces(source)
    try:
        view = memoryview(source)
    except TypeError:
        kind = type(data).__name__
        raise TypeError(f"data must be bytes, text or a binary file, not {kind}") from None
    return iter([view.cast("B") if view.c_contiguous else view.tobytes()])


def _read_pieces(source: BinaryIO) -> Iterator[bytes]:
    while True:
        piece = source.read(MAX_PIECE)
        if not isinstance(piece, bytes):
            raise TypeError('data must be a binary file: open it with mode "rb"')
        if not piece:
            return
        yield piece
