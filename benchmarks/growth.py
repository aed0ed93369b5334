"""
Tables that show how figures grow with the number of agents.
"""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path

from contest import machine

DOCS = Path(__file__).parent.parent / "docs"
SPARE = 200  # file descriptors that are needed for other purposes than the agents'

Row = Sequence[str]


def descriptors() -> int:
    """
    Let this process open as many files as the machine allows; return how many.
    """
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
    return maximum


def memory() -> int:
    """
    Return how many bytes of memory this process uses.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def shown(header: Row, rows: Sequence[Row]) -> str:
    """
    Return the rows as text for a terminal.
    """
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, *rows)
    ]
    return "\n".join(lines)


def write(name: str, command: str, header: Row, rows: Sequence[Row]) -> None:
    """
    Write the table *name* of the documentation, which *command* has measured.
    """
    about = machine.described()[:2]
    lines = [f".. Written by `{command}`.", "", *(f"| {line}." for line in about), ""]
    lines += [".. list-table::", "   :class: figures", "   :header-rows: 1", ""]
    for row in (header, *rows):
        lines += [f"   {'*' if not place else ' '} - {cell}" for place, cell in enumerate(row)]
    (DOCS / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
