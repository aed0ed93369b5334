"""
Rendering of a program's output as HTML, with its colours.

Of the control sequences of a terminal (ECMA-48), only "select graphic rendition" (8.3.117) has an
effect, with the 16, the 256 and all colours (ISO 8613-6). Every other sequence and control character
is shown by its code. Text is never hidden: concealed text, and text in the colour of its background,
can be read. A line begins without colours, whatever the line before it has set.

The time for a line is linear in the line's length, also for a hostile line.
"""

from __future__ import annotations

import html
import itertools
import operator
import re
from collections.abc import Iterator, Sequence

import attrs

from coder_agents.render.colours import Colour, css, indexed, on_any_theme, on_background
from coder_agents.render.escape import escape_controls

MAX_LENGTH = 1024
"""
The maximal number of characters of a line that are shown: a deployment stores no longer lines.
"""

_SEQUENCE = re.compile(r"\x1b\[([0-9;:]*+)m")
_MAX_DIGITS = 3  # of a parameter that has a meaning
_INVERSE: Colour = (128, 128, 128)  # the background of inverse text without a colour
_MORE = '<span style="opacity:.65">… {:,} more characters</span>'

_ATTRIBUTES = {
    1: ("bold", True),
    2: ("faint", True),
    3: ("italic", True),
    7: ("inverse", True),
    9: ("struck", True),
    21: ("underlined", True),  # doubly
    23: ("italic", False),
    24: ("underlined", False),
    27: ("inverse", False),
    29: ("struck", False),
}


def colours_to_html(line: str, limit: int = MAX_LENGTH) -> str:
    """
    Return *line* as HTML with its colours; after *limit* characters, the number of the others.

    Sequences that set colours do not count as characters.
    """
    if line.isprintable() and len(line) <= limit:
        return html.escape(line)
    runs = itertools.groupby(_runs(line, limit), key=operator.itemgetter(0))
    parts = [_run(style, "".join(text for _, text in run)) for style, run in runs]
    length = len(_SEQUENCE.sub("", line))
    return "".join(parts) + (_MORE.format(length - limit) if length > limit else "")


def _run(style: str, text: str) -> str:
    shown = html.escape(escape_controls(text))
    return f'<span style="{style}">{shown}</span>' if style else shown


def _runs(line: str, limit: int) -> Iterator[tuple[str, str]]:
    """
    Yield the style and the text of each part of *line* between two sequences.
    """
    pen = _Pen()
    room, begin = limit, 0
    for found in _SEQUENCE.finditer(line):
        if text := line[begin : min(found.start(), begin + room)]:
            yield pen.style(), text
        room -= found.start() - begin
        if room <= 0:
            return
        pen.apply(found[1])
        begin = found.end()
    if text := line[begin : begin + room]:
        yield pen.style(), text


@attrs.define
class _Pen:
    """
    The colours and the attributes of the text that follows.
    """

    colour: Colour | None = None
    background: Colour | None = None
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underlined: bool = False
    struck: bool = False
    inverse: bool = False

    def apply(self, parameters: str) -> None:
        """
        Apply the parameters of one sequence; those without a meaning here are skipped.
        """
        items = iter(parameters.split(";"))
        for item in items:
            code, *details = item.split(":")
            number = _number(code)
            if number in (38, 48, 58):
                self._set_colour(number, _colour(details) if details else _next_colour(items))
            elif number == 4:
                self.underlined = details[:1] != ["0"]
            else:
                self._apply(number)

    def _set_colour(self, number: int, colour: Colour | None) -> None:
        if colour is not None and number == 38:
            self.colour = colour
        if colour is not None and number == 48:
            self.background = colour

    def _apply(self, number: int) -> None:
        if number == 0:
            self.__init__()  # type: ignore[misc]
        elif number == 22:
            self.bold = self.faint = False
        elif number in _ATTRIBUTES:
            setattr(self, *_ATTRIBUTES[number])
        elif number in (39, 49):
            setattr(self, "colour" if number == 39 else "background", None)
        elif 30 <= number <= 37 or 90 <= number <= 97:
            self.colour = indexed(number - 30 if number < 90 else number - 82)
        elif 40 <= number <= 47 or 100 <= number <= 107:
            self.background = indexed(number - 40 if number < 100 else number - 92)

    def style(self) -> str:
        """
        Return the declarations of CSS for the text.
        """
        lines = "underline " * self.underlined + "line-through" * self.struck
        declarations = [
            *self._colours(),
            "font-weight:bold" * self.bold,
            "opacity:.7" * self.faint,
            "font-style:italic" * self.italic,
            f"text-decoration:{lines.strip()}" if lines else "",
        ]
        return ";".join(filter(None, declarations))

    def _colours(self) -> Sequence[str]:
        colour, background = self.colour, self.background
        if self.inverse:
            colour, background = background, colour or _INVERSE
        if background is not None:
            colour = on_background(colour, background)
            return f"color:{css(colour)}", f"background:{css(background)}"
        legible = None if colour is None else on_any_theme(colour)
        return () if legible is None else (f"color:{css(legible)}",)


def _number(text: str) -> int:
    """
    Return the number of a parameter: 0 for none, and -1 for one that is too large for any meaning.
    """
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else -1


def _colour(details: Sequence[str]) -> Colour | None:
    """
    Return the colour of ``5:n``, of ``2:r:g:b``, or of ``2:space:r:g:b``; None for any other form.
    """
    kind, *numbers = (_number(each) for each in details)
    if kind == 2 and len(numbers) > 3:
        numbers = numbers[1:]
    return _of(kind, numbers)


def _next_colour(items: Iterator[str]) -> Colour | None:
    """
    Return the colour of ``5;n`` or of ``2;r;g;b``, which *items* have next; None for any other form.
    """
    kind = _number(next(items, ""))
    count = {5: 1, 2: 3}.get(kind, 0)
    return _of(kind, [_number(each) for each in itertools.islice(items, count)])


def _of(kind: int, numbers: Sequence[int]) -> Colour | None:
    if not all(0 <= number <= 255 for number in numbers):
        return None
    if kind == 5 and numbers:
        return indexed(numbers[0])
    if kind == 2 and len(numbers) >= 3:
        return numbers[0], numbers[1], numbers[2]
    return None
