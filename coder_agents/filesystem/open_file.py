"""
A file of an agent that is open.
"""

from __future__ import annotations

import contextlib
import errno
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile

from coder_agents.jobs.files import Upload

if TYPE_CHECKING:
    from coder_agents.filesystem.agent_file_system import AgentFileSystem

BLOCK_SIZE = 4 * 2**20  # bytes that a file which is open reads ahead, or writes at once


class AgentFile(AbstractBufferedFile):  # type: ignore[misc]
    """
    A file on an agent that is open. What is written appears in one step, when it is closed.
    """

    def __init__(
        self, fs: AgentFileSystem, path: str, mode: str, *args: Any, **options: Any
    ) -> None:
        _, self._files, self._inner = fs._split(path)
        self._whole: bytes | None = None
        self._upload: Upload | None = None
        if mode == "rb":
            self._known = self._files.stat(self._inner)
            if stat.S_ISDIR(self._known.mode):
                raise fs._os_error(errno.EISDIR, path)
            options["size"] = self._known.size
            if not self._known.size:  # a file of the kernel, perhaps
                self._whole = self._files.read(self._inner)
                options["size"] = len(self._whole)
        super().__init__(fs, path, mode, *args, **options)

    def _fetch_range(self, start: int, end: int) -> bytes:
        if self._whole is not None:
            return self._whole[start:end]
        return self._files.read_range(self._inner, start, end, self._known)

    def _initiate_upload(self) -> None:
        self._upload = Upload(self._files, self._inner, parents=self.fs.auto_mkdir)
        if "a" in self.mode and self.fs.exists(self.path):
            with self._closed_on_error():
                self._files.copy_out(self._inner, self._upload.append)

    def _upload_chunk(self, final: bool = False) -> bool:
        with self._closed_on_error() as upload:
            upload.append(self.buffer.getvalue())
            if final and self.autocommit:
                upload.commit()
        return True

    @contextlib.contextmanager
    def _closed_on_error(self) -> Iterator[Upload]:
        """
        Yield the upload. After an error nothing of it is left, and nothing is sent again.
        """
        assert self._upload is not None  # _initiate_upload came before
        try:
            with self._upload.discarded_on_error():
                yield self._upload
        except BaseException:
            self.closed = True
            raise

    def commit(self) -> None:
        """
        Make what was written the content of the file.
        """
        with self._closed_on_error() as upload:
            upload.commit()

    def discard(self) -> None:
        """
        Drop what was written.
        """
        if self._upload is not None:
            self._upload.discard()
