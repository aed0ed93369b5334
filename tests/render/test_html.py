"""
Tables in HTML.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from characters import is_safe_line, unsafe_characters
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.render import escape_controls, last_state
from coder_agents.render.html import render_html_table


class Cells(HTMLParser):
    """
    The texts of a table's cells, and every tag.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("td", "th", "caption"):
            self._inside = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "caption"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        assert self._inside
        self.cells[-1] += data


def test_a_table_has_a_caption_columns_and_rows() -> None:
    """
    Numbers stand on the right, lines of output one below the other, and None is empty.
    """
    shown = render_html_table(["Name", "Port"], [("web", 80), (None, ["a", "b"])], caption="All")
    assert Cells(shown).cells == ["All", "Name", "Port", "web", "80", "", "a\nb"]
    assert re.search('<td style="text-align:right;[^"]*">80</td>', shown)
    assert "<caption" not in render_html_table(["Name"], [])


def shown_line(line: str) -> str:
    """
    Return what a line of output shows, without its colours.
    """
    return escape_controls(re.sub(r"\x1b\[[0-9;:]*m", "", last_state(line)))


@given(st.text(), st.lists(st.text()))
def test_text_stays_text(text: str, lines: list[str]) -> None:
    """
    No tag comes of it and nothing is lost, whatever it holds.
    """
    parsed = Cells(render_html_table([text], [(text,), (lines,)], caption="x" + text))
    shown = escape_controls(text)
    assert parsed.tags <= {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "pre"}
    assert parsed.cells == ["x" + shown, shown, shown, "\n".join(map(shown_line, lines))]
    assert all(is_safe_line(line) for cell in parsed.cells for line in cell.split("\n"))


def test_no_character_of_unicode_breaks_or_reorders_a_cell() -> None:
    """
    In a cell, in one of its lines and in the caption such characters are shown by their codes.
    """
    every = sorted(unsafe_characters())
    for begin in range(0, len(every), 500):
        some = "".join(every[begin : begin + 500])
        parsed = Cells(render_html_table([some], [(some,), ([some],)], caption=f"x{some}"))
        assert len(parsed.cells) == 4
        assert all(map(is_safe_line, parsed.cells))


def test_rows_of_another_length_are_refused() -> None:
    """
    A row that lacks a cell raises ValueError.
    """
    with pytest.raises(ValueError, match="shorter"):
        render_html_table(["A", "B"], [("only one",)])
