"""
Which characters do what to a line of text, by Unicode's own data.
"""

from __future__ import annotations

import sys
import unicodedata
from array import array
from collections.abc import Callable
from functools import cache
from itertools import compress

# The classes of UAX #9 that are controls. The marks have the class of a letter, so they are named.
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = {"\u061c", "\u200e", "\u200f"}


@cache
def every_character() -> str:
    """
    All of Unicode, in the order of its numbers.
    """
    numbers = array("I", range(sys.maxunicode + 1))  # decoded ten times as fast as joined
    return numbers.tobytes().decode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass")


@cache
def unsafe_characters() -> frozenset[str]:
    """
    Those that could move, break or reorder the line they are in.

    Looking at each takes a moment, so tests that need none do not wait for it.
    """
    every = every_character()
    line_ends = {line[-1] for line in every.splitlines(keepends=True)[:-1]}

    def having(value_of: Callable[[str], str], values: set[str]) -> set[str]:
        return set(compress(every, map(values.__contains__, map(value_of, every))))

    unsafe = having(unicodedata.category, {"Cc", "Zl", "Zp", "Cs"})
    unsafe |= having(unicodedata.bidirectional, BIDI) | MARKS | line_ends
    return frozenset(unsafe - {"\t"})


def is_safe_line(text: str) -> bool:
    """
    Whether *text* is one line that nothing in it moves, breaks or reorders.
    """
    return unsafe_characters().isdisjoint(text)
