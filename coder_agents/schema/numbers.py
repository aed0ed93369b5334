"""
Numbers in what scripts print: a load, a percentage, so much of so much.

The forms are those of ``coder stat`` (``3.2/16 GiB (20%)``, ``0.5 cores``), and of what templates
have ``free``, ``df``, ``top`` and ``awk`` print (``512Mi/16Gi``, ``28%``, ``1.5``).
"""

from __future__ import annotations

import math
import re

import attrs

_LONGEST = 80  # characters; what is longer is no number that somebody is to read
_SIZE = r"[kKMGTPE](?:iB|i|B)?|B"
_UNIT = (
    rf"(?:{_SIZE})(?:/s)?|%|cores?|°[CF]|[kMG]?Hz|m?W|rpm"
    r"|[nuµm]?s|min|h|d|seconds?|minutes?|hours?|days?"
)
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d{1,3})?"
# A number and its unit, of how much, and the percentage that this is.
_FORM = re.compile(
    rf"({_NUMBER})[ \t]*({_UNIT})?"
    rf"(?:[ \t]*/[ \t]*({_NUMBER})[ \t]*({_UNIT})?(?:[ \t]*\({_NUMBER}[ \t]*%\))?)?",
    re.ASCII,
)
_SIZES = re.compile(_SIZE)
_PREFIXES = "KMGTPE"


@attrs.frozen
class Number:
    """
    A number that a script printed.

    ``str(number)`` is a short form of it, which `parse` reads.

    Attributes:
        value: the number.
        of: how much there is of it in all, in the same unit; None where that was not said.
        unit: ``%``, ``GiB``, ``cores`` and so on, as it was written; empty for none.
    """

    value: float = 0.0
    of: float | None = None
    unit: str = ""

    @classmethod
    def parse(cls, text: str) -> Number | None:
        """
        Return the number that *text* is, None where it is anything else.

        White space around it does not count. Of two different units of size, as in
        ``512Mi/16Gi``, the second one holds for both.
        """
        found = _FORM.fullmatch(text.strip()) if len(text) <= _LONGEST else None
        if found is None:
            return None
        first, unit, second, unit_of_all = found.groups()
        if second is None:
            return _finite(cls(float(first), None, unit or ""))
        scale = _scale(unit, unit_of_all)
        if scale is None:
            return None
        return _finite(cls(float(first) * scale, float(second), unit_of_all or ""))

    @property
    def ratio(self) -> float | None:
        """
        How much of all it is, 1.0 for all of it; None where that cannot be said.
        """
        whole = 100.0 if self.of is None and self.unit == "%" else self.of
        if whole is None or whole <= 0:
            return None
        ratio = self.value / whole
        return ratio if math.isfinite(ratio) else None

    def __str__(self) -> str:
        of = "" if self.of is None else f"/{_shortest(self.of)}"
        space = " " if self.unit not in ("", "%") else ""
        return f"{_shortest(self.value)}{of}{space}{self.unit}"


def _shortest(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _finite(number: Number) -> Number | None:
    # What has too many digits is infinite, and divided by that all is nothing.
    of = 0.0 if number.of is None else number.of
    return number if math.isfinite(number.value) and math.isfinite(of) else None


def _scale(unit: str | None, unit_of_all: str | None) -> float | None:
    """
    Return by what to multiply what is in *unit* to have it in *unit_of_all*, None where
    the one is nothing of the other.
    """
    if unit is None or unit == unit_of_all:
        return 1.0
    if unit_of_all is None or not (_SIZES.fullmatch(unit) and _SIZES.fullmatch(unit_of_all)):
        return None
    return _bytes(unit) / _bytes(unit_of_all)


def _bytes(unit: str) -> float:
    """
    Return how many bytes a unit of size is: ``kB`` counts in thousands, ``K`` and ``KiB`` do not.
    """
    if unit == "B":
        return 1.0
    base = 1000.0 if unit[1:] == "B" else 1024.0
    return float(base ** (_PREFIXES.index(unit[0].upper()) + 1))
