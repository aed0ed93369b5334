"""
The plots of matplotlib: lines, gaps, labels and colours by their data, not by pixels.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import matplotlib
import pytest
from matplotlib.axes import Axes
from matplotlib_inline import backend_inline

matplotlib.use("Agg")

from matplotlib import dates, pyplot

from coder_agents import Agent, Client
from coder_agents.display import MetadataRecorder, plot_style
from coder_agents.display.plot_text import plot_text
from coder_agents.display.recorder import Recording
from coder_agents.display.watch import MetadataWatch
from coder_agents.schema import WorkspaceAgentMetadata

from .conftest import HOSTILE, NOON, item, unread_agent


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    """
    After each test no figure is left.
    """
    yield
    pyplot.close("all")


def recorded(agent: Agent, *items: WorkspaceAgentMetadata) -> MetadataRecorder:
    """
    Return a recorder that has recorded *items* of *agent*.
    """
    recording = Recording([agent])
    for each in items:
        recording.add(agent, [each])
    recorder = MetadataRecorder(
        recording, MetadataWatch(on_items=recording.add, on_failure=recording.fail)
    )
    recorder.close()
    return recorder


def points_of(line: Any) -> tuple[list[Any], list[float]]:
    """
    Return the times and the values of *line*.
    """
    return list(line.get_xdata()), list(line.get_ydata())


def legend_of(axes: Axes) -> list[str]:
    """
    Return the texts of the legend.
    """
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def saved(axes: Axes) -> bytes:
    """
    Draw the figure of *axes*, and return its picture. A warning, also of a missing glyph, is an error.
    """
    picture = io.BytesIO()
    figure: Any = axes.figure
    figure.savefig(picture, format="png")
    return picture.getvalue()


@pytest.fixture
def other(client: Client) -> Agent:
    """
    An agent that is not requested.
    """
    return unread_agent(client)


def test_each_number_has_a_line_with_its_unit(other: Agent) -> None:
    """
    The lines have the values and the times of the readings; what is no number has no line.
    """
    axes = recorded(
        other,
        item("28%", 0),
        item("30%", 10),
        item("3/16 GiB", 0, key="mem", name="Memory"),
        item("main", 0, key="branch", name="Branch"),
    ).plot()
    cpu, memory = axes.get_lines()
    assert points_of(cpu) == ([NOON, NOON + timedelta(seconds=10)], [28.0, 30.0])
    assert points_of(memory) == ([NOON], [3.0])
    assert legend_of(axes) == ["CPU (%)", "Memory (GiB)"]
    assert axes.get_xlabel() == "time (UTC)"
    assert axes.get_ylabel() == ""


def test_one_unit_is_also_at_the_axis(other: Agent) -> None:
    """
    Where all lines have one unit, the values' axis has it.
    """
    assert recorded(other, item("28%")).plot().get_ylabel() == "%"


def test_a_line_breaks_where_readings_are_missing(other: Agent) -> None:
    """
    Between two readings that are far apart there is a point without a value, so nothing is drawn.
    """
    axes = recorded(other, item("1", 0), item("2", 10), item("3", 300), item("4", 310)).plot()
    [line] = axes.get_lines()
    _, values = points_of(line)
    assert [values[at] for at in (0, 1, 3, 4)] == [1.0, 2.0, 3.0, 4.0]
    assert math.isnan(values[2])


def test_a_value_from_long_before_does_not_stretch_the_axes(other: Agent) -> None:
    """
    New axes begin with the newest value of the first list; given axes are the user's own.
    """
    recorder = recorded(other)
    recorder._recording.add(other, [item("90%", 0, key="disk"), item("28%", 600)])
    recorder._recording.add(other, [item("30%", 660)])
    began = dates.date2num(NOON + timedelta(seconds=600))  # type: ignore[no-untyped-call]
    left, right = recorder.plot().get_xlim()
    assert left == pytest.approx(began)
    assert right > left
    assert recorder.plot(ax=pyplot.figure().gca()).get_xlim()[0] < began


@pytest.mark.parametrize("after", [0, 0.0002, 1])
def test_readings_of_one_moment_have_an_axis_of_two_seconds(other: Agent, after: float) -> None:
    """
    Their time can be read, also where two items were not collected at exactly the same time.
    """
    left, right = recorded(other, item("28%"), item("3", after, key="disk")).plot().get_xlim()
    assert right - left == pytest.approx(2 / 86_400)
    middle = dates.date2num(NOON + timedelta(seconds=after / 2))  # type: ignore[no-untyped-call]
    assert (left + right) / 2 == pytest.approx(middle)


def test_lines_differ_also_where_colours_repeat(other: Agent) -> None:
    """
    The lines have other styles then.
    """
    axes = recorded(other, *(item("1", key=f"k{number}") for number in range(45))).plot()
    lines = axes.get_lines()
    styles = {(str(line.get_color()), str(line.get_linestyle())) for line in lines[:40]}
    assert len(styles) == 40
    assert {line.get_linestyle() for line in lines[:10]} == {"-"}


def test_the_legend_and_the_date_cover_nothing(other: Agent) -> None:
    """
    Long names are one below the other, and the date is not over the name of the axis.
    """
    axes = recorded(
        other, *(item("1", key=f"k{number}", name="x" * 60) for number in range(3))
    ).plot()
    figure: Any = axes.figure
    figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert (
        axes.xaxis.label.get_window_extent().x1
        < axes.xaxis.get_offset_text().get_window_extent().x0
    )


def test_errors_break_the_line_and_are_marked(other: Agent) -> None:
    """
    The marks have the colour of the line, and the legend counts them.
    """
    axes = recorded(
        other, item("1", 0), item("1", 10, error="x"), item("1", 20, error="x"), item("1", 30)
    ).plot()
    line, marks = axes.get_lines()
    assert [math.isnan(value) for value in points_of(line)[1]] == [False, True, True, False]
    assert len(points_of(marks)[0]) == 2
    assert marks.get_color() == line.get_color()
    assert legend_of(axes) == ["CPU, 2 errors (x)"]
    assert legend_of(recorded(other, item("1"), item("1", 9, error="x")).plot()) == [
        "CPU, 1 error (x)"
    ]


def test_many_readings_have_no_markers(other: Agent) -> None:
    """
    The markers would hide the line.
    """
    few = recorded(other, *(item(str(at), at * 10) for at in range(5))).plot()
    many = recorded(other, *(item(str(at), at * 10) for at in range(500))).plot()
    assert [few.get_lines()[0].get_marker(), many.get_lines()[0].get_marker()] == ["o", ""]


def test_keys_select_lines(other: Agent) -> None:
    """
    A key of which no number was recorded is an error that lists the others.
    """
    recorder = recorded(
        other, item("1"), item("2", key="mem", name="Memory"), item("x", key="branch")
    )
    assert legend_of(recorder.plot(["mem"])) == ["Memory"]
    with pytest.raises(ValueError, match="'branch'; those with numbers: 'cpu', 'mem'"):
        recorder.plot(["branch"])
    with pytest.raises(TypeError, match=r"pass \['mem'\]"):
        recorder.plot("mem")


def test_a_plot_is_drawn_on_given_axes(other: Agent) -> None:
    """
    No new figure is created then.
    """
    _, axes = pyplot.subplots()
    assert recorded(other, item("1")).plot(ax=axes) is axes
    assert len(pyplot.get_fignums()) == 1


def test_a_recording_without_numbers_has_a_plot_that_says_so(other: Agent) -> None:
    """
    It is no error.
    """
    axes = recorded(other, item("main")).plot()
    assert [text.get_text() for text in axes.texts] == ["no numbers were recorded"]
    with pytest.raises(ValueError, match="those with numbers: none"):
        recorded(other).plot(["cpu"])


@pytest.mark.parametrize("use_tex", [False, True])
def test_hostile_names_do_no_harm(other: Agent, use_tex: bool) -> None:
    r"""
    No name is read as mathematics or TeX, hides its line from the legend, or makes the picture wide.
    """
    names = [HOSTILE, "_hidden", "$\\frac{$", "x" * 100_000, "\\input{/etc/passwd}", "a\nb"]
    items = [item("1", key=str(at), name=name) for at, name in enumerate(names)]
    with matplotlib.rc_context({"text.usetex": use_tex}):
        axes = recorded(other, *items).plot()
        legend = axes.get_legend()
        assert legend is not None
        assert not any(text.get_usetex() for text in legend.get_texts())
    texts = legend_of(axes)
    assert len(texts) == len(names)
    assert max(map(len, texts)) < 80
    assert not any(character in "".join(texts) for character in "\x1b\u202e\n")
    if not use_tex:
        assert saved(axes).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a$b$", r"a\$b\$"), ("_x", " _x"), ("x" * 50, "x" * 39 + "…"), ("\x1b[2J", r"\x1b[2J")],
)
def test_text_for_a_plot_is_shown_as_it_is(text: str, shown: str) -> None:
    """
    Dollars are escaped, and a leading underscore is no longer one.
    """
    assert plot_text(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Łódź", "Łódź"),
        ("a\U000f0000b", "a□b"),  # of private use: no font has it
        ("a\U000e0100b", "ab"),  # selects a variant
    ],
)
def test_what_no_font_can_draw_is_a_box(text: str, shown: str) -> None:
    """
    It is replaced before it is drawn, so that a figure that is drawn later warns of nothing.
    """
    assert plot_text(text) == shown


def test_names_in_any_script_are_drawn_without_a_warning(other: Agent) -> None:
    """
    Chinese, Hebrew, Arabic, Thai and emoji, whatever fonts are installed.
    """
    names = ["中文", "שלום", "مرحبا", "ไทย", "👩‍👧 ok️"]
    axes = recorded(
        other, *(item("1", key=str(at), name=name) for at, name in enumerate(names))
    ).plot()
    assert saved(axes).startswith(b"\x89PNG")


def test_installed_fonts_of_other_scripts_are_used(
    other: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    They come after those of the user, who may have chosen one of them.
    """
    monkeypatch.setattr(plot_style, "_MORE_FONTS", ("No Such Font", "STIXGeneral", "DejaVu Serif"))
    with matplotlib.rc_context({"font.family": ["DejaVu Serif"]}):
        axes = recorded(other, item("1", name="x")).plot()
    assert axes.xaxis.label.get_fontfamily() == ["DejaVu Serif", "STIXGeneral"]
    [text] = axes.get_legend().get_texts()  # type: ignore[union-attr]
    assert text.get_fontfamily() == ["DejaVu Serif", "STIXGeneral"]


