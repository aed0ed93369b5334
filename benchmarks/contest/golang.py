"""
Builds the Go program, where there is a Go to do it.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "go"
PROGRAM = SOURCE.parent.parent / ".cache" / "shape"

_TIMEOUT = 300.0  # seconds for the first build, which fetches modules


@functools.cache
def absent() -> str:
    """
    Build the program; return why it cannot be run, or nothing where it can.
    """
    go = shutil.which("go")
    if go is None:
        return "go is not on the path"
    done = subprocess.run(
        [go, "build", "-o", PROGRAM, "."],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        return "the Go program cannot be built"
    return ""


def version() -> str:
    """
    Return Go's version; empty without it.
    """
    go = shutil.which("go")
    if go is None:
        return ""
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("go")


def modules() -> dict[str, str]:
    """
    Return the modules that the program requires, and their versions.
    """
    words = [line.split() for line in (SOURCE / "go.mod").read_text().splitlines()]
    return {line[0]: line[1].removeprefix("v") for line in words if line and "/" in line[0]}
