"""
Tables, cards and output in HTML.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from characters import unsafe_characters
from hypothesis import given
from hypothesis import strategies as st
from markup import checked

from coder_agents.render import escape_controls, last_state
from coder_agents.render.html import (
    MAX_LENGTH,
    Markup,
    dot,
    render_html_card,
    render_html_output,
    render_html_table,
)


def test_a_table_has_a_caption_columns_rows_and_a_note() -> None:
    """
    Numbers stand on the right, lines of output one below the other, and None is empty.
    """
    rows = [("web", 80), (None, ["a", "b"])]
    shown = render_html_table(["Name", "Port"], rows, caption="All", note="the end")
    assert checked(shown).cells == ["Name", "Port", "web", "80", "", "a\nb"]
    assert checked(shown).texts[0] == "All"
    assert checked(shown).texts[-1] == "the end"
    assert re.search('<td style="text-align:right;[^"]*">80</td>', shown)
    assert checked(render_html_table(["Name"], [])).texts == ["Name"]
    assert checked(render_html_table([], [], caption="none")).texts == ["none"]


def test_skipped_rows_are_counted_where_they_would_be() -> None:
    """
    The line takes the width of the table.
    """
    shown = render_html_table(["A", "B"], [(1, 2), (3, 4)], skipped=(1, 12345))
    assert checked(shown).cells == ["A", "B", "1", "2", "… 12,345 more …", "3", "4"]
    assert 'colspan="2"' in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        (False, "no"),
        (None, ""),
        (1.5, "1.5"),
        (datetime(2026, 11, 22, 8, 36, 52, 116665, tzinfo=UTC), "2026-11-22 08:36:52Z"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31 22:00:00Z"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "0001-01-01 00:00:00+02:00"),
        (timedelta(seconds=61.25), "61.2 s"),
        (timedelta(milliseconds=250), "250 ms"),
        (timedelta(), "0.0 s"),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Markup("<span>a</span>"), "a"),
        ("a<b>&'\"", "a<b>&'\""),
    ],
)
def test_a_value_is_shown_for_people(value: object, shown: str) -> None:
    """
    A time is in UTC, a duration in seconds, and a truth value is a word.
    """
    assert checked(render_html_table(["A"], [(value,)])).cells == ["A", shown]


def test_a_card_shows_the_facts_that_have_a_value() -> None:
    """
    None and an empty text are no value, and 0 is one; tables are below the facts.
    """
    facts = [("Name", "a"), ("Empty", ""), ("None", None), ("Zero", 0)]
    below = [render_html_table(["X"], [("y",)])]
    parsed = checked(render_html_card("<Title>", facts, below=below))
    assert parsed.texts == ["<Title>", "Name", "a", "Zero", "0", "X", "y"]
    assert checked(render_html_card("only", [])).texts == ["only"]
    assert "table" not in checked(render_html_card("only", [])).tags


def test_a_dot_has_the_colour_of_its_tone() -> None:
    """
    The text beside the dot has the colour of the page.
    """
    tones = ("good", "busy", "bad", "idle")
    assert len({dot("x", tone) for tone in tones}) == 4
    for tone in tones:
        assert checked(dot("<x>", tone)).text == "●\xa0<x>"
        assert dot("x", tone).endswith("</span>&nbsp;x")


def shown_line(line: str) -> str:
    """
    Return what a line of output shows, without its colours.
    """
    return escape_controls(re.sub(r"\x1b\[[0-9;:]*m", "", last_state(line)))


@given(st.text(), st.lists(st.text()))
def test_text_stays_text(text: str, lines: list[str]) -> None:
    """
    Nothing of it becomes a tag, and nothing is lost.
    """
    parsed = checked(render_html_table([f"x{text}"], [(text,), (lines,)], caption="y" + text))
    shown = escape_controls(text)
    assert parsed.cells == [f"x{shown}", shown, "\n".join(map(shown_line, lines))]
    assert parsed.text.startswith(f"y{shown}")


def test_no_character_of_unicode_breaks_or_reorders_a_text() -> None:
    """
    In a cell, in a line of output, in a title and in a fact they are shown by their codes.
    """
    every = sorted(unsafe_characters())
    for begin in range(0, len(every), MAX_LENGTH):
        some = "".join(every[begin : begin + MAX_LENGTH])
        checked(render_html_table([some], [(some,), ([some],)], caption=some, note=some))
        checked(render_html_card(some, [(some, some)]))


def test_a_long_text_is_cut_with_its_count() -> None:
    """
    A cell, a title and a line of output have at most some hundred characters.
    """
    long = "x" * 100_000
    more = f"… {100_000 - MAX_LENGTH:,} more characters"
    for shown in (
        render_html_table(["A"], [(long,)]),
        render_html_table(["A"], [([long],)]),
        render_html_card(long, []),
        dot(long, "bad"),
        render_html_output([long]),
    ):
        assert checked(shown).text.endswith("x" * MAX_LENGTH + more)
        assert len(shown) < 2000


def test_skipped_lines_of_an_output_are_counted() -> None:
    """
    The count is between the first and the last lines.
    """
    shown = render_html_output(["a", "b"], skipped=(1, 2000))
    assert checked(shown).text == "a\n… 2,000 more lines …\nb"


def test_a_row_of_another_length_is_refused() -> None:
    """
    A row that lacks a cell raises ValueError.
    """
    with pytest.raises(ValueError, match="shorter"):
        render_html_table(["A", "B"], [("only one",)])
