"""
Numbers of metadata in base units.

A script prints the same number in one unit now and in another one later: ``free -h`` prints
``900Mi``, then ``1.1Gi``. Prometheus has no units, so that both would be different series, or one
series whose values cannot be compared. In base units, as Prometheus recommends them, the series is
one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from coder_agents.schema.numbers import Number

Factor = Callable[[float], float]

_PER_SECOND = "/s"
_SECONDS = {
    "n": 1e-9,
    "u": 1e-6,
    "µ": 1e-6,
    "m": 1e-3,
    "": 1.0,
}
_TIMES = {
    **{f"{prefix}s": seconds for prefix, seconds in _SECONDS.items()},
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
_HERTZ = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}


def in_base_units(number: Number) -> tuple[float, float | None, str]:
    """
    Return the value of *number*, the whole of which it is a part, and the base unit of both.

    The base units are ``bytes``, ``bytes_per_second``, ``ratio`` (1 for 100 %), ``seconds``,
    ``hertz``, ``watts``, ``celsius``, ``cores`` and ``rpm``; a number without a unit has none. The
    result may be infinite where *number* is near the limit of floating-point numbers.
    """
    unit, convert = _base(number.unit)
    whole = None if number.of is None else convert(number.of)
    return convert(number.value), whole, unit


def is_finite(value: float, whole: float | None) -> bool:
    """
    Whether both numbers are finite.
    """
    return math.isfinite(value) and (whole is None or math.isfinite(whole))


def _base(unit: str) -> tuple[str, Factor]:
    """
    Return the base unit of *unit*, and the function that converts to it.
    """
    if unit == "%":
        return "ratio", lambda value: value / 100
    if unit == "°F":
        return "celsius", lambda value: (value - 32) * 5 / 9
    if unit == "°C":
        return "celsius", float
    if unit in ("W", "mW"):
        return "watts", _times(1e-3 if unit == "mW" else 1.0)
    if unit in _HERTZ:
        return "hertz", _times(_HERTZ[unit])
    if (seconds := _TIMES.get(unit) or _TIMES.get(unit.removesuffix("s"))) is not None:
        return "seconds", _times(seconds)
    size = Number(1.0, None, unit.removesuffix(_PER_SECOND)).to("B")
    if size is not None and unit:
        name = "bytes_per_second" if unit.endswith(_PER_SECOND) else "bytes"
        return name, _times(size.value)
    return {"core": "cores"}.get(unit, unit), float


def _times(factor: float) -> Factor:
    return lambda value: value * factor
