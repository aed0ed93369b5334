"""
What a package shows, and names of it that are imported when they are first asked for.

Importing the client takes what making one takes; a script that follows a log pays for
streams then, and one that never reads JSON does not pay for reading it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def exports(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """
    Return the ``__getattr__`` and the ``__dir__`` of *package*.

    *homes* are modules in it and the names that each has for the package, with spaces between.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}
    module = sys.modules[package]

    def find(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{home_of[name]}"), name)
        setattr(module, name, found)  # so that it is asked for but once
        return found

    return find, listing(package)


def listing(package: str) -> Callable[[], list[str]]:
    """
    Return the ``__dir__`` of *package*: its ``__all__``, and what every module has.

    Modules of the package, and what it imports for itself, are not public.
    """
    module = sys.modules[package]

    def names() -> list[str]:
        special = (name for name in vars(module) if name.startswith("__"))
        return sorted({*module.__all__, *special})

    return names
