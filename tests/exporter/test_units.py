"""
Numbers in base units.
"""

from __future__ import annotations

import itertools

import pytest

from coder_agents.exporter.units import in_base_units, is_finite
from coder_agents.schema.numbers import Number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", (1.5, None, "")),
        ("28%", (0.28, None, "ratio")),
        ("3.2/16 GiB (20%)", (3.2 * 2**30, 16 * 2**30, "bytes")),
        ("512Mi/16Gi", (512 * 2**20, 16 * 2**30, "bytes")),
        ("-3kB", (-3000.0, None, "bytes")),
        ("7K", (7168.0, None, "bytes")),
        ("5 B", (5.0, None, "bytes")),
        ("5 MB/s", (5e6, None, "bytes_per_second")),
        ("1 core", (1.0, None, "cores")),
        ("2/4 cores", (2.0, 4.0, "cores")),
        ("2 min", (120.0, None, "seconds")),
        ("1/7 days", (86400.0, 7 * 86400.0, "seconds")),
        ("3h", (10800.0, None, "seconds")),
        ("4s", (4.0, None, "seconds")),
        ("5ms", (0.005, None, "seconds")),
        ("2.5 GHz", (2.5e9, None, "hertz")),
        ("500 mW", (0.5, None, "watts")),
        ("12 W", (12.0, None, "watts")),
        ("20°C", (20.0, None, "celsius")),
        ("212 °F", (100.0, None, "celsius")),
        ("900 rpm", (900.0, None, "rpm")),
    ],
)
def test_a_number_has_its_base_unit(text: str, expected: tuple[float, float | None, str]) -> None:
    """
    Each unit that metadata may have is converted to the base unit that Prometheus recommends.
    """
    number = Number.parse(text)
    assert number is not None
    value, whole, unit = in_base_units(number)
    assert unit == expected[2]
    assert value == pytest.approx(expected[0])
    assert whole == (None if expected[1] is None else pytest.approx(expected[1]))


def test_every_unit_has_a_base_unit() -> None:
    """
    No unit that a number may have is exported as it is, unless it is a base unit.
    """
    sizes = [f"{prefix}{end}" for prefix in "kKMGTPE" for end in ("", "i", "B", "iB")] + ["B"]
    rates = [f"{size}/s" for size in sizes]
    times = [
        "ns",
        "us",
        "µs",
        "ms",
        "s",
        "min",
        "h",
        "d",
        "second",
        "seconds",
        "minute",
        "minutes",
        "hour",
        "hours",
        "day",
        "days",
    ]
    others = ["%", "core", "cores", "°C", "°F", "Hz", "kHz", "MHz", "GHz", "W", "mW", "rpm"]
    units = set()
    for unit in itertools.chain(sizes, rates, times, others):
        number = Number.parse(f"1 {unit}")
        assert number is not None, unit
        units.add(in_base_units(number)[2])
    assert units == {
        "bytes",
        "bytes_per_second",
        "celsius",
        "cores",
        "hertz",
        "ratio",
        "rpm",
        "seconds",
        "watts",
    }


def test_a_number_that_becomes_infinite_is_seen() -> None:
    """
    A number near the limit has no value in base units.
    """
    value, whole, _ = in_base_units(Number(1e308, 1.0, "GiB"))
    assert not is_finite(value, whole)
    assert not is_finite(1.0, float("inf"))
    assert is_finite(1.0, None)
