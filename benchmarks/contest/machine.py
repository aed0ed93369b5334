"""
What the figures were measured on and with: nothing that names the machine or its folders.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from contest import golang

LIBRARIES = (
    "attrs",
    "cattrs",
    "coder-agents",
    "h11",
    "httpx",
    "httpx-sse",
    "msgspec",
    "pydantic",
    "requests",
    "sseclient-py",
    "urllib3",
    "websocket-client",
    "websockets",
)


def described() -> list[str]:
    """
    Return the description, a sentence or so in each line.
    """
    go = golang.version()
    lines = [
        f"{processor()}, {os.cpu_count()} cores, {platform.system()} on {platform.machine()}",
        f"{platform.python_implementation()} {platform.python_version()}; "
        + ", ".join(f"{name} {version}" for name, version in versions().items()),
    ]
    if go:
        modules = (f"{name} {version}" for name, version in golang.modules().items())
        lines.append(f"Go {go}; {', '.join(modules)}")
    return lines


def processor() -> str:
    """
    Return the processor's model.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or "an unknown processor"


def versions() -> dict[str, str]:
    """
    Return the versions of the libraries that are installed.
    """
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
