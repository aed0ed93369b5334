"""
The file system that fsspec knows by ``coder://``.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
import stat
import tempfile
from typing import TYPE_CHECKING, Any, BinaryIO

from fsspec.callbacks import DEFAULT_CALLBACK, Callback

from coder_agents.filesystem.bars import shown_callback
from coder_agents.filesystem.open_file import BLOCK_SIZE, AgentFile
from coder_agents.filesystem.readable import ReadableFileSystem
from coder_agents.jobs.files import Files
from coder_agents.jobs.paths import parent_of
from coder_agents.local_files import LocalFile

if TYPE_CHECKING:
    from coder_agents.client import Client


class AgentFileSystem(ReadableFileSystem):
    """
    The files of all agents that a client can reach.

    A path begins with the workspace, as ``workspace``, ``workspace.agent``, ``owner/workspace`` or
    ``owner/workspace.agent``; after it comes the absolute path on the agent's machine. If the first part is
    both a workspace of yours and a user, it is the workspace; ``@owner/workspace`` is always the other.

    Raises Python's own errors, such as `FileNotFoundError`; *CoderError* if an agent cannot be
    reached.

    Args:
        client: the client; by default `Client.from_env`, on first use.
        auto_mkdir: whether writing a file creates the directories above it, as in fsspec's local file system.
    """

    def __init__(
        self, *, client: Client | None = None, auto_mkdir: bool = False, **storage_options: Any
    ) -> None:
        super().__init__(client=client, **storage_options)
        self.auto_mkdir = auto_mkdir

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        """
        Make *value* the content of the file *path*, in one step.
        """
        _, files, inner = self._split(path)
        if mode == "create":
            self._check_new(path)
        files.write(inner, value, parents=self.auto_mkdir)

    def _check_new(self, path: str) -> None:
        if self.exists(path):
            raise self._os_error(errno.EEXIST, path)

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
        if mode == "create":
            self._check_new(rpath)
        opened = io.BufferedReader(LocalFile(lpath, "rb", known_as=lpath))
        with opened as local, shown_callback(callback, rpath) as shown:
            shown.set_size(os.fstat(local.fileno()).st_size)
            counted: Any = _UploadedFile(local, shown)
            files.write(inner, counted, parents=self.auto_mkdir)

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """
        Create the directory *path*; with *create_parents* those above it, too.
        """
        _, files, inner = self._split(path)
        if create_parents:
            files.make_directory(parent_of(inner), parents=True)
        files.make_directory(inner)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """
        Create the directory *path* and those above it.
        """
        _, files, inner = self._split(path)
        if not exist_ok and self.exists(path):
            raise self._os_error(errno.EEXIST, path)
        files.make_directory(inner, parents=True)

    def rmdir(self, path: str) -> None:
        """
        Remove the empty directory *path*.
        """
        _, files, inner = self._split(path)
        if not stat.S_ISDIR(files.stat(inner, follow=False).mode):
            raise self._os_error(errno.ENOTDIR, path)
        files.remove(inner)

    def rm_file(self, path: str) -> None:
        """
        Remove the file *path*.
        """
        _, files, inner = self._split(path)
        files.remove(inner)

    def rm(
        self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None
    ) -> None:
        """
        Remove what *path* matches; with *recursive* directories and all that is in them.

        A symbolic link is removed, and not what it points to.
        """
        for each in [path] if isinstance(path, str) else path:
            kind = self._kind(each, follow=False)
            if maxdepth is not None and kind != stat.S_IFLNK:
                super().rm(each, recursive=recursive, maxdepth=maxdepth)
                continue
            # One request removes a tree on the agent, which follows no link.
            for found in self.expand_path(each) if kind is None else [each]:
                _, files, inner = self._split(found)
                files.remove(inner, recursive=recursive)

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """
        Copy the file *path1* to *path2*; on one agent no byte passes through this program.
        """
        source, files, inner = self._split(path1)
        target, target_files, target_inner = self._split(path2)
        try:
            if source == target:
                self._copy(files, inner, target_inner)
            else:
                _copy_between(files, inner, target_files, target_inner, parents=self.auto_mkdir)
        except IsADirectoryError:
            # Of the two it may be the target: that stays an error.
            if not stat.S_ISDIR(files.stat(inner).mode):
                raise
            target_files.make_directory(target_inner, parents=True)

    def _copy(self, files: Files, inner: str, target: str) -> None:
        try:
            files.copy(inner, target)
        except FileNotFoundError:
            files.stat(inner)  # raises where it is the source that is missing
            if not self.auto_mkdir:
                raise
            files.make_directory(parent_of(target), parents=True)
            files.copy(inner, target)

    def mv(
        self,
        path1: str | list[str],
        path2: str | list[str],
        recursive: bool = False,
        maxdepth: int | None = None,
        **options: Any,
    ) -> None:
        """
        Rename *path1* to *path2*, or into the directory *path2*.

        One path on one agent is renamed in one step, also a directory. Anything else is copied, and then removed.
        """
        if not isinstance(path1, str) or not isinstance(path2, str) or not self.lexists(path1):
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **options)
            return
        source, files, inner = self._split(path1)
        target, _, target_inner = self._split(path2)
        if source != target:
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **options)
            return
        if path2.endswith("/") or self.isdir(path2):
            path2 = f"{path2.rstrip('/')}/{posixpath.basename(inner)}"
            target_inner = self._split(path2)[2]
        if self.auto_mkdir:
            files.make_directory(parent_of(target_inner), parents=True)
        if inner != target_inner:
            files.move(inner, target_inner)

    def open(self, path: str, mode: str = "rb", *args: Any, **options: Any) -> Any:
        """
        Return the file *path*, open for bytes or for text; see fsspec.

        A file that is open for writing appears in one step, when it is closed.
        """
        return super().open(path, mode, *args, **options)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> AgentFile:
        if mode == "xb":
            self._check_new(path)
            mode = "wb"
        return AgentFile(
            self,
            path,
            mode,
            block_size or BLOCK_SIZE,
            autocommit=autocommit,
            cache_options=cache_options,
            **options,
        )


def _copy_between(
    files: Files, inner: str, target: Files, target_inner: str, *, parents: bool
) -> None:
    with tempfile.TemporaryFile() as between:
        files.copy_out(inner, between.write)
        between.seek(0)
        target.write(target_inner, between, parents=parents)


class _UploadedFile:
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
