"""
The plot of recorded metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
from matplotlib import dates

from coder_agents.display.plot_style import drawing, new_axes
from coder_agents.display.plot_text import plot_text, without_tex
from coder_agents.display.readings import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = 8.0, 3.6  # inches
_MAX_MARKED = 120  # readings of a line; more markers would hide it
_BOTTOM = 0.02  # of the height of the axes
_MIN_SPAN = 2 / 86_400  # days
# Of the lines after those that have each colour once.
_STYLES: tuple[Literal["--", ":", "-."], ...] = ("--", ":", "-.")
_MAX_ROW = 80  # characters of the labels in one row
_MAX_ABOVE = 3  # lines of a legend above the axes; a longer legend is beside them


def plot_series(
    series: Sequence[Series],
    keys: Iterable[str] | None,
    ax: Axes | None,
    *,
    began: datetime | None,
) -> Axes:
    """
    Plot the numbers of *series*, whose recording *began* then; see `MetadataRecorder.plot`.
    """
    drawn = _chosen(series, keys)
    with drawing(ax):
        if ax is not None:
            return _plot(drawn, ax)
        axes = _plot(drawn, new_axes(_SIZE))
        _begin(axes, drawn, began)
        return axes


def _begin(axes: Axes, drawn: Sequence[Series], began: datetime | None) -> None:
    """
    Begin the time axis with the recording where readings were collected earlier, and let it have two
    seconds where all readings are from one moment: matplotlib would show years, or microseconds.
    """
    times = [reading.collected_at for each in drawn for reading in each.readings]
    if not times:
        return
    is_earlier = began is not None and min(times) < began < max(times)
    first: Any = began if is_earlier else min(times)
    left, right = dates.date2num([first, max(times)])  # type: ignore[no-untyped-call]
    missing = _MIN_SPAN - (right - left)
    if missing > 0:
        axes.set_xlim(left - missing / 2, right + missing / 2)
    elif is_earlier:
        axes.set_xlim(left=left)


def _plot(drawn: Sequence[Series], axes: Axes) -> Axes:
    colours = len(matplotlib.rcParams["axes.prop_cycle"])
    lines = [_draw(axes, each, at // colours) for at, each in enumerate(drawn)]
    locator = dates.AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = dates.ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlabel("time (UTC)", loc="left")  # the date is at the right
    axes.grid(visible=True, alpha=0.3)
    units = {each.unit or "" for each in drawn}
    if len(units) == 1:
        axes.set_ylabel(plot_text(units.pop()))
    if lines:
        labels = [_label(each) for each in drawn]
        legend = _legend(axes, lines, labels)
        without_tex(*legend.get_texts())
    else:
        _say(axes, "no numbers were recorded")
    return axes


def _chosen(series: Sequence[Series], keys: Iterable[str] | None) -> list[Series]:
    numeric = [each for each in series if each.unit is not None]
    if keys is None:
        return numeric
    if isinstance(keys, str):
        raise TypeError(f"keys must be several keys, not one text: pass [{keys!r}]")
    wanted = list(keys)
    known = {each.readings[0].key for each in numeric}
    for key in wanted:
        if key not in known:
            listed = ", ".join(map(repr, sorted(known))) or "none"
            raise ValueError(
                f"no number was recorded for the key {key!r}; those with numbers: {listed}"
            )
    return [each for each in numeric if each.readings[0].key in wanted]


def _draw(axes: Axes, series: Series, turn: int) -> Any:
    """
    Draw the line of *series*, whose colours have had so many turns before.
    """
    times, values = series.points()
    marker = "o" if len(times) <= _MAX_MARKED else ""
    [line] = axes.plot(times, values, marker=marker, markersize=3, linewidth=1.5)  # type: ignore[arg-type]
    if turn:
        line.set_linestyle(_STYLES[(turn - 1) % len(_STYLES)])
    if series.errors:
        axes.plot(
            series.errors,  # type: ignore[arg-type]
            [_BOTTOM] * len(series.errors),
            transform=axes.get_xaxis_transform(),
            color=line.get_color(),
            marker="x",
            linestyle="none",
        )
    return line


def _label(series: Series) -> str:
    unit = f" ({series.unit})" if series.unit else ""
    count = len(series.errors)
    errors = f", {count} error{'s' * (count > 1)} (x)" if count else ""
    return plot_text(f"{series.label}{unit}{errors}", width=70)


def _legend(axes: Axes, lines: Sequence[Any], labels: Sequence[str]) -> Any:
    # Outside of the axes it hides no line.
    if len(lines) <= _MAX_ABOVE:
        place: dict[str, Any] = {
            "loc": "lower left",
            "bbox_to_anchor": (0.0, 1.0),
            "ncols": len(lines) if sum(map(len, labels)) <= _MAX_ROW else 1,
        }
    else:
        place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    return axes.legend(lines, labels, fontsize="small", frameon=False, **place)


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center")
