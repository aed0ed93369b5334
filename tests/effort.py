"""
How often the tests repeat what chance decides.

The ordinary suite takes a sample. With the environment variable ``CODER_AGENTS_THOROUGH`` set, it
repeats as often as it takes to trust the result alone, which takes some minutes more.
"""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

VARIABLE = "CODER_AGENTS_THOROUGH"


def times(ordinary: T, thorough: T) -> T:
    """
    Return how often to repeat: *ordinary* times, *thorough* times where that is requested.
    """
    return thorough if os.environ.get(VARIABLE) else ordinary
