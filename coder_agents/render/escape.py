"""
Escaping text of unknown origin, so that it is safe to show.

The output of a script may contain any character. Some characters move the cursor, rename the window
or make a terminal answer; some end the line; some reorder the text after them. This module shows
each of these characters by its code, as ``\\xNN`` or ``\\uNNNN``.

They are: the characters of Unicode's category Cc (C0, DEL, and C1, which some terminals obey as
they obey ESC and a letter); U+2028 and U+2029, which end a line; the controls of the bidirectional
algorithm (UAX #9, the property Bidi_Control, and the deprecated U+206A to U+206F); and half
surrogate pairs, which no text stream accepts. A tab is harmless and stays, and so do the letters of
all scripts.
"""

from __future__ import annotations

import re

_CONTROL = (
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]"
)
_CONTROLS = re.compile(_CONTROL)

# Select Graphic Rendition (ECMA-48, 8.3.117): parameters are digits, semicolons and,
# for colours of the ISO 8613-6 kind, colons. A private marker (`?`, `>`), an intermediate
# byte or the 8-bit introducer U+009B makes it another sequence, or a sequence that
# terminals read in different ways.
_COLOUR = r"\x1b\[[0-9;:]*+m"
_COLOURS = re.compile(_COLOUR)
_COLOUR_OR_CONTROL = re.compile(f"{_COLOUR}|{_CONTROL}")

# The cursor returns to the beginning of the line by a carriage return, and by "cursor character
# absolute" (ECMA-48, 8.3.9) to the first column.
_RETURN = re.compile(r"\r|\x1b\[[01]?G")
# Any control sequence (ECMA-48, 5.4): a sequence alone shows nothing.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*+[ -/]*+[@-~]")
_ERASURE = re.compile(r"\x1b\[[0-2]?K")  # "erase in line" (ECMA-48, 8.3.41)

_NEWLINE = " ⏎ "


def escape_controls(text: str) -> str:
    """
    Return *text* with each character that could move, break or reorder it shown by its code.

    The result is always one line.
    """
    return text if text.isprintable() else _CONTROLS.sub(_shown, text)


def terminal_safe(text: str) -> str:
    """
    Return *text* in a form that is safe on a terminal: with its colours, but without other effects.

    Sequences that set colours and weights (``ESC [ … m``) stay as they are. The other characters
    are escaped as by `escape_controls`.
    """
    return text if text.isprintable() else _COLOUR_OR_CONTROL.sub(_shown_unless_colour, text)


def single_line(text: str) -> str:
    """
    Return *text*, which may have several lines, as one line for a cell, safe to show.

    The lines are joined by ``⏎``; empty ones are not among them. Of a line that was drawn several times
    it is the last state. White space at both ends of a line and colours are dropped, and a tab is
    one space.
    """
    if text.isprintable():
        return text.strip()
    lines = (without_colours(last_state(line)).strip() for line in text.split("\n"))
    return escape_controls(_NEWLINE.join(filter(None, lines)).replace("\t", " "))


def without_colours(text: str) -> str:
    """
    Return *text* without the sequences that set colours and weights (``ESC [ … m``).
    """
    return _COLOURS.sub("", text)


def last_state(text: str) -> str:
    """
    Return the last state of a line that was drawn several times, such as a progress bar.

    The last state is the last visible text after a return to the beginning of the line:
    ``" 50%\\r100%\\r"`` is ``"100%"``. The result has no sequences that erase, and not the text
    that they erased. Colours that were set or reset after the last state stay. A line without such
    a return is returned unchanged.
    """
    if _RETURN.search(text) is None:
        return text
    states = _RETURN.split(_ERASURE.sub("", text))
    last = next((at for at in reversed(range(len(states))) if _shows(states[at])), 0)
    return states[last] + "".join(_COLOURS.findall("".join(states[last + 1 :])))


def _shows(state: str) -> bool:
    return bool(_SEQUENCE.sub("", state).strip())


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _shown_unless_colour(found: re.Match[str]) -> str:
    return _shown(found) if len(found[0]) == 1 else found[0]
