from __future__ import annotations

import re

import pytest
from characters import every_character, is_safe_line, unsafe_characters
from hypothesis import example, given
from hypothesis import strategies as st

from coder_agents.render import escape_controls, last_state, single_line, terminal_safe

SGR = re.compile(r"\x1b\[[0-9;:]*m")
# What some versions of Unicode call assigned and others not; deprecated, and escaped everywhere.
DEPRECATED = set("\u206a\u206b\u206c\u206d\u206e\u206f")

hostile = st.text(
    alphabet=st.sampled_from("\x1b[]0;:9mKG?>\x9b\x07\x08\r\n\t aé😀\\x\u202e\u2066\u2028"),
    max_size=40,
)


def code_of(character: str) -> str:
    """
    How a character that is not let through is shown.
    """
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def test_every_character_that_moves_breaks_or_reorders_a_line_is_shown() -> None:
    """
    These characters of all of Unicode become their codes, in both functions, and no others do.
    """
    changed = set(every_character()).difference(escape_controls(every_character()))

    assert changed == unsafe_characters() | DEPRECATED
    assert {"\u0085", "\u2028", "\u2029", "\u202e", "\u2066", "\u200f", "\x7f", "\r"} <= changed
    assert "\t" not in changed
    for each in changed:
        assert escape_controls(f"a{each}b") == f"a{code_of(each)}b"
        assert terminal_safe(f"a{each}b") == f"a{code_of(each)}b"


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
    Without its colour sequences safe text is one line that nothing moves or reorders.
    """
    assert is_safe_line(SGR.sub("", terminal_safe(text)))
    assert is_safe_line(escape_controls(text))


@given(st.text(alphabet=st.characters()))
def test_text_of_any_characters_becomes_one_line(text: str) -> None:
    """
    Safe text has no second line and can be encoded, whatever characters of Unicode the text has.
    """
    for safe in (escape_controls(text), SGR.sub("", terminal_safe(text))):
        assert is_safe_line(safe)
        assert len(safe.splitlines()) <= 1
        assert safe.encode() or not text


@given(hostile)
def test_safe_text_is_safe_already(text: str) -> None:
    """
    Making text safe twice is the same as once, so layers may each do it.
    """
    assert terminal_safe(terminal_safe(text)) == terminal_safe(text)
    assert escape_controls(escape_controls(text)) == escape_controls(text)


def harmless_text() -> st.SearchStrategy[str]:
    """
    Text of characters that nothing has to be done about.
    """
    without = sorted((unsafe_characters() | DEPRECATED) - {"\t"})
    return st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters=without))


@given(st.deferred(harmless_text))
@example("שלום, עולם")
@example("\u200d👩‍💻")
def test_text_without_such_characters_is_untouched(text: str) -> None:
    """
    Letters of any script and emoji come through as they are.
    """
    assert terminal_safe(text) == escape_controls(text) == text


@pytest.mark.parametrize(
    ("drawn", "shown"),
    [
        (" 10%\r 55%\r100%", "100%"),
        ("\r 10%\r100%\r", "100%"),
        ("done\r", "done"),
        ("10%\r\x1b[K55%\r\x1b[2K100%", "100%"),
        ("\x1b[2K\x1b[1G 10%\x1b[2K\x1b[1G100%\x1b[0K", "100%"),
        ("\x1b[G10%\x1b[0G20%", "20%"),
        ("100%|####|\r          \r", "100%|####|"),
        ("\x1b[?25l10%\r100%\r\x1b[?25h", "100%"),
        ("\x1b[31m10%\x1b[0m\r\x1b[32m100%\r\x1b[0m", "\x1b[32m100%\x1b[0m"),
        ("\r \r", ""),
        ("rm -rf /\r$ ls", "$ ls"),
        ("no bar\x1b[K\x08", "no bar\x1b[K\x08"),
        ("", ""),
    ],
)
def test_of_a_line_that_is_drawn_again_the_last_state_is_left(drawn: str, shown: str) -> None:
    """
    A progress bar becomes what it shows at the end, without what erased the states before.
    """
    assert last_state(drawn) == shown


@given(hostile)
def test_the_last_state_has_no_return_and_is_its_own_last_state(text: str) -> None:
    """
    Nothing that is left takes the cursor to the beginning of the line; other text is untouched.
    """
    left = last_state(text)

    assert not re.search(r"\r|\x1b\[[01]?G", left)
    assert last_state(left) == left
    assert left == text or re.search(r"\r|\x1b\[[01]?G", text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1.5\r\n", "1.5"),
        ("  a  ", "a"),
        ("a\nb", "a ⏎ b"),
        ("a\r\n\r\n b \r\n", "a ⏎ b"),
        ("a\tb\t", "a b"),
        ("50%\r100%\r\n", "100%"),
        ("\x1b[31mred\x1b[0m\r\n", "red"),
        ("\x1b[2Ja", "\\x1b[2Ja"),
        ("\u202eabc", "\\u202eabc"),
        ("אב 😀", "אב 😀"),
        ("", ""),
        (" \r\n", ""),
    ],
)
def test_a_text_of_several_lines_is_one_line_of_a_cell(text: str, shown: str) -> None:
    """
    White space at the ends of its lines, colours and empty lines are dropped; the rest is safe.
    """
    assert single_line(text) == shown


@given(hostile)
def test_a_line_of_a_cell_is_always_safe(text: str) -> None:
    """
    No text has a character left that moves, breaks or reorders the line.
    """
    shown = single_line(text)
    assert is_safe_line(shown)
    assert "\t" not in shown
