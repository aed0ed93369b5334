"""
Objects as one line.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from characters import is_safe_line
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.render.line import (
    MAX_LINE,
    Rendered,
    counted,
    render_items,
    render_line,
    render_value,
)


class Colour(StrEnum):
    """
    An enumeration of texts.
    """

    RED = "red"


class Broken:
    """
    An object without a `repr`.
    """

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Long:
    """
    An object with a long `repr` of several lines.
    """

    def __repr__(self) -> str:
        return "a\n\x1b[2J" + "x" * 10_000


VALUES: list[tuple[object, str]] = [
    ("a'b", '"a\'b"'),
    ("a\n\x1b[2J\u202e\ud800", "'a\\n\\x1b[2J\\u202e\\ud800'"),
    ("x" * 100_000, "'" + "x" * 60 + "'…"),
    (b"\xff" * 1000, "b'" + "\\xff" * 60 + "'…"),
    (Colour.RED, "'red'"),
    (None, "None"),
    (True, "True"),
    (1.5, "1.5"),
    (10**400, "1" + "0" * 319 + "…"),
    (10**5000, "<int>"),
    (datetime(2026, 11, 22, 8, tzinfo=UTC), "2026-11-22T08:00:00Z"),
    (datetime(2026, 11, 22, tzinfo=timezone(timedelta(hours=1))), "2026-11-22T00:00:00+01:00"),
    (timedelta(minutes=2, microseconds=500), "120.0005s"),
    (timedelta(), "0s"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ((), "()"),
    (("a",), "('a',)"),
    (("a", 1, None, 2), "('a', 1, None, …)"),
    (["x" * 50, "y" * 50], "['" + "x" * 50 + "', …]"),
    ({}, "{}"),
    ({"a": 1}, "{'a': 1}"),
    ({"a": {"b": 1}}, "<1 entries>"),
    ([[], []], "<2 list>"),
    ((Broken(),) * 1234, "<1,234 Broken>"),
    (Broken(), "<Broken>"),
    (Long(), "a\\x0a\\x1b[2J" + "x" * 308 + "…"),
    (Rendered("as it is"), "as it is"),
]


@pytest.mark.parametrize(("value", "shown"), VALUES, ids=lambda each: str(type(each).__name__))
def test_a_value_is_short_and_on_one_line(value: object, shown: str) -> None:
    """
    Texts are quoted, ids and times are as in JSON, and what is cut has an ellipsis.
    """
    assert render_value(value) == shown


anything = st.recursive(
    st.text()
    | st.binary()
    | st.integers()
    | st.floats()
    | st.none()
    | st.uuids()
    | st.timedeltas(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(anything)
def test_any_value_becomes_one_short_line(value: Any) -> None:
    """
    No value raises an error, and no line is long or can be broken.
    """
    assert is_safe_line(render_value(value))
    assert len(render_value(value)) < 1000


def test_a_line_has_as_many_fields_as_it_has_room_for() -> None:
    """
    The first field always has room; an ellipsis stands for the others.
    """
    fields = [(f"field{number}", "x" * 50) for number in range(10)]
    line = render_line("Name", fields)
    assert line.startswith("Name(field0='xxx")
    assert line.endswith("', …)")
    assert len(line) <= MAX_LINE + len("Name(…)")
    assert render_line("Name", fields, 0) == f"Name(field0='{'x' * 50}', …)"
    assert render_line("Name", []) == "Name()"


def test_a_list_has_its_first_items_and_the_number_of_the_others() -> None:
    """
    At most three items are shown, and fewer where they are long.
    """
    assert render_items("List", []) == "List([])"
    assert render_items("List", [1, 2, 3]) == "List([1, 2, 3])"
    assert render_items("List", [1] * 1237) == "List([1, 1, 1, … 1,234 more])"
    one = "a\\x0a\\x1b[2J" + "x" * 308 + "…"
    assert render_items("List", [Long()] * 3) == f"List([{one}, … 2 more])"


def test_a_mapping_that_is_no_dict_is_shown_as_one() -> None:
    """
    Such as one that cannot be changed.
    """

    class Fixed(Mapping[str, int]):
        __getitem__ = {"a": 1}.__getitem__
        __iter__ = {"a": 1}.__iter__
        __len__ = {"a": 1}.__len__

    assert render_value(Fixed()) == "{'a': 1}"


def test_a_count_has_its_noun() -> None:
    """
    Only one thing is singular.
    """
    assert [counted(number, "item") for number in (0, 1, 2, 1234)] == [
        *("0 items", "1 item", "2 items"),
        "1,234 items",
    ]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (1.0, "1 second"),
        (0.5, "0.5 seconds"),
        (2_592_000.0, "2,592,000 seconds"),
        (12_345_678_901, "12,345,678,901 seconds"),
    ],
)
def test_a_number_has_its_noun(count: float, shown: str) -> None:
    """
    Only 1 has the singular, and large numbers are readable.
    """
    assert counted(count, "second") == shown
