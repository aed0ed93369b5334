"""
Finding and killing what the processes of terminals have left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

PROC = Path("/proc")

# How often to search again for processes that were started meanwhile, and the seconds in between.
ROUNDS = 200
PAUSE = 0.005


def kill_leftovers(mark: str, proc: Path = PROC) -> None:
    """
    Kill every process with *mark*, ``NAME=VALUE``, in its environment, and their descendants.

    Processes with sessions of their own are included. On a system without *proc* none are found.
    """
    for _ in range(ROUNDS):
        found = find_leftovers(mark, proc)
        if not found:
            return
        for pid in found:
            _kill(pid)
        time.sleep(PAUSE)


def find_leftovers(mark: str, proc: Path = PROC) -> set[int]:
    """
    Return the processes with *mark* in their environment, and their descendants.
    """
    folders = list(proc.glob("[0-9]*"))
    parents = {int(each.name): _parent(each) for each in folders}
    found = {int(each.name) for each in folders if mark.encode() in _environment(each)}
    grown = set(found)
    while grown:
        grown = {pid for pid, parent in parents.items() if parent in grown} - found
        found |= grown
    return found


def _environment(folder: Path) -> list[bytes]:
    with contextlib.suppress(OSError):
        return (folder / "environ").read_bytes().split(b"\0")
    return []


def _parent(folder: Path) -> int:
    with contextlib.suppress(OSError):
        # The name of the program, in parentheses, may hold anything.
        state, parent, *_ = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        # A zombie is none of those that run.
        return 0 if state == "Z" else int(parent)
    return 0


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
