"""
The Gantt chart of a time line.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from matplotlib import patches

from coder_agents.display.plot_style import drawing, new_axes
from coder_agents.display.plot_text import plot_text, without_tex
from coder_agents.display.timeline import Timeline, label_of, main_steps
from coder_agents.display.timeline_steps import StepKind, StepStatus, TimelineStep
from coder_agents.render.line import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_STEPS = 40
_WIDTH = 9.0  # inches
_MARGIN, _ROW = 1.3, 0.28  # inches
_MAX_LABEL = 40  # columns
_MIN_SHARE = 0.003  # of the whole time: a shorter step would be invisible

# Colours of the user's own style; those of matplotlib can be seen on light and dark pages.
_COLOURS = {
    StepKind.QUEUE: "C7",
    StepKind.BUILD: "C0",
    StepKind.STAGE: "C9",
    StepKind.RESOURCE: "C4",
    StepKind.CONNECTION: "C1",
    StepKind.SCRIPT: "C2",
}
_BAD = "tab:red"


def plot_timeline(timeline: Timeline, ax: Axes | None) -> Axes:
    """
    Plot *timeline*; see `Timeline.plot`.
    """
    steps = _drawn(timeline)
    with drawing(ax):
        size = _WIDTH, _MARGIN + _ROW * max(1, len(steps))
        return _plot(timeline, steps, new_axes(size) if ax is None else ax)


def _plot(timeline: Timeline, steps: list[TimelineStep], axes: Axes) -> Axes:
    began, ended = timeline.began_at, timeline.ended_at
    whole = timedelta() if began is None or ended is None else ended - began
    if began is not None:
        for row, step in enumerate(steps):
            _draw(axes, timeline, row, step, began, whole)
    axes.set_yticks(range(len(steps)), [plot_text(label_of(s, _MAX_LABEL)) for s in steps])
    axes.set_ylim(len(steps) - 0.4, -0.6)  # from top to bottom
    axes.set_xlim(0, whole.total_seconds() * _room(steps) or 1.0)
    axes.set_xlabel("seconds since the build was requested")
    axes.set_title(_title(timeline, steps), fontsize="medium", loc="left")
    axes.grid(visible=True, axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    without_tex(axes.title, axes.xaxis.label, *axes.get_yticklabels())
    _add_legend(axes, steps)
    return axes


def _room(steps: list[TimelineStep]) -> float:
    """
    Return how much longer than the whole time the axis is: the text after the last bar needs room.
    """
    return 1.2 if all(step.status is StepStatus.OK for step in steps) else 1.4


def _drawn(timeline: Timeline) -> list[TimelineStep]:
    """
    Return the steps whose times are known, in their order; of too many those that matter most.
    """
    known = [
        step
        for step in timeline.steps
        if step.started_at is not None and timeline.end_of(step) is not None
    ]
    return main_steps(timeline, known, _MAX_STEPS)


def _draw(
    axes: Axes,
    timeline: Timeline,
    row: int,
    step: TimelineStep,
    began: datetime,
    whole: timedelta,
) -> None:
    start = ((step.started_at or began) - began).total_seconds()
    length = timeline.length_of(step).total_seconds()
    shown = max(length, whole.total_seconds() * _MIN_SHARE)
    is_running = step.status is StepStatus.RUNNING
    axes.barh(
        row,
        shown,
        left=start,
        height=0.7,
        color=_BAD if step.status.is_bad else _COLOURS[step.kind],
        alpha=0.45 if is_running else 1.0,
        hatch="//" if is_running else None,
    )
    how = "" if step.status is StepStatus.OK else f", {step.status}"
    weight = "bold" if step is timeline.slowest else "normal"
    text = axes.annotate(
        f"{length:.1f} s{how}",
        (start + shown, row),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize="small",
        fontweight=weight,
    )
    without_tex(text)


def _title(timeline: Timeline, steps: list[TimelineStep]) -> str:
    text = timeline.title
    if timeline.slowest is not None:
        text += f"; slowest: {label_of(timeline.slowest, _MAX_LABEL)}"
    hidden = len(timeline.steps) - len(steps)
    return plot_text(text + (f"; {counted(hidden, 'step')} not shown" if hidden else ""), width=110)


def _add_legend(axes: Axes, steps: list[TimelineStep]) -> None:
    kinds = dict.fromkeys(step.kind for step in steps if not step.status.is_bad)
    handles = [patches.Patch(color=_COLOURS[kind], label=str(kind)) for kind in kinds]
    if any(step.status.is_bad for step in steps):
        handles.append(patches.Patch(color=_BAD, label="failed"))
    if len(handles) > 1:
        # Beside the axes it hides no bar.
        legend = axes.legend(
            handles=handles,
            fontsize="small",
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
        without_tex(*legend.get_texts())
