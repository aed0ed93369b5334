"""
How plots look: on a page of any colour, and with names in any script.

What is new to matplotlib's settings applies only to what is drawn in the ``with`` block of `drawing`: each
text keeps its colour and its fonts, also where the figure is drawn much later.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib import font_manager, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Both can be read on white and on black. A notebook puts a page below a transparent picture whose ticks
# are all light or all dark (by luminance, at one half), so those of the two axes are on either side.
_TEXT, _TICKS = "#7a7a7a", "#848484"
_ON_ANY_PAGE = {
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.titlecolor": _TEXT,
    "text.color": _TEXT,
    "legend.labelcolor": _TEXT,
    "legend.edgecolor": _TEXT,
    "xtick.color": _TEXT,
    "xtick.labelcolor": _TEXT,
    "ytick.color": _TICKS,
    "ytick.labelcolor": _TICKS,
    "grid.color": _TEXT,
    "hatch.color": _TEXT,
}

# Fonts of systems and of distributions which have more than Latin, Greek and Cyrillic letters.
_MORE_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "Noto Sans SC",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "IPAexGothic",
    "NanumGothic",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Nirmala UI",
    "Leelawadee UI",
    "Segoe UI",
    "FreeSans",
    "DejaVu Sans",
    "Noto Emoji",
    "Segoe UI Emoji",
    "Segoe UI Symbol",
    "Symbola",
)
_NO_GLYPH = "\N{WHITE SQUARE}"


@contextlib.contextmanager
def drawing(ax: Axes | None) -> Iterator[None]:
    """
    Draw on *ax*, or on new axes where it is None, in the ``with`` block.

    New axes are transparent, with colours that can be read on light and dark pages, unless the user has
    chosen a style with another background.
    """
    settings: Any = {"font.family": families()}
    default = matplotlib.rcParamsDefault["figure.facecolor"]
    if ax is None and matplotlib.rcParams["figure.facecolor"] == default:
        settings.update(_ON_ANY_PAGE)
    before = {name: matplotlib.rcParams[name] for name in settings}
    matplotlib.rcParams.update(settings)
    try:
        yield
    finally:
        # Not all of them, as rc_context restores: the first plot of a session loads matplotlib's backend, and that of
        # notebooks then switches on that figures are shown at the end of each cell.
        matplotlib.rcParams.update(before)


def new_axes(size: tuple[float, float]) -> Axes:
    """
    Return new axes of *size*, width and height in inches.
    """
    _, axes = pyplot.subplots(figsize=size, layout="constrained")
    return axes


def families() -> list[str]:
    """
    Return the families of fonts that texts are drawn with: those of the user, and the installed ones
    for other scripts.
    """
    chosen = list(matplotlib.rcParams["font.family"])
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [*chosen, *(each for each in _MORE_FONTS if each in installed and each not in chosen)]


def drawable(text: str) -> str:
    """
    Return *text* with a box in place of each character that no installed font can draw.

    Matplotlib would draw such a box, too, and warn about it each time that the figure is drawn, which may
    be long after the call that plots. Joiners and selectors of variants are dropped: alone they show
    nothing.
    """
    if text.isascii():
        return text
    fonts = list(map(_font, families()))
    return "".join(_drawn(character, fonts) for character in text)


def _font(family: str) -> Any:
    return font_manager.get_font(
        font_manager.findfont(font_manager.FontProperties(family=[family]))
    )


def _drawn(character: str, fonts: list[Any]) -> str:
    if character.isascii() or any(font.get_char_index(ord(character)) for font in fonts):
        return character
    is_invisible = unicodedata.category(character) in ("Cf", "Mn", "Me")
    return "" if is_invisible else _NO_GLYPH
