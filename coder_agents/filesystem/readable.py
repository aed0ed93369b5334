"""
What can be read of a file system of agents.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.spec import AbstractFileSystem
from fsspec.utils import isfilelike

from coder_agents.errors import WorkspaceNotFoundError
from coder_agents.filesystem.bars import shown_callback
from coder_agents.filesystem.places import Places
from coder_agents.jobs.files import Files
from coder_agents.local_files import LocalFile, is_device, naming, written_path

if TYPE_CHECKING:
    from coder_agents.client import Client
    from coder_agents.jobs.results import FileInfo

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


class ReadableFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """
    The part of `AgentFileSystem` that changes nothing on an agent.
    """

    protocol = "coder"
    root_marker = ""
    cachable = False  # a file system holds connections, and a client may be closed

    def __init__(self, *, client: Client | None = None, **storage_options: Any) -> None:
        super().__init__(**storage_options)
        self._places = Places(client)

    @property
    def client(self) -> Client:
        """
        The client whose agents these are.
        """
        return self._places.client

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """
        Return what builds this file system again, for fsspec's ``to_json``, too.

        Raises *TypeError* if it was built with ``client=``: the token must not be in a text.
        """
        if "client" in self.storage_options:
            raise TypeError(
                "a file system with client= has no JSON: build it without, so that it reads its"
                " settings from the environment"
            )
        found: dict[str, Any] = super().to_dict(**options)
        return found

    def to_json(self, **options: Any) -> str:
        """
        Return `to_dict` as JSON.
        """
        self.to_dict()
        found: str = super().to_json(**options)
        return found

    def __repr__(self) -> str:
        client = self._places.known
        within = "" if client is None else f" of {client!r}"
        return f"<{type(self).__name__}{within}>"

    def _os_error(self, number: int, path: str) -> OSError:
        return OSError(number, os.strerror(number), self._strip_protocol(path))

    def _split(self, path: str) -> tuple[str, Files, str]:
        return self._places.split(self._strip_protocol(path))

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """
        Return the entries of the directory *path*, or the file that it is; see fsspec.

        A symbolic link is of the type ``link``, and is not followed; `info` follows it.
        """
        reference, files, inner = self._split(path)
        try:
            entries = files.entries(inner)
        except NotADirectoryError:
            found = [self.info(path)]
        else:
            folder = f"{reference}{inner}".rstrip("/")
            found = [
                described(f"{folder}/{name.decode('utf-8', 'surrogateescape')}", info)
                for name, info in sorted(entries.items())
            ]
        return found if detail else [each["name"] for each in found]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """
        Return what *path* is: name, size in bytes, type, mode, uid, gid, mtime and created.
        """
        reference, files, inner = self._split(path)
        return described(f"{reference}{inner}".rstrip("/"), files.stat(inner))

    def exists(self, path: str, **options: Any) -> bool:
        """
        Return whether *path* is there. Raises *CoderError* if its agent cannot be reached.
        """
        return self._kind(path) is not None

    def lexists(self, path: str, **options: Any) -> bool:
        """
        Return whether *path* is there, if only as a symbolic link that leads nowhere.
        """
        return self._kind(path, follow=False) is not None

    def isfile(self, path: str) -> bool:
        """
        Return whether *path* is a file, or a link to one.
        """
        return self._kind(path) == stat.S_IFREG

    def isdir(self, path: str) -> bool:
        """
        Return whether *path* is a directory, or a link to one.
        """
        return self._kind(path) == stat.S_IFDIR

    def _kind(self, path: str, *, follow: bool = True) -> int | None:
        # fsspec's own answer is no if the agent cannot be reached.
        try:
            _, files, inner = self._split(path)
            return stat.S_IFMT(files.stat(inner, follow=follow).mode)
        except (FileNotFoundError, NotADirectoryError, WorkspaceNotFoundError):
            return None

    def created(self, path: str) -> datetime:
        """
        Return when the inode of *path* was changed last, as fsspec's local file system does.
        """
        return moment_of(self.info(path)["created"])

    def modified(self, path: str) -> datetime:
        """
        Return when *path* was written last.
        """
        return moment_of(self.info(path)["mtime"])

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        """
        Return the bytes of the file *path* from *start* to *end*; negative ones count from its end.
        """
        _, files, inner = self._split(path)
        if start is None and end is None:
            return files.read(inner)
        if end is not None and min(start or 0, end) >= 0:
            return files.read_range(inner, start or 0, end)
        known = files.stat(inner)
        if not known.size:  # a file of the kernel, perhaps
            return files.read(inner)[start:end]
        begin, stop, _ = slice(start, end).indices(known.size)
        return files.read_range(inner, begin, stop, known)

    def get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Callback = DEFAULT_CALLBACK,
        outfile: BinaryIO | None = None,
        **options: Any,
    ) -> None:
        """
        Copy the file *rpath* to the local file *lpath*, in one step, or into the open file *outfile*.

        A symbolic link stays one: the file that it leads to is replaced. A device or a pipe is written to.
        """
        _, files, inner = self._split(rpath)
        target = lpath if outfile is None and isfilelike(lpath) else outfile
        info = files.stat(inner)
        if stat.S_ISDIR(info.mode):
            os.makedirs(lpath, exist_ok=True)
            return
        with shown_callback(callback, rpath) as shown:
            shown.set_size(info.size)
            self._get(files, inner, lpath, target, shown)

    def _get(self, files: Files, inner: str, lpath: Any, target: Any, callback: Callback) -> None:
        if target is not None:
            _copy_out(files, inner, target, callback)
            return
        if is_device(lpath):
            with io.BufferedWriter(LocalFile(lpath, "wb", known_as=lpath)) as local:
                _copy_out(files, inner, local, callback)
            return
        os.makedirs(os.path.dirname(lpath) or ".", exist_ok=True)
        written = written_path(lpath)
        partial = f"{written}.{secrets.token_hex(6)}.part"
        try:
            with io.BufferedWriter(LocalFile(partial, "xb", known_as=lpath)) as local:
                _copy_out(files, inner, local, callback)
            with naming(lpath):
                os.replace(partial, written)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.remove(partial)
            raise


def described(name: str, info: FileInfo) -> dict[str, Any]:
    """
    Return *info* of the path *name* as fsspec has it.
    """
    return {
        "name": name,
        "size": info.size,
        "type": _KINDS.get(stat.S_IFMT(info.mode), "other"),
        "mode": info.mode,
        "uid": info.uid,
        "gid": info.gid,
        "mtime": info.modified,
        "created": info.changed,
        "islink": stat.S_ISLNK(info.mode),
    }


def moment_of(seconds: float | None) -> datetime:
    """
    Return *seconds* since 1970 as a moment. Raises *NotImplementedError* where the agent reports none.
    """
    if seconds is None:
        raise NotImplementedError("the agent has no command that reports the time of a file")
    return datetime.fromtimestamp(seconds, UTC)


def _copy_out(files: Files, inner: str, local: BinaryIO, callback: Callback) -> None:
    def write(data: bytes) -> None:
        local.write(data)
        callback.relative_update(len(data))

    files.copy_out(inner, write)
