"""
The plot of the documentation: what one log or one item costs, by whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from contest.rounds import Result
from contest.rows import FAST, GO, GO_JSON, GO_SSE, INSTALLED, Contest

# Greys and hues that can be read on white and on the dark theme's near black.
_INK = "#828790"
_PEER = "#8f97a3"
_COLOURS = {
    INSTALLED: "#2f86d6",
    FAST: "#1aa179",
    GO: "#d9822b",
    GO_SSE: "#d9822b",
    GO_JSON: "#d9822b",
}
_BAR = 0.32  # inches


def drawn(contests: Sequence[Contest], results: Mapping[str, Sequence[Result]], path: Path) -> None:
    """
    Draw the *results* of those *contests* that are plotted, as an SVG in *path*.
    """
    matplotlib = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update(_SETTINGS)
    shown = {
        contest.key: [one for one in results[contest.key] if not one.absent]
        for contest in contests
        if contest.plotted
    }
    heights = [len(bars) + 1.2 for bars in shown.values()]
    figure, panels = import_module("matplotlib.pyplot").subplots(
        len(shown),
        1,
        figsize=(8.6, _BAR * sum(heights) + 0.9),
        height_ratios=heights,
        sharex=True,
        layout="constrained",
        squeeze=False,
    )
    titles = {contest.key: f"{contest.title}; {contest.unit}" for contest in contests}
    for panel, (key, bars) in zip(panels[:, 0], shown.items(), strict=True):
        _panel(panel, titles[key], bars)
    panels[-1, 0].set_xlabel("microseconds of CPU time, logarithmic; shorter is better")
    figure.savefig(path, transparent=True, metadata={"Date": None})


# The same figures give the same file.
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.facecolor": "none",
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def _panel(panel: Any, title: str, bars: Sequence[Result]) -> None:
    costs = [one.cpu * 1e6 for one in bars]
    labels = [one.contestant.label for one in bars]
    drawn_bars = panel.barh(
        range(len(bars)), costs, color=[_colour(label) for label in labels], height=0.72
    )
    panel.bar_label(drawn_bars, [f"{cost:.3g}" for cost in costs], padding=3)
    panel.set_yticks(range(len(bars)), labels)
    panel.invert_yaxis()
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.margins(x=0.1)
    panel.set_title(title, loc="left", fontsize=10)
    panel.tick_params(axis="y", length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)


def _colour(label: str) -> str:
    return _COLOURS.get(label.partition(", batches")[0], _COLOURS.get(label, _PEER))