def luminance(colour: Any) -> float:
    """
    Return the relative luminance of *colour*, as WCAG 2 defines it.
    """
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in matplotlib.colors.to_rgb(colour)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(first: Any, second: Any) -> float:
    """
    Return the contrast of two colours, from 1 to 21.
    """
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_a_plot_can_be_read_on_light_and_dark_pages(other: Agent) -> None:
    """
    It is transparent, and a notebook puts no page below it.
    """
    axes = recorded(other, item("1"), item("2", 10)).plot()
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    assert axes.figure.get_facecolor() == (0.0, 0.0, 0.0, 0.0)
    assert axes.get_facecolor() == (0.0, 0.0, 0.0, 0.0)
    legend = axes.get_legend()
    assert legend is not None
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    texts = [axes.xaxis.label, axes.yaxis.label, *labels, *legend.get_texts()]
    colours = {matplotlib.colors.to_hex(text.get_color()) for text in texts}
    for page in ("#ffffff", "#111111"):
        assert all(contrast(colour, page) > 3.5 for colour in colours)
        assert contrast(axes.get_lines()[0].get_color(), page) > 3
    assert not backend_inline._fetch_figure_metadata(axes.figure)  # type: ignore[no-untyped-call]


def test_a_style_of_the_users_own_stays(other: Agent) -> None:
    """
    Neither its colours nor axes of the user's own are changed.
    """
    with pyplot.style.context("dark_background"):
        assert recorded(other, item("1")).plot().figure.get_facecolor() == (0, 0, 0, 1)
    _, axes = pyplot.subplots()
    assert recorded(other, item("1")).plot(ax=axes).get_facecolor() == (1, 1, 1, 1)


def test_a_plot_without_matplotlib_names_the_extra(
    other: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The error names what to install.
    """
    for name in [
        each for each in sys.modules if each.startswith("coder_agents.display.metadata_plot")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"a plot needs matplotlib.*coder-agents\[notebook\]"):
        recorded(other, item("1")).plot()
