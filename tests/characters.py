"""
Which characters do what to a line of text, by Unicode's own data.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

# The classes of UAX #9 that are controls. The marks have the class of a letter, so they are named.
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = {"\u061c", "\u200e", "\u200f"}


@cache
def every_character() -> str:
    """
    All of Unicode, in the order of its numbers.
    """
    return "".join(map(chr, range(sys.maxunicode + 1)))


@cache
def unsafe_characters() -> frozenset[str]:
    """
    Those that could move, break or reorder the line they are in.

    Looking at each takes a second, so tests that need none do not wait for it.
    """
    every = every_character()
    line_ends = {line[-1] for line in every.splitlines(keepends=True)[:-1]}

    def is_unsafe(character: str) -> bool:
        return character != "\t" and (
            unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"}
            or unicodedata.bidirectional(character) in BIDI
            or character in MARKS
            or character in line_ends
        )

    return frozenset(filter(is_unsafe, every))


def is_safe_line(text: str) -> bool:
    """
    Whether *text* is one line that nothing in it moves, breaks or reorders.
    """
    return unsafe_characters().isdisjoint(text)
