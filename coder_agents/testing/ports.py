"""
The TCP ports that something on this machine listens on.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from coder_agents.schema import WorkspaceAgentListeningPort

LISTENING = "0A"

# What an agent leaves out: no web server is expected there.
LOWEST_PORT = 9


def read_listening_ports(proc: Path = Path("/proc")) -> list[WorkspaceAgentListeningPort]:
    """
    The ports, by number; none where the system has no proc file system.

    A process of somebody else has no name.
    """
    inodes: dict[int, str] = {}
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            inodes |= _listening((proc / "net" / table).read_text().splitlines()[1:])
    names = _process_names(proc, set(inodes.values()))
    return [
        WorkspaceAgentListeningPort(process_name=names.get(inode, ""), network="tcp", port=port)
        for port, inode in sorted(inodes.items())
        if port >= LOWEST_PORT
    ]


def _listening(rows: list[str]) -> dict[int, str]:
    fields = [row.split() for row in rows]
    return {int(row[1].rpartition(":")[2], 16): row[9] for row in fields if row[3] == LISTENING}


def _process_names(proc: Path, inodes: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for process in proc.glob("[0-9]*"):
        # Processes of others cannot be looked into, and any can end meanwhile.
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                inode = os.readlink(descriptor).removeprefix("socket:[").removesuffix("]")
                if inode in inodes:
                    names[inode] = (process / "comm").read_text().strip()
    return names
