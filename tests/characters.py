"""
Which characters do what to a line of text, by Unicode's own data.
"""

from __future__ import annotations

import sys
import unicodedata

# The classes of UAX #9 that are controls. The marks have the class of a letter, so they are named.
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKS = {"\u061c", "\u200e", "\u200f"}
EVERY = "".join(map(chr, range(sys.maxunicode + 1)))
LINE_ENDS = {line[-1] for line in EVERY.splitlines(keepends=True)[:-1]}


def is_unsafe(character: str) -> bool:
    """
    Whether *character* could move, break or reorder the line it is in.
    """
    return character != "\t" and (
        unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"}
        or unicodedata.bidirectional(character) in BIDI
        or character in MARKS
        or character in LINE_ENDS
    )


UNSAFE = frozenset(filter(is_unsafe, EVERY))


def is_safe_line(text: str) -> bool:
    """
    Whether *text* is one line that nothing in it moves, breaks or reorders.
    """
    return UNSAFE.isdisjoint(text)
