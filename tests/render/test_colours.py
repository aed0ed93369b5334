"""
Colours that can be read in every theme.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.render.colours import (
    BLACK,
    WHITE,
    Colour,
    contrast,
    css,
    indexed,
    luminance,
    on_any_theme,
    on_background,
)

DARK: Colour = (30, 30, 30)  # the background of editors with a dark theme
colours = st.tuples(*[st.integers(0, 255)] * 3)


def test_the_contrast_is_that_of_the_guidelines() -> None:
    """
    Black on white has 21, equal colours have 1, and #767676 is the grey that has 4.54 to white.
    """
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast(WHITE, BLACK) == pytest.approx(21)
    assert contrast(DARK, DARK) == 1
    assert contrast((0x76, 0x76, 0x76), WHITE) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "#000000"),
        (1, "#cd0000"),
        (9, "#ff0000"),
        (15, "#ffffff"),
        (16, "#000000"),
        (21, "#0000ff"),
        (208, "#ff8700"),
        (231, "#ffffff"),
        (232, "#080808"),
        (255, "#eeeeee"),
    ],
)
def test_a_number_is_a_colour_of_the_palette(number: int, shown: str) -> None:
    """
    Sixteen named colours come first, then a cube of 216 colours, then 24 greys.
    """
    assert css(indexed(number)) == shown


@given(colours)
def test_text_of_any_colour_can_be_read_on_white_and_on_dark_grey(colour: Colour) -> None:
    """
    The contrast is at least 3.5, or the text has the usual colour.
    """
    found = on_any_theme(colour)
    assert found is None or min(contrast(found, WHITE), contrast(found, DARK)) >= 3.5


def test_each_colour_of_the_palette_can_be_read() -> None:
    """
    Only greys that are nearly black or white become the usual colour.
    """
    for number in range(256):
        found = on_any_theme(indexed(number))
        if found is None:
            assert len(set(indexed(number))) == 1
        else:
            assert min(contrast(found, WHITE), contrast(found, DARK)) >= 3.5
    assert on_any_theme(BLACK) is on_any_theme(WHITE) is None
    assert on_any_theme((127, 127, 127)) is not None


def test_a_colour_keeps_its_hue() -> None:
    """
    Red stays red, whether it is made darker or lighter.
    """
    for bright, dark in (((255, 120, 120), (80, 0, 0)), ((120, 255, 120), (0, 60, 0))):
        strongest = bright.index(255)
        for colour in (bright, dark):
            found = on_any_theme(colour)
            assert found is not None
            assert found.index(max(found)) == strongest


@given(colours, colours)
def test_text_can_be_distinguished_from_its_background(colour: Colour, background: Colour) -> None:
    """
    A program cannot hide text in the colour of its background.
    """
    assert contrast(on_background(colour, background), background) >= 2
    assert on_background(None, background) in (BLACK, WHITE)


def test_a_colour_that_can_be_read_on_its_background_stays() -> None:
    """
    Yellow on blue is what the program chose.
    """
    assert on_background((255, 255, 0), (0, 0, 255)) == (255, 255, 0)
    assert on_background((0, 0, 250), (0, 0, 255)) == WHITE


@given(colours)
def test_the_luminance_is_between_black_and_white(colour: Colour) -> None:
    """
    It is 0 for black and 1 for white.
    """
    assert luminance(BLACK) <= luminance(colour) <= luminance(WHITE)
    assert luminance(BLACK) == 0
    assert luminance(WHITE) == pytest.approx(1)
