"""
What a command needs to be started, checked before anything is sent.
"""

from __future__ import annotations

import io
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Literal

from coder_agents.config import seconds_or_none
from coder_agents.jobs.handle import JobHandle
from coder_agents.jobs.requests import MAX_PIECE, Start
from coder_agents.jobs.run_text import Command, command_text, run_text

Input = bytes | bytearray | memoryview | str | BinaryIO

_FIRST_PIECE = 65_536  # bytes of output that come with the answer to a start


def new_id() -> str:
    """
    Return the id of a new job.
    """
    return secrets.token_hex(8)


def start_request(
    job: str,
    command: Command,
    *,
    stdin: Literal["none", "spooled", "followed"],
    discards: tuple[bool, bool],
    merges: bool,
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
    shell: str | None,
    timeout: float | None,
    wait: float,
) -> Start:
    """
    Return the request that starts *command*.

    Raises *ValueError* and *TypeError* for what no process can get.
    """
    seconds = seconds_or_none("timeout", timeout)
    if not isinstance(command, Sequence):
        raise TypeError(f"command must be a string or a list, not {type(command).__name__}")
    return Start(
        job=job,
        run=run_text(command, shell=shell, env=env),
        command=command_text(command),
        cwd="" if cwd is None else os.fspath(cwd),
        stdin=stdin,
        stdout="null" if discards[0] else "file",
        stderr="out" if merges else "null" if discards[1] else "file",
        # 0 would be no limit there.
        timeout=0 if seconds is None else max(seconds, 0.001),
        wait=wait,
        max_bytes=_FIRST_PIECE,
    )


def check_output(name: str, target: object) -> bool:
    """
    Return whether the output *name* is discarded.

    Raises *TypeError* where *target* is nothing that takes output.
    """
    if target is None or target == subprocess.PIPE:
        return False
    if target == subprocess.DEVNULL:
        return True
    if target == subprocess.STDOUT:
        if name == "stdout":
            raise ValueError("only stderr can be merged: stderr=subprocess.STDOUT")
        return False
    if isinstance(target, int):
        raise TypeError(
            f"{name} must be a binary file or a function, not a number: open() it first"
        )
    if isinstance(target, io.TextIOBase):
        raise TypeError(f'{name} must be a binary file: open it with mode "wb"')
    if not (callable(target) or hasattr(target, "write")):
        raise TypeError(f"{name} must be a binary file or a function, not {type(target).__name__}")
    return False


def input_pieces(data: Input | None, encoding: str, errors: str) -> Iterator[bytes]:
    """
    Yield *data* in pieces that one request carries, one at least.

    Raises *TypeError* for what is neither text, bytes nor a binary file.
    """
    if isinstance(data, str):
        data = data.encode(encoding, errors)
    if isinstance(data, (bytes, bytearray, memoryview)):
        data = io.BytesIO(data)
    read = getattr(data, "read", None)
    if read is None:
        raise TypeError(f"input must be bytes, text or a binary file, not {type(data).__name__}")
    while True:
        piece = read(MAX_PIECE)
        if not isinstance(piece, bytes):
            raise TypeError('input must be a binary file: open it with mode "rb"')
        yield piece
        if not piece:
            return


def write_input(job: JobHandle, pieces: Iterator[bytes]) -> None:
    """
    Write *pieces* as the whole input of *job*.
    """
    offset = 0
    for piece in pieces:
        job.write(offset, piece, end=not piece)
        offset += len(piece)
