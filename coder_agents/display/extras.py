"""
The error where a library of the extra ``notebook`` is missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def from_extra(what: str) -> Iterator[None]:
    """
    Import modules for *what*, such as ``a plot``, in the body of the ``with`` statement.

    Raises *ImportError* where the body cannot import a package; its text names the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{what} needs {error.name}, which is not installed: it comes with the extra,"
            " pip install 'coder-agents[notebook]'",
            name=error.name,
        ) from error
