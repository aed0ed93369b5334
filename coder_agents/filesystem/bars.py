"""
A bar for the transfer of a file, where the caller has no callback of fsspec.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from fsspec.callbacks import Callback, NoOpCallback, TqdmCallback

from coder_agents.progress import bar_class, byte_options, is_watched


@contextlib.contextmanager
def shown_callback(callback: Callback, path: str) -> Iterator[Callback]:
    """
    Yield *callback*, or one that shows a bar to a person who is watching where *callback* does nothing.
    """
    kind = bar_class() if isinstance(callback, NoOpCallback) and is_watched() else None
    if kind is None:
        yield callback
        return
    with TqdmCallback(tqdm_kwargs=byte_options(path), tqdm_cls=kind) as shown:
        yield shown
