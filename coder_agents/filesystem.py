"""
Agents as a file system of fsspec: ``coder://[owner/]workspace[.agent]/absolute/path``.

Needs fsspec: ``pip install coder-agents[files]``.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from coder_agents.errors import WorkspaceNotFoundError
from coder_agents.jobs.checksum import Checksum
from coder_agents.jobs.files import Files, beside

if TYPE_CHECKING:
    from coder_agents.client import Client
    from coder_agents.jobs.results import FileInfo

_BLOCK_SIZE = 4 * 2**20  # bytes that a file which is open reads ahead


class AgentFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """
    The files of all agents that a client can reach.

    A path begins with the workspace, as ``workspace``, ``workspace.agent``, ``owner/workspace`` or
    ``owner/workspace.agent``; after it comes the absolute path on the agent's machine. Where the first part is
    both a workspace of yours and a user, it is the workspace; ``@owner/workspace`` is always the other.

    Raises Python's own errors, such as `FileNotFoundError`; *CoderError* where an agent cannot be
    reached.

    Args:
        client: the client; by default `Client.from_env`.
        auto_mkdir: whether writing a file creates the directories above it, as in fsspec's local file system.
    """

    protocol = "coder"
    root_marker = ""
    cachable = False  # a file system holds connections, and a client may be closed

    def __init__(
        self, *, client: Client | None = None, auto_mkdir: bool = False, **storage_options: Any
    ) -> None:
        super().__init__(**storage_options)
        self.auto_mkdir = auto_mkdir
        self._client = client
        self._places: dict[str, Files] = {}
        self._resolving = threading.Lock()

    @property
    def client(self) -> Client:
        """
        The client whose agents these are.
        """
        if self._client is None:
            from coder_agents.client import Client

            self._client = Client.from_env()
        return self._client

    def _split(self, path: str) -> tuple[str, Files, str]:
        """
        Return the reference of the agent in *path*, its files, and the path on it.
        """
        stripped = self._strip_protocol(path)
        first, _, rest = stripped.partition("/")
        second, _, further = rest.partition("/")
        with self._resolving:
            for reference, inner in ((first, rest), (f"{first}/{second}", further)):
                if reference in self._places:
                    return reference, self._places[reference], f"/{inner}"
            if not first:
                raise FileNotFoundError(
                    f"no workspace in {path!r}: coder://workspace/absolute/path"
                )
            if first.startswith("@"):
                return self._found(f"{first}/{second}", further)
            try:
                return self._found(first, rest)
            except WorkspaceNotFoundError:
                if not second:
                    raise
                return self._found(f"{first}/{second}", further)

    def _found(self, reference: str, inner: str) -> tuple[str, Files, str]:
        files = Files(self.client.agent(reference)._shells(None, None))
        self._places[reference] = files
        return reference, files, f"/{inner}"

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """
        Return the entries of the directory *path*, or the file that it is; see fsspec.
        """
        reference, files, inner = self._split(path)
        if not stat.S_ISDIR(files.stat(inner).mode):
            found = [self.info(path)]
        else:
            folder = f"{reference}{inner}".rstrip("/")
            found = [
                self._entry(files, f"{folder}/{os.fsdecode(name)}", inner, name, info)
                for name, info in sorted(files.entries(inner).items())
            ]
        return found if detail else [each["name"] for each in found]

    def _entry(
        self, files: Files, path: str, folder: str, name: bytes, info: FileInfo
    ) -> dict[str, Any]:
        if not stat.S_ISLNK(info.mode):
            return described(path, info)
        try:
            target = files.stat(os.path.join(os.fsencode(folder), name))
        except OSError:  # it leads nowhere
            return {**described(path, info), "islink": True}
        return {**described(path, target), "islink": True}

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """
        Return what *path* is: name, size in bytes, type, mode, uid, gid, mtime and created.
        """
        reference, files, inner = self._split(path)
        return described(f"{reference}{inner}".rstrip("/"), files.stat(inner))

    def created(self, path: str) -> datetime:
        """
        Return when the inode of *path* was changed last, as fsspec's local file system does.
        """
        return _moment(self.info(path)["created"])

    def modified(self, path: str) -> datetime:
        """
        Return when *path* was written last.
        """
        return _moment(self.info(path)["mtime"])

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        """
        Return the bytes of the file *path* from *start* to *end*; negative ones count from its end.
        """
        _, files, inner = self._split(path)
        if start is None and end is None:
            return files.read(inner)
        size = files.stat(inner).size
        begin, stop, _ = slice(start, end).indices(size)
        return b"".join(files.pieces(inner, begin, max(begin, stop)))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        """
        Make *value* the content of the file *path*, in one step.
        """
        _, files, inner = self._split(path)
        if mode == "create" and self.exists(path):
            raise FileExistsError(path)
        self.make_room(files, inner)
        files.write(inner, value)

    def make_room(self, files: Files, inner: str) -> None:
        """
        Create the directories above *inner*, where this file system does so.
        """
        if self.auto_mkdir:
            files.make_directory(os.path.dirname(inner), parents=True)

    def get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Callback = DEFAULT_CALLBACK,
        outfile: BinaryIO | None = None,
        **options: Any,
    ) -> None:
        """
        Copy the file *rpath* to the local file *lpath*.
        """
        _, files, inner = self._split(rpath)
        info = files.stat(inner)
        if stat.S_ISDIR(info.mode):
            os.makedirs(lpath, exist_ok=True)
            return
        callback.set_size(info.size)
        if hasattr(lpath, "write"):
            _copied_out(files, inner, lpath, callback)
            return
        os.makedirs(os.path.dirname(lpath) or ".", exist_ok=True)
        partial = f"{lpath}.part"
        try:
            with open(partial, "wb") as local:
                _copied_out(files, inner, local, callback)
            os.replace(partial, lpath)
        finally:
            if os.path.exists(partial):
                os.remove(partial)

    def put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        **options: Any,
    ) -> None:
        """
        Copy the local file *lpath* to the file *rpath*, in one step.
        """
        _, files, inner = self._split(rpath)
        if os.path.isdir(lpath):
            files.make_directory(inner, parents=True)
            return
        if mode == "create" and self.exists(rpath):
            raise FileExistsError(rpath)
        callback.set_size(os.path.getsize(lpath))
        self.make_room(files, inner)
        with open(lpath, "rb") as local:
            files.write(inner, _Counted(local, callback))  # type: ignore[arg-type]

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """
        Create the directory *path*; with *create_parents* those above it, too.
        """
        _, files, inner = self._split(path)
        if create_parents:
            files.make_directory(os.path.dirname(inner), parents=True)
        files.make_directory(inner)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """
        Create the directory *path* and those above it.
        """
        _, files, inner = self._split(path)
        if not exist_ok and self.exists(path):
            raise FileExistsError(path)
        files.make_directory(inner, parents=True)

    def rmdir(self, path: str) -> None:
        """
        Remove the empty directory *path*.
        """
        _, files, inner = self._split(path)
        if not stat.S_ISDIR(files.stat(inner, follow=False).mode):
            raise NotADirectoryError(path)
        files.remove(inner)

    def rm_file(self, path: str) -> None:
        """
        Remove the file *path*.
        """
        _, files, inner = self._split(path)
        files.remove(inner)

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def rm(
        self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None
    ) -> None:
        """
        Remove what *path* matches; with *recursive* directories and all that is in them.
        """
        for each in reversed(self.expand_path(path, recursive=recursive, maxdepth=maxdepth)):
            _, files, inner = self._split(each)
            try:
                files.remove(inner, recursive=recursive and maxdepth is None)
            except FileNotFoundError:  # removed with the directory in which it was
                if not recursive:
                    raise

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """
        Copy the file *path1* to *path2*; on one agent no byte passes through this program.
        """
        source, files, inner = self._split(path1)
        target, target_files, target_inner = self._split(path2)
        if stat.S_ISDIR(files.stat(inner).mode):
            target_files.make_directory(target_inner, parents=True)
            return
        self.make_room(target_files, target_inner)
        if source == target:
            files.copy(inner, target_inner)
        else:
            target_files.write(target_inner, files.read(inner))

    def mv_file(self, path1: str, path2: str) -> None:
        """
        Rename the file *path1* to *path2*.
        """
        source, files, inner = self._split(path1)
        target, _, target_inner = self._split(path2)
        if source == target:
            files.move(inner, target_inner)
        else:
            self.cp_file(path1, path2)
            self.rm_file(path1)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> AgentFile:
        if mode.startswith("x") and self.exists(path):
            raise FileExistsError(path)
        return AgentFile(
            self,
            path,
            mode.replace("x", "w"),
            _BLOCK_SIZE if block_size is None else block_size,
            autocommit=autocommit,
            cache_options=cache_options,
            **options,
        )


class AgentFile(AbstractBufferedFile):  # type: ignore[misc]
    """
    A file on an agent that is open. What is written appears in one step, when it is closed.
    """

    def _fetch_range(self, start: int, end: int) -> bytes:
        _, files, inner = self.fs._split(self.path)
        return b"".join(files.pieces(inner, start, end))

    def _initiate_upload(self) -> None:
        _, self._files, self._inner = self.fs._split(self.path)
        self.fs.make_room(self._files, self._inner)
        self._temporary = beside(self._inner)
        self._checksum = Checksum()
        if "a" in self.mode and self.fs.exists(self.path):
            self._append(self._files.pieces(self._inner))

    def _append(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self._files.put(self._temporary, self._checksum.size, piece)
            self._checksum.update(piece)

    def _upload_chunk(self, final: bool = False) -> bool:
        data = self.buffer.getvalue()
        if data or (final and not self._checksum.size):
            self._append(iter([data]))
        if final and self.autocommit:
            self.commit()
        return True

    def commit(self) -> None:
        """
        Make what was written the content of the file.
        """
        self._files.replace(self._inner, self._temporary, self._checksum, None)

    def discard(self) -> None:
        """
        Drop what was written.
        """
        self._files.discard(self._temporary)


def described(name: str, info: FileInfo) -> dict[str, Any]:
    """
    Return *info* of the path *name* as fsspec has it.
    """
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return {
        "name": name,
        "size": info.size,
        "type": kinds.get(stat.S_IFMT(info.mode), "other"),
        "mode": info.mode,
        "uid": info.uid,
        "gid": info.gid,
        "mtime": info.modified,
        "created": info.changed,
        "islink": stat.S_ISLNK(info.mode),
    }


def _moment(seconds: float | None) -> datetime:
    if seconds is None:
        raise NotImplementedError("the agent has no command that reports the time of a file")
    return datetime.fromtimestamp(seconds, UTC)


def _copied_out(files: Files, inner: str, local: BinaryIO, callback: Callback) -> None:
    def write(data: bytes) -> None:
        local.write(data)
        callback.relative_update(len(data))

    files.copy_out(inner, write)


class _Counted:
    """
    A local file that reports what is read of it to fsspec's callback.
    """

    def __init__(self, local: BinaryIO, callback: Callback) -> None:
        self._local = local
        self._callback = callback

    def read(self, size: int) -> bytes:
        """
        Return the next *size* bytes.
        """
        data = self._local.read(size)
        self._callback.relative_update(len(data))
        return data
