"""
Output with the colours of a terminal, as HTML.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markup import checked

from coder_agents.render import escape_controls
from coder_agents.render.ansi import colours_to_html
from coder_agents.render.colours import css, indexed, on_any_theme

SGR = re.compile(r"\x1b\[[0-9;:]*m")
RED = "color:" + css(on_any_theme(indexed(1)) or (0, 0, 0))
ORANGE = "color:" + css(on_any_theme(indexed(208)) or (0, 0, 0))

pieces = st.sampled_from(
    [
        *(
            "\x1b[",
            "\x1b",
            "[",
            "m",
            ";",
            ":",
            "0",
            "1",
            "31",
            "38",
            "48",
            "5",
            "2",
            "208",
            "7",
            "999",
        ),
        *(
            "<",
            ">",
            "&",
            '"',
            "'",
            "a",
            "é",
            "😀",
            "\u202e",
            "\x9b",
            "\r",
            "\n",
            "\x1b[31m",
            "\x1b[0m",
        ),
    ]
)
hostile = st.lists(pieces, max_size=30).map("".join)


def styles_of(line: str) -> list[tuple[str, str]]:
    """
    Return the style and the text of each run of *line*.
    """
    runs = re.findall(r'<span style="([^"]*)">([^<]*)</span>|([^<]+)', colours_to_html(line))
    return [(style, text or plain) for style, text, plain in runs]


@pytest.mark.parametrize(
    ("sequence", "style"),
    [
        ("31", RED),
        ("031", RED),
        ("91", "color:" + css(on_any_theme(indexed(9)) or (0, 0, 0))),
        ("38;5;208", ORANGE),
        ("38:5:208", ORANGE),
        ("38;2;255;135;0", ORANGE),
        ("38:2:255:135:0", ORANGE),
        ("38:2::255:135:0", ORANGE),
        ("38:2:1:255:135:0", ORANGE),
        ("1;31", f"{RED};font-weight:bold"),
        ("2", "opacity:.7"),
        ("3", "font-style:italic"),
        ("4", "text-decoration:underline"),
        ("21", "text-decoration:underline"),
        ("4:3", "text-decoration:underline"),
        ("4;9", "text-decoration:underline line-through"),
        ("44", "color:#ffffff;background:#0000ee"),
        ("107", "color:#000000;background:#ffffff"),
        ("33;44", "color:#cdcd00;background:#0000ee"),
        ("48;5;208", "color:#000000;background:#ff8700"),
        ("31;41", "color:#ffffff;background:#cd0000"),
        ("7", "color:#000000;background:#808080"),
        ("7;31", "color:#ffffff;background:#cd0000"),
        ("7;33;44", "color:#0000ee;background:#cdcd00"),
    ],
)
def test_a_sequence_sets_the_style_of_what_follows(sequence: str, style: str) -> None:
    """
    Text before it has none, and a reset ends it.
    """
    line = f"a\x1b[{sequence}mb\x1b[mc\x1b[{sequence}md\x1b[0me"
    assert styles_of(line) == [("", "a"), (style, "b"), ("", "c"), (style, "d"), ("", "e")]


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        *(("31", "39"), ("44", "49"), ("1", "22"), ("2", "22"), ("3", "23"), ("4", "24")),
        *(("4", "4:0"), ("7", "27"), ("9", "29"), ("1;2;3;4;7;9;31;44", "0"), ("31", "1;0")),
    ],
)
def test_an_attribute_is_switched_off_by_its_own_code(begin: str, end: str) -> None:
    """
    After that the text has no style.
    """
    assert styles_of(f"\x1b[{begin}ma\x1b[{end}mb")[1:] == [("", "b")]


@pytest.mark.parametrize(
    "sequence",
    [
        *("5", "6", "8", "10", "50", "58;5;1", "58:2::1:2:3", "99", "999", "1000", "9" * 5000),
        *("38", "38;", "38;5", "38;5;256", "38;5;9999", "38;2;1;2", "38;2;1;2;256", "38;7;31"),
        *("38:5", "38:2:1:2", "38:9:1", "38:", "37", "97", "30", "38;5;231", "48;9"),
    ],
)
def test_what_has_no_meaning_changes_nothing(sequence: str) -> None:
    """
    Concealed and blinking text is usual text, and so are black, white and malformed colours.
    """
    shown = styles_of(f"a\x1b[{sequence}mb")
    assert "".join(text for _, text in shown) == "ab"
    if sequence != "38;7;31":  # an unknown kind of colour takes no other parameter
        assert {style for style, _ in shown} == {""}


def test_a_malformed_colour_takes_no_more_than_its_parameters() -> None:
    """
    The parameters after it count.
    """
    assert styles_of("\x1b[38;5;999;1ma") == [("font-weight:bold", "a")]
    assert styles_of("\x1b[38;2;1;2;999;1ma") == [("font-weight:bold", "a")]
    assert styles_of("\x1b[58;5;4;1ma") == [("font-weight:bold", "a")]


def test_runs_of_one_style_are_joined() -> None:
    """
    A reset that changes nothing makes no further element.
    """
    assert colours_to_html("\x1b[31ma\x1b[31mb\x1b[1;22mc") == f'<span style="{RED}">abc</span>'
    assert colours_to_html("a\x1b[0mb\x1b[39mc") == "abc"
    assert colours_to_html("\x1b[31m\x1b[0m") == ""


@pytest.mark.parametrize(
    "line",
    [
        *("\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\a", "\x1b[2J", "\x9b31m", "\x1b[?25l"),
        *("\x1b[>4;2m", "\x1b[31", "\x1b[3\x1b[", "a\x08b", "\x1bP1$r0m\x1b\\", "\u202ea"),
    ],
)
def test_every_other_sequence_is_shown_by_its_code(line: str) -> None:
    """
    Titles, links, moves and broken sequences are text.
    """
    assert checked(colours_to_html(line)).text == escape_controls(line)


@given(hostile)
@example("<script>alert(1)</script>")
@example("\x1b[31m<script>alert(1)</script>")
@example("\x07<b>&lt;\"'")
@example('\x1b[38;2;1"onmouseover="alert(1)m')
def test_any_line_is_text_with_styles(line: str) -> None:
    """
    The elements are well formed, and without them the line is what it is without its colours.
    """
    parsed = checked(colours_to_html(line, 10_000))
    assert parsed.text == escape_controls(SGR.sub("", line))
    assert parsed.tags <= {"span"}
    allowed = r"[a-z-]+:(#[0-9a-f]{6}|[a-z -]+|\.7)(;[a-z-]+:(#[0-9a-f]{6}|[a-z -]+|\.7))*"
    assert all(re.fullmatch(allowed, style) for style in parsed.styles)


@given(hostile, st.integers(1, 40))
@example("abcdef\x1b[31mghi", 3)
@example("ab\x1b[31mcdefghi\x1b[0mj", 3)
@example("abc\x1b[31m", 3)
@example("abc\x1b[31md", 3)
def test_a_line_is_cut_after_its_characters(line: str, limit: int) -> None:
    """
    Sequences do not count, no sequence is cut, and the end has the number of the others.
    """
    plain = SGR.sub("", line)
    hidden = len(plain) - limit
    more = f"… {hidden:,} more characters" if hidden > 0 else ""
    assert checked(colours_to_html(line, limit)).text == escape_controls(plain[:limit]) + more


def test_every_split_of_a_line_into_runs_is_the_same_line() -> None:
    """
    A colour that is set again in the middle of a text changes nothing.
    """
    text = "a<b>&\x07é😀"
    whole = colours_to_html(f"\x1b[31m{text}")
    for at in range(len(text) + 1):
        assert colours_to_html(f"\x1b[31m{text[:at]}\x1b[31m{text[at:]}") == whole


@pytest.mark.parametrize(
    "line",
    [
        *(
            "x" * 10**5,
            "\x1b" * 10**5,
            "\x1b[" * 50_000,
            "\x1b[1" * 30_000,
            "\x1b[" + "1" * 10**5,
        ),
        *(
            "\x1b[31m" * 20_000,
            "\x1b[" + "1;" * 50_000 + "m",
            "\x1b[38;5;" * 10_000,
            "<" * 10**5,
        ),
        *(
            "\x1b[" + "38;2;" * 20_000 + "mx",
            "\x1b[" + "38:" * 30_000 + "mx",
            "\x1b[1mx" * 15_000,
        ),
    ],
    ids=lambda line: repr(line[:8]),
)
def test_a_hostile_line_of_a_hundred_thousand_characters_is_short_work(line: str) -> None:
    """
    The result is short, and finding it takes no more than some steps for each character.
    """
    assert len(colours_to_html(line)) < 1024 * 60
    checked(colours_to_html(line))
