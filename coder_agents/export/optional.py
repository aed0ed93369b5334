"""
The libraries of the extra ``data``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needed(call: str) -> Iterator[None]:
    """
    Import in the block what *call* needs.

    Raises *ImportError*, with the name of the extra, where a library is not installed.
    """
    try:
        yield
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        raise ImportError(
            f"{call} needs {library}: pip install 'coder-agents[data]'", name=library
        ) from error
