"""
Numbers in what scripts print.
"""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.schema import Number

# Nothing here reads JSON: one way to read it is enough.
pytestmark = pytest.mark.parametrize("way", ["json"], indirect=True)

PRINTED = [
    # coder stat cpu, mem and disk, in a container without a limit, too
    ("0.5/8 cores (6%)", Number(0.5, 8, "cores")),
    ("0.524/2 cores (26%)", Number(0.524, 2, "cores")),
    ("-0.01/8 cores (-0%)", Number(-0.01, 8, "cores")),
    ("1.6/62.7 GiB (3%)", Number(1.6, 62.7, "GiB")),
    ("50/100 GiB (50%)", Number(50, 100, "GiB")),
    ("1073741824/2147483648 B (50%)", Number(2**30, 2**31, "B")),
    ("1/1 core (100%)", Number(1, 1, "core")),
    ("0.5 cores", Number(0.5, None, "cores")),
    ("3.2 GiB", Number(3.2, None, "GiB")),
    # of the CLI's early releases
    ("3.2/16.0 GB", Number(3.2, 16, "GB")),
    ("86400.0 seconds", Number(86400, None, "seconds")),
    # free, df, top, awk, bc
    ("28%", Number(28, None, "%")),
    (" 5%\n", Number(5, None, "%")),
    ("99.5 %", Number(99.5, None, "%")),
    ("1.5", Number(1.5, None, "")),
    ("1.5\r\n", Number(1.5, None, "")),
    (".25", Number(0.25, None, "")),
    ("+3", Number(3, None, "")),
    ("-4", Number(-4, None, "")),
    ("1.5e+06", Number(1_500_000, None, "")),
    ("0.0/4.0", Number(0, 4, "")),
    ("3.2/16 GiB", Number(3.2, 16, "GiB")),
    ("3.2 / 16 GiB", Number(3.2, 16, "GiB")),
    ("3.2Gi/16Gi", Number(3.2, 16, "Gi")),
    ("512Mi/16Gi", Number(0.5, 16, "Gi")),
    ("0B/4.0Gi", Number(0, 4, "Gi")),
    ("20G/1.5T", Number(20 / 1024, 1.5, "T")),
    ("500MB/2GB", Number(0.5, 2, "GB")),
    ("1 kB/1KiB", Number(1000 / 1024, 1, "KiB")),
    ("12.5 MB/s", Number(12.5, None, "MB/s")),
    ("1.5K", Number(1.5, None, "K")),
    ("47.5°C", Number(47.5, None, "°C")),
    ("12 ms", Number(12, None, "ms")),
    ("2.4 GHz", Number(2.4, None, "GHz")),
]


@pytest.mark.parametrize(("text", "number"), PRINTED, ids=[text for text, _ in PRINTED])
def test_what_common_scripts_print_is_a_number(text: str, number: Number) -> None:
    """
    White space around the number and a percentage after it do not change the number.
    """
    assert Number.parse(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "-",
        "nope",
        "1.63 2.31 1.76 2/134 20757",
        "1.5 2.5 3.5",
        "28%\n29%",
        "3\n/16",
        "3 apples",
        "3.2/",
        "/16",
        "1/2/3",
        "3,200",
        "3,2",
        "1 000",
        "1_000",
        "5.",
        "1.2.3",
        "0x10",
        "NaN",
        "inf",
        "1e999",
        "1/1e999",
        "-1e999/1",
        "1e9999",
        "NaN/8 cores (NaN%)",
        "28% used",
        "50 (50%)",
        "28%/16",
        "28%/16 GiB",
        "3 cores/16 GiB",
        "3MB/s/16GB",
        "3/16 GiB (20)",
        "up 3 days",
        "12:30",
        "2026-11-22",
        "\x1b[32m28%\x1b[0m",
        "\u0661\u0662%",
        "1" * 81,
        "1" + " " * 100 + "%",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    """
    Prose, several values, lines or words, what is not finite, and digits that could be read
    in two ways.
    """
    assert Number.parse(text) is None


FINITE = st.floats(allow_nan=False, allow_infinity=False)
UNITS = ["", "%", "cores", "B", "KiB", "Gi", "G", "kB", "MB/s", "°C", "ms", "s", "h", "Hz"]


@given(st.builds(Number, FINITE, st.none() | FINITE, st.sampled_from(UNITS)))
def test_what_is_formatted_reads_back(number: Number) -> None:
    """
    It has the same unit and exactly the same value.
    """
    assert Number.parse(str(number)) == number
    assert Number.parse(f"  {number}\n") == number


@given(
    used=st.floats(0, 1e9).map(lambda value: round(value, 3)),
    total=st.integers(1, 10**9),
    unit=st.sampled_from(["cores", "B", "KiB", "MiB", "GiB", "TiB"]),
)
def test_what_coder_stat_prints_reads_back(used: float, total: int, unit: str) -> None:
    """
    At most three digits behind the point, the total, the unit, and the percentage of the two.
    """
    printed = f"{used:.3f}".rstrip("0").rstrip(".")
    found = Number.parse(f"{printed}/{total} {unit} ({100 * used / total:.0f}%)\n")
    assert found == Number(used, total, unit)


@given(st.text() | st.text(alphabet="0123456789.e+-/% ()GiBkcores\n\t", max_size=90))
def test_nothing_that_is_printed_raises(text: str) -> None:
    """
    It is a finite number or none.
    """
    number = Number.parse(text)
    assert number is None or math.isfinite(number.value)
    assert number is None or number.of is None or math.isfinite(number.of)
    assert number is None or number.ratio is None or math.isfinite(number.ratio)


@pytest.mark.parametrize(
    ("number", "ratio"),
    [
        (Number(4, 16, "GiB"), 0.25),
        (Number(28, None, "%"), 0.28),
        (Number(30, 60, "%"), 0.5),
        (Number(20, 16, "GiB"), 1.25),
        (Number(28), None),
        (Number(3, None, "GiB"), None),
        (Number(3, 0, "GiB"), None),
        (Number(3, -1), None),
        (Number(1e300, 1e-300), None),
    ],
)
def test_a_ratio_is_told_where_there_is_one(number: Number, ratio: float | None) -> None:
    """
    It is the part of the total, or of a hundred per cent.
    """
    assert number.ratio == ratio


def test_a_number_does_not_change() -> None:
    """
    It was what a script printed.
    """
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Number(1).value = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(28, None, "%"), "28%"),
        (Number(3.2, 16, "GiB"), "3.2/16 GiB"),
        (Number(1.5), "1.5"),
        (Number(0.5, None, "cores"), "0.5 cores"),
    ],
)
def test_a_number_is_shown_shortly(number: Number, text: str) -> None:
    """
    The text is what a script would print.
    """
    assert str(number) == text
