"""
Print the lower bounds of setup.cfg as exact pins for pip.

    python tools/lower_bounds.py [EXTRA ...]

The script prints the requirements of the package and of the given extras, with
``==`` in place of ``>=``. A requirement without exactly one lower bound is an
error, because it cannot be tested.
"""

from __future__ import annotations

import configparser
import re
import sys
from pathlib import Path

SETUP = Path(__file__).resolve().parent.parent / "setup.cfg"
BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?\s*>=\s*(?P<version>[0-9][0-9A-Za-z.]*)")


def requirements(config: configparser.ConfigParser, extras: list[str]) -> list[str]:
    """
    Return the requirements of the package and of *extras*, without the package itself.
    """
    sections = [config["options"]["install_requires"]]
    sections += [config["options.extras_require"][extra] for extra in extras]
    lines = [line.strip() for text in sections for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(config["metadata"]["name"])]


def pin(requirement: str) -> str:
    """
    Return *requirement* with its lower bound as the only allowed version.
    """
    found = BOUND.fullmatch(requirement)
    if found is None:
        sys.exit(f"{SETUP.name}: {requirement!r} does not have one lower bound (NAME>=VERSION)")
    return f"{found['name']}=={found['version']}"


def main(extras: list[str]) -> None:
    """
    Print one pin per line.
    """
    config = configparser.ConfigParser()
    config.read(SETUP, encoding="utf-8")
    print("\n".join(pin(requirement) for requirement in requirements(config, extras)))


if __name__ == "__main__":
    main(sys.argv[1:])
