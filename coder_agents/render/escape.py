"""
Text of unknown origin, made fit to be shown.

What a script printed may hold any control character: some move the cursor, rename
the window or make a terminal answer. Here they become visible instead: each is shown
as ``\\xNN``, its code in two hexadecimal digits.

A control character is one of Unicode's category Cc: C0 (U+0000 to U+001F), DEL and C1
(U+0080 to U+009F, which some terminals obey as they obey ESC and a letter). A tab is
harmless and stays.
"""

from __future__ import annotations

import re

_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f-\x9f]"
_CONTROLS = re.compile(_CONTROL)

# Select Graphic Rendition (ECMA-48, 8.3.117): parameters are digits, semicolons and,
# for colours of the ISO 8613-6 kind, colons. A private marker (`?`, `>`), an intermediate
# byte or the 8-bit introducer U+009B makes another sequence of it, or one that not
# every terminal reads in the same way.
_COLOUR_OR_CONTROL = re.compile(rf"\x1b\[[0-9;:]*+m|{_CONTROL}")


def escape_controls(text: str) -> str:
    """
    *text* with every control character but tab shown as ``\\xNN``.

    The result is one line, whatever *text* was.
    """
    return _CONTROLS.sub(_shown, text)


def terminal_safe(text: str) -> str:
    """
    *text* as it may be written to a terminal: in colours, but without other effects.

    Sequences that set colours and weights (``ESC [ … m``) stay as they are; every other
    control character but tab is shown as ``\\xNN``.
    """
    return _COLOUR_OR_CONTROL.sub(_shown_unless_colour, text)


def _shown(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def _shown_unless_colour(found: re.Match[str]) -> str:
    return _shown(found) if len(found[0]) == 1 else found[0]
