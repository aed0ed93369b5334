"""
Where the outputs of a command go.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable
from typing import Any, BinaryIO, TextIO

import attrs

Target = int | BinaryIO | TextIO | Callable[[bytes], object] | None
"""
Where an output goes: None or `subprocess.PIPE` to capture it, ``DEVNULL``, a file or its number, a
function that is called with each piece; for stderr also ``STDOUT``.
"""


@attrs.define
class Sink:
    """
    Takes one output.

    Attributes:
        captured: what was captured; None where the output goes elsewhere.
        truncated: whether more came than is captured.
    """

    _write: Callable[[bytes], object] | None
    captured: bytearray | None = None
    max_size: int = 0
    truncated: bool = False

    @classmethod
    def of(cls, name: str, target: Any, max_output: int) -> Sink:
        """
        Return what takes the output *name* for *target*; at most *max_output* bytes are captured.

        Raises *TypeError* where *target* is nothing that takes output.
        """
        if target is None or target == subprocess.PIPE:
            return cls(None, bytearray(), max_output)
        if target in (subprocess.DEVNULL, subprocess.STDOUT):
            return cls(None)
        return cls(_writer(name, target))

    def write(self, data: bytes) -> None:
        """
        Take *data*.
        """
        if self._write is not None:
            self._write(data)
        elif self.captured is not None:
            room = self.max_size - len(self.captured)
            self.captured += data[:room]
            self.truncated = self.truncated or len(data) > room

    @property
    def is_full(self) -> bool:
        """
        Whether it has no use for more.
        """
        return self._write is None and (self.captured is None or self.truncated)


def _writer(name: str, target: Any) -> Callable[[bytes], object]:
    if isinstance(target, int) and not isinstance(target, bool) and target >= 0:
        return lambda data: _write_all(lambda rest: os.write(target, rest), data)
    if isinstance(target, io.TextIOBase):
        # What was written as text so far comes first; subprocess uses the file's number.
        target.flush()
        target = getattr(target, "buffer", None)
        if target is None:
            raise TypeError(f'{name} must be a binary file: open it with mode "wb"')
    write = getattr(target, "write", None)
    if write is not None:
        return lambda data: _write_all(write, data)
    if callable(target):
        function: Callable[[bytes], object] = target
        return function
    raise TypeError(f"{name} must be a file or a function, not {type(target).__name__}")


def _write_all(write: Callable[[bytes], object], data: bytes) -> None:
    """
    Write *data*: a file without a buffer takes a part of it.
    """
    rest = data
    while rest:
        count = write(rest)
        rest = rest[count:] if isinstance(count, int) else b""
