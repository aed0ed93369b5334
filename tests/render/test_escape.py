from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coder_agents.render import escape_controls, terminal_safe

CONTROLS = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cc"]
SGR = re.compile(r"\x1b\[[0-9;:]*m")

hostile = st.text(alphabet=st.sampled_from("\x1b[]0;:9m?>\x9b\x07\x08\r\n\t aé😀\\x"), max_size=40)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"U+{ord(control):04X}")
def test_every_control_character_but_tab_is_shown(control: str) -> None:
    """
    Each character of category Cc becomes its code, in both functions, and a tab stays.
    """
    expected = control if control == "\t" else f"\\x{ord(control):02x}"

    assert escape_controls(f"a{control}b") == f"a{expected}b"
    assert terminal_safe(f"a{control}b") == f"a{expected}b"


@pytest.mark.parametrize(
    "colour", ["\x1b[m", "\x1b[0m", "\x1b[1;31m", "\x1b[38;5;208m", "\x1b[38:2::1:2:3m"]
)
def test_colours_stay_on_a_terminal_only(colour: str) -> None:
    """
    A colour sequence is kept by `terminal_safe` and shown by `escape_controls`.
    """
    assert terminal_safe(f"{colour}x") == f"{colour}x"
    assert escape_controls(f"{colour}x") == f"\\x1b{colour[1:]}x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]8;;http://x\x1b\\link", "\\x1b]8;;http://x\\x1b\\link"),
        ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
        ("\x9b31m", "\\x9b31m"),
        ("\x1b[?25l", "\\x1b[?25l"),
        ("\x1b[>4;2m", "\\x1b[>4;2m"),
        ("\x1b[?4m", "\\x1b[?4m"),
        ("\x1b[1 m", "\\x1b[1 m"),
        ("\x1b[31\x1b[0m", "\\x1b[31\x1b[0m"),
        ("\x1b[3\n1m", "\\x1b[3\\x0a1m"),
        ("\x1b\x1b[1m", "\\x1b\x1b[1m"),
        ("\x1bP1$r0m\x1b\\", "\\x1bP1$r0m\\x1b\\"),
        ("rm -rf\r$ ls   \b\b", "rm -rf\\x0d$ ls   \\x08\\x08"),
        ("end\x1b", "end\\x1b"),
        ("end\x1b[", "end\\x1b["),
        ("end\x1b[31", "end\\x1b[31"),
    ],
)
def test_what_resembles_a_colour_but_is_none_is_shown(text: str, shown: str) -> None:
    """
    Titles, links, cursor moves, private modes and broken sequences have no effect left.
    """
    assert terminal_safe(text) == shown


@given(hostile)
@example("\x1b[" + "1" * 100_000)
def test_nothing_but_colours_is_left_of_any_text(text: str) -> None:
    """
    Without its colour sequences safe text holds no control character but tab.
    """
    left = SGR.sub("", terminal_safe(text))

    assert [char for char in left if unicodedata.category(char) == "Cc" and char != "\t"] == []


@given(hostile)
def test_safe_text_is_safe_already(text: str) -> None:
    """
    Making text safe twice is the same as once, so layers may each do it.
    """
    assert terminal_safe(terminal_safe(text)) == terminal_safe(text)
    assert escape_controls(escape_controls(text)) == escape_controls(text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc"])))
def test_text_without_control_characters_is_untouched(text: str) -> None:
    """
    Letters of any script and emoji come through as they are.
    """
    assert terminal_safe(text) == escape_controls(text) == text
