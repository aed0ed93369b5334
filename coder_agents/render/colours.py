"""
Colours of terminals, in forms that can be read in light and in dark themes.

A program that prints colours does not know the theme of the page that shows them: its white text is
invisible on white. A page that a notebook saves does not know its theme either. So a text colour
without a background becomes the colour of the same hue and a medium lightness, which has a contrast
of at least 3.5 to white and to the dark grey of editors (WCAG 2.2, contrast ratio).
"""

from __future__ import annotations

from functools import lru_cache

Colour = tuple[int, int, int]
"""
Red, green and blue of sRGB, each from 0 to 255.
"""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

# The sixteen colours as xterm defines them.
_NAMED: tuple[Colour, ...] = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0)),
    *((0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0)),
    *((92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255)),
)
_STEPS = (0, 95, 135, 175, 215, 255)  # of each part in the cube of 216 colours

# The luminance of text, so that its contrast is at least 4.0 to white and 3.6 to #1e1e1e.
_DARKEST, _LIGHTEST = 0.18, 0.212
_GREY = 12  # below this difference of its parts, a colour has no hue
_MIN_CONTRAST = 2.0


def indexed(number: int) -> Colour:
    """
    Return the colour *number*, from 0 to 255, of xterm's palette.
    """
    if number < 16:
        return _NAMED[number]
    if number < 232:
        at = number - 16
        return _STEPS[at // 36], _STEPS[at // 6 % 6], _STEPS[at % 6]
    level = 8 + 10 * (number - 232)
    return level, level, level


def css(colour: Colour) -> str:
    """
    Return *colour* as ``#rrggbb``.
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)


@lru_cache(maxsize=1024)
def on_any_theme(colour: Colour) -> Colour | None:
    """
    Return *colour* in a lightness that can be read on white and on dark grey.

    None, the text's usual colour, for black and white, and for all greys that are nearly these: in a
    terminal they are the usual text.
    """
    light = luminance(colour)
    if max(colour) - min(colour) < _GREY and not 0.03 < light < 0.6:
        return None
    wanted = min(max(light, _DARKEST), _LIGHTEST)
    parts = [_linear(part) for part in colour]
    if light > wanted:
        parts = [part * wanted / light for part in parts]
    elif light < wanted:
        mix = (wanted - light) / (1 - light)
        parts = [part + (1 - part) * mix for part in parts]
    red, green, blue = (_part(part) for part in parts)
    return red, green, blue


@lru_cache(maxsize=1024)
def on_background(colour: Colour | None, background: Colour) -> Colour:
    """
    Return *colour*, or black or white where that cannot be distinguished from *background*.
    """
    if colour is not None and contrast(colour, background) >= _MIN_CONTRAST:
        return colour
    return max(BLACK, WHITE, key=lambda each: contrast(each, background))


def contrast(one: Colour, other: Colour) -> float:
    """
    Return the contrast ratio of two colours, from 1 to 21.
    """
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Colour) -> float:
    """
    Return the relative luminance of *colour*: 0 for black, 1 for white.
    """
    red, green, blue = (_linear(part) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: int) -> float:
    value = part / 255
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _part(linear: float) -> int:
    value = linear * 12.92 if linear <= 0.0031308 else 1.055 * float(linear ** (1 / 2.4)) - 0.055
    return min(255, max(0, round(value * 255)))
