"""
Names of a package that are imported when they are first used.

The import of the client loads only the modules that a client needs at once. The first stream loads
the modules of streams, and the first JSON document the modules that read JSON.
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

    *homes* maps modules of the package to the names that they define, separated by spaces.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}
    module = sys.modules[package]

    def find(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{home_of[name]}"), name)
        setattr(module, name, found)  # the next use does not call this function
        return found

    return find, listing(package)


def listing(package: str) -> Callable[[], list[str]]:
    """
    Return the ``__dir__`` of *package*: its ``__all__`` and the special names of a module.

    Submodules and imported names are not public.
    """
    module = sys.modules[package]

    def names() -> list[str]:
        special = (name for name in vars(module) if name.startswith("__"))
        return sorted({*module.__all__, *special})

    return names
