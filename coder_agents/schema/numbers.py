"""
Numbers in the output of scripts: a load, a percentage, a part of a whole.

The forms are those of ``coder stat`` (``3.2/16 GiB (20%)``, ``0.5 cores``), and those that
templates print with ``free``, ``df``, ``top`` and ``awk`` (``512Mi/16Gi``, ``28%``, ``1.5``).
"""

from __future__ import annotations

import math
import re

import attrs

from coder_agents.representation.objects import Represented

_MAX_LENGTH = 80  # characters; a longer text is no number for people
_SIZE = r"[kKMGTPE](?:iB|i|B)?|B"
_UNIT = (
    rf"(?:{_SIZE})(?:/s)?|%|cores?|°[CF]|[kMG]?Hz|m?W|rpm"
    r"|[nuµm]?s|min|h|d|seconds?|minutes?|hours?|days?"
)
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d{1,3})?"
# A number and its unit, then the whole and its unit, then the percentage.
_FORM = re.compile(
    rf"({_NUMBER})[ \t]*({_UNIT})?"
    rf"(?:[ \t]*/[ \t]*({_NUMBER})[ \t]*({_UNIT})?(?:[ \t]*\({_NUMBER}[ \t]*%\))?)?",
    re.ASCII,
)
_SIZES = re.compile(_SIZE)
_PREFIXES = "KMGTPE"


@attrs.frozen(repr=False)
class Number(Represented):
    """
    A number that a script printed.

    ``str(number)`` is a short form, which `parse` reads.

    Attributes:
        value: the number.
        of: the whole of which the number is a part, in the same unit; None for no whole.
        unit: ``%``, ``GiB``, ``cores`` and so on, as the script printed it; empty for none.
    """

    value: float = 0.0
    of: float | None = None
    unit: str = ""

    @classmethod
    def parse(cls, text: str) -> Number | None:
        """
        Return the number that *text* contains; None where *text* is anything else.

        White space around the number is ignored. Of two different units of size, as in
        ``512Mi/16Gi``, the result has the second one.
        """
        found = _FORM.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
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
        The part of the whole, 1.0 for all of it; None where the whole is not known or not positive.
        """
        whole = 100.0 if self.of is None and self.unit == "%" else self.of
        if whole is None or whole <= 0:
            return None
        ratio = self.value / whole
        return ratio if math.isfinite(ratio) else None

    def to(self, unit: str) -> Number | None:
        """
        Return the same number in *unit*; None where its own unit cannot be converted.

        Units of size can be converted, as from ``MiB`` to ``GiB``.
        """
        scale = _scale(self.unit, unit)
        if scale is None:
            return None
        return Number(self.value * scale, None if self.of is None else self.of * scale, unit)

    def __str__(self) -> str:
        of = "" if self.of is None else f"/{_shortest(self.of)}"
        space = " " if self.unit not in ("", "%") else ""
        return f"{_shortest(self.value)}{of}{space}{self.unit}"


def _shortest(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _finite(number: Number) -> Number | None:
    # A number with too many digits is infinite, and a part of an infinite whole is always 0.
    of = 0.0 if number.of is None else number.of
    return number if math.isfinite(number.value) and math.isfinite(of) else None


def _scale(unit: str | None, unit_of_all: str | None) -> float | None:
    """
    Return the factor from *unit* to *unit_of_all*; None where there is none.
    """
    if unit is None or unit == unit_of_all:
        return 1.0
    if unit_of_all is None or not (_SIZES.fullmatch(unit) and _SIZES.fullmatch(unit_of_all)):
        return None
    return _bytes(unit) / _bytes(unit_of_all)


def _bytes(unit: str) -> float:
    """
    Return the bytes of a unit of size: ``kB`` is 1,000 bytes, ``K`` and ``KiB`` are 1,024.
    """
    if unit == "B":
        return 1.0
    base = 1000.0 if unit[1:] == "B" else 1024.0
    return float(base ** (_PREFIXES.index(unit[0].upper()) + 1))
