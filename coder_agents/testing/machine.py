"""
The machine that an agent runs on, as far as its terminals notice it.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import attrs

SYSTEMS = ("linux", "darwin", "windows")


@attrs.frozen(kw_only=True)
class Machine:
    """
    What a template and an image decide.

    Attributes:
        shell: the login shell of the user, an absolute path.
        directory: where commands start; the home directory where it is None or does not exist.
        environment: variables besides those of this process.
        operating_system: ``linux``, ``darwin`` or ``windows``. There is no PowerShell: the
            terminals of ``windows`` answer what it would answer to a POSIX shell's command.
    """

    shell: str = "/bin/sh"
    directory: Path | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    operating_system: str = attrs.field(factory=lambda: platform.system().lower())

    def __attrs_post_init__(self) -> None:
        if self.operating_system not in SYSTEMS:
            names = ", ".join(SYSTEMS)
            system = self.operating_system
            raise ValueError(f"operating_system must be one of {names}, not {system!r}")
