"""
The libraries of the extra ``data``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def required(module: str, call: str) -> Any:
    """
    Return *module*, which *call* needs.

    Raises *ImportError*, with the name of the extra, where *module* is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise ImportError(
            f"{call} needs {library}: pip install 'coder-agents[data]'", name=library
        ) from error
