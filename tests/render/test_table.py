"""
Tables of plain text.
"""

from __future__ import annotations

import pytest
from characters import is_safe_line, unsafe_characters
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.render import cut_to_width, render_table, text_width

WIDE = "容器"  # two East Asian wide characters
CELLS = st.one_of(st.text(max_size=12), st.integers(), st.none())


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """
    Text stands on the left, numbers on the right, and nothing trails.
    """
    assert render_table(["Name", "Port"], [("web", 80), ("database", 15432), (None, 7)]) == [
        "Name      Port",
        "--------  -----",
        "web          80",
        "database  15432",
        "              7",
    ]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (24, "abc  defghijkl  pending"),
        (20, "abc  defgh…  pending"),
        (19, "abc  defgh…  pendi…"),
        (9, "abc  defgh…  pendi…"),
    ],
)
def test_a_table_fits_into_a_width(width: int, shown: str) -> None:
    """
    The widest columns are cut, and keep some places each where that is not enough.
    """
    head, rule, row = render_table(["A", "B", "C"], [("abc", "defghijkl", "pending")], width=width)
    assert row == shown
    assert (text_width(rule), head.startswith("A    B")) == (text_width(shown), True)


def test_table_without_rows_has_its_columns() -> None:
    """
    A table of nothing still says what it would show.
    """
    assert render_table(["Name", "Port"], []) == ["Name  Port", "----  ----"]


def test_wide_and_combining_characters_keep_columns_in_line() -> None:
    """
    A wide character takes two places and a combining mark none.
    """
    lines = render_table(["Name", "Status"], [(WIDE, "a"), ("e\u0301", "b"), ("\u200bx", "c")])
    assert lines[2:] == [f"{WIDE}  a", "e\u0301     b", "\u200bx     c"]


def test_control_characters_do_nothing() -> None:
    """
    A cell that would move the cursor, start a line or colour the screen is shown as text.
    """
    lines = render_table(["A\r"], [("\x1b[31mred\n\x9b2J\tend",)])
    assert lines[0] == r"A\x0d"
    assert lines[2] == r"\x1b[31mred\x0a\x9b2J end"


def test_rows_of_another_length_are_refused() -> None:
    """
    A row that lacks a cell raises ValueError.
    """
    with pytest.raises(ValueError, match="shorter"):
        render_table(["A", "B"], [("only one",)])


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_every_row_is_one_line_of_printable_text(rows: list[tuple[object, object]]) -> None:
    """
    There is a line for each row, and nothing that breaks or reorders it, whatever the cells hold.
    """
    lines = render_table(["A", "B"], rows)
    assert len(lines) == 2 + len(rows)
    assert all(len(line.splitlines()) <= 1 for line in lines)
    assert all(map(is_safe_line, lines))
    assert "\t" not in "".join(lines)


def test_no_character_of_unicode_breaks_or_reorders_a_row() -> None:
    """
    Each character at which a line could end, or after which it could run backwards, is shown.
    """
    lines = render_table(["A", "B"], [(f"a{each}b", 1) for each in sorted(unsafe_characters())])
    assert len(lines) == 2 + len(unsafe_characters())
    assert all(map(is_safe_line, lines))


@given(st.text(), st.integers(min_value=1, max_value=20))
def test_cut_text_fits(text: str, width: int) -> None:
    """
    What is cut takes no more than the width, and what fits is left alone.
    """
    cut = cut_to_width(text, width)
    assert text_width(cut) <= width
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))
    assert text_width(text) > width or cut == text


@pytest.mark.parametrize(("width", "cut"), [(4, WIDE), (3, f"{WIDE[0]}…"), (2, "…"), (1, "…")])
def test_wide_character_is_not_cut_in_half(width: int, cut: str) -> None:
    """
    A wide character that would fit by half is left out.
    """
    assert cut_to_width(WIDE, width) == cut
