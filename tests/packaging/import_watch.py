"""
Import the package in this fresh interpreter and tell, as JSON, what that did.

    python import_watch.py FOLDER

FOLDER is where the package was installed. A deed counts as the package's own when
one of its frames is on the stack with no import between it and the deed: so
reading a module's file, and whatever another library does while it is
imported, are not the package's.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, MutableMapping
from types import FrameType
from typing import Any

FOLDER = os.path.join(os.path.realpath(sys.argv[1]), "coder_agents") + os.sep
EVENTS = {
    "open",
    "os.listdir",
    "os.posix_spawn",
    "os.scandir",
    "os.system",
    "subprocess.Popen",
}

deeds: list[str] = []


def is_of_the_package() -> bool:
    """
    Tell whether the package's own code is at work.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return False
        if name.startswith(FOLDER):
            return True
        frame = frame.f_back
    return False


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """
    Note a file or a socket that the package opens.
    """
    if (event in EVENTS or event.startswith("socket.")) and is_of_the_package():
        deeds.append(f"{event} {arguments!r}")


class WatchedEnvironment(MutableMapping[str, str]):
    """
    The environment, noting who reads it.
    """

    def __init__(self, real: MutableMapping[str, str]) -> None:
        self.real = real

    def __getitem__(self, key: str) -> str:
        self.note(key)
        return self.real[key]

    def __iter__(self) -> Iterator[str]:
        self.note("all of it")
        return iter(self.real)

    def __len__(self) -> int:
        self.note("all of it")
        return len(self.real)

    def __setitem__(self, key: str, value: str) -> None:
        self.real[key] = value

    def __delitem__(self, key: str) -> None:
        del self.real[key]

    def note(self, what: str) -> None:
        """
        Remember that *what* was read, if the package did it.
        """
        if is_of_the_package():
            deeds.append(f"environment {what}")


def main() -> None:
    """
    Import with everything watched, then print what was seen.
    """
    before = set(sys.modules)
    vars(os)["environ"] = WatchedEnvironment(os.environ)
    sys.addaudithook(watch)
    sys.path.insert(0, sys.argv[1])
    import coder_agents
    import coder_agents.errors
    import coder_agents.schema

    seen = list(deeds)
    new = sorted(set(sys.modules) - before)
    json.dump({"file": coder_agents.__file__, "deeds": seen, "modules": new}, sys.stdout)


if __name__ == "__main__":
    main()
