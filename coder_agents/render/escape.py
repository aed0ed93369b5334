"""
Text of unknown origin, made fit to be shown.

What a script printed may hold any character. Some move the cursor, rename the window or make a
terminal answer; some end the line; some show what follows them in another order than it was
written. Here they become visible instead: each is shown by its code, as ``\\xNN`` or ``\\uNNNN``.

These are the characters of Unicode's category Cc (C0, DEL, and C1, which some terminals obey
as they obey ESC and a letter), U+2028 and U+2029, which end a line, the controls of the
bidirectional algorithm (UAX #9, the property Bidi_Control, and its deprecated relatives U+206A to
U+206F), and half surrogate pairs, which no stream of text takes. A tab is harmless and stays, and
so do the letters of all scripts.
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
# byte or the 8-bit introducer U+009B makes another sequence of it, or one that not
# every terminal reads in the same way.
_COLOUR = r"\x1b\[[0-9;:]*+m"
_COLOURS = re.compile(_COLOUR)
_COLOUR_OR_CONTROL = re.compile(f"{_COLOUR}|{_CONTROL}")

# What takes the cursor to the beginning of the line: a carriage return, and "cursor character
# absolute" (ECMA-48, 8.3.9) to the first column.
_RETURN = re.compile(r"\r|\x1b\[[01]?G")
# Any control sequence (ECMA-48, 5.4): none shows anything by itself.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*+[ -/]*+[@-~]")
_ERASURE = re.compile(r"\x1b\[[0-2]?K")  # "erase in line" (ECMA-48, 8.3.41)


def escape_controls(text: str) -> str:
    """
    *text* with every character that could move, break or reorder it shown by its code.

    The result is one line, whatever *text* was.
    """
    return text if text.isprintable() else _CONTROLS.sub(_shown, text)


def terminal_safe(text: str) -> str:
    """
    *text* as it may be written to a terminal: in colours, but without other effects.

    Sequences that set colours and weights (``ESC [ … m``) stay as they are; the rest is as in
    `escape_controls`.
    """
    return text if text.isprintable() else _COLOUR_OR_CONTROL.sub(_shown_unless_colour, text)


def last_state(text: str) -> str:
    """
    The last state of a line that was drawn several times, as a progress bar is.

    That is what follows the last return to the beginning of the line, if it shows anything:
    ``" 50%\\r100%\\r"`` is ``"100%"``. Sequences that erase are left out then, as what they erased
    is; colours that were set or reset after that state stay. A line without such a return
    is returned as it is.
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
