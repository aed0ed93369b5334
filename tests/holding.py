"""
Waiting for what becomes true sooner or later.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def holds_within(seconds: float, holds: Callable[[], object]) -> bool:
    """
    Wait until *holds* is true, at most *seconds*; return whether it is.
    """
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
