"""
The TCP ports on which processes of this machine listen.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from coder_agents.schema import WorkspaceAgentListeningPort

LISTENING = "0A"

# An agent skips lower ports: no web server is expected there.
MIN_PORT = 9


def read_listening_ports(proc: Path = Path("/proc")) -> list[WorkspaceAgentListeningPort]:
    """
    Return the ports, by number; empty where the system has no proc file system.

    A process of another user has no name.
    """
    inodes: dict[int, str] = {}
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            inodes |= _listening((proc / "net" / table).read_text().splitlines()[1:])
    names = _process_names(proc, set(inodes.values()))
    return [
        WorkspaceAgentListeningPort(process_name=names.get(inode, ""), network="tcp", port=port)
        for port, inode in sorted(inodes.items())
        if port >= MIN_PORT
    ]


def _listening(rows: list[str]) -> dict[int, str]:
    fields = [row.split() for row in rows]
    return {int(row[1].rpartition(":")[2], 16): row[9] for row in fields if row[3] == LISTENING}


def _process_names(proc: Path, inodes: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for process in proc.glob("[0-9]*"):
        # The files of other users' processes cannot be read, and any process can end meanwhile.
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                inode = os.readlink(descriptor).removeprefix("socket:[").removesuffix("]")
                if inode in inodes:
                    names[inode] = (process / "comm").read_text().strip()
    return names
