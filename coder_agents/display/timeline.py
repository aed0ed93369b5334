"""
The time line of a workspace's start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from coder_agents.display.cells import short
from coder_agents.display.extras import from_extra
from coder_agents.display.live import bullet_heading
from coder_agents.display.timeline_steps import StepKind, StepStatus, TimelineStep
from coder_agents.render import render_table
from coder_agents.render.html import Markup, dot, render_html_table
from coder_agents.render.line import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("Step", "Status", "Begins after", "Took", "")
_BAR = 24  # columns of a bar over the whole time
_MAX_NAME = 40  # columns
_MAX_ROWS = 60
_WHOLES = (StepKind.BUILD,)
_TONES = {StepStatus.OK: "good", StepStatus.RUNNING: "busy", StepStatus.PENDING: "busy"}


def status_text(step: TimelineStep) -> str:
    """
    Return the status of *step*, with the exit code of a script that failed.
    """
    return f"{step.status} (exit code {step.exit_code})" if step.exit_code else str(step.status)


def status_cell(step: TimelineStep) -> Markup:
    """
    Return the status of *step* after a dot in the colour of its meaning.
    """
    tone = "bad" if step.status.is_bad else _TONES.get(step.status, "idle")
    return dot(status_text(step), tone)


@attrs.frozen(kw_only=True, repr=False)
class Timeline:
    """
    The steps of a build of a workspace, and of the start of its agents.

    ``str(timeline)`` is a table for a terminal; a notebook shows a table of HTML. Times of scripts are
    by the agent's clock, the others by the deployment's.

    Attributes:
        workspace: the name of the workspace, safe to show.
        build_number: the number of the build.
        transition: start, stop or delete.
        state_now: the state of the workspace, such as ``stopped``, safe to show, where a newer build
            has begun; empty where this build is the newest one.
        steps: the steps, those of the build first.
        read_at: when the steps were read, by the clock of this machine: a step that is running is shown
            until then.
    """

    workspace: str
    build_number: int
    transition: str
    steps: tuple[TimelineStep, ...]
    read_at: datetime
    state_now: str = ""

    @property
    def began_at(self) -> datetime | None:
        """
        When the first step began; None where no time is known.
        """
        return min((step.started_at for step in self.steps if step.started_at), default=None)

    @property
    def ended_at(self) -> datetime | None:
        """
        When the last step ended, or *read_at* where a step is running; None where no time is known.
        """
        known = [end for step in self.steps if (end := self.end_of(step)) is not None]
        return max(known, default=None)

    @property
    def slowest(self) -> TimelineStep | None:
        """
        The step that took the longest, or is running for the longest time; None where no time is known.

        The build as a whole counts only where none of its stages and resources is known.
        """
        parts = [step for step in self.steps if step.kind not in _WHOLES]
        has_parts = any(s.kind in (StepKind.STAGE, StepKind.RESOURCE) for s in parts)
        timed = [
            (self.length_of(step), -at, step)
            for at, step in enumerate(parts if has_parts else self.steps)
            if step.started_at is not None and self.end_of(step) is not None
        ]
        return max(timed)[-1] if timed else None

    def end_of(self, step: TimelineStep) -> datetime | None:
        """
        Return when *step* ended, for a running one *read_at*; None where that is not known.
        """
        if step.status is StepStatus.RUNNING and step.started_at is not None:
            return max(self.read_at, step.started_at)
        return step.ended_at

    def length_of(self, step: TimelineStep) -> timedelta:
        """
        Return how long *step* took, or is running so far; zero where that is not known.
        """
        end = self.end_of(step)
        if step.started_at is None or end is None:
            return timedelta()
        return end - step.started_at

    def __repr__(self) -> str:
        return f"<Timeline of {self.workspace}, build {self.build_number}, {counted(len(self.steps), 'step')}>"

    def __str__(self) -> str:
        return "\n".join([self._heading(), *render_table(_COLUMNS, self._rows())])

    def _repr_html_(self) -> str:
        rows = ([*row[:-1], _drawn_bar(str(row[-1]))] for row in self._rows(status_cell))
        return render_html_table(_COLUMNS, rows, caption=self._heading())

    @property
    def title(self) -> str:
        """
        The name of the workspace, the build, and the state of the workspace where it has changed since.
        """
        now = f", now {self.state_now}" if self.state_now else ""
        return f"{self.workspace}, build {self.build_number} ({self.transition}){now}"

    def _heading(self) -> str:
        parts = [self.title]
        slowest, began, ended = self.slowest, self.began_at, self.ended_at
        if slowest is not None and began is not None and ended is not None:
            took = self.length_of(slowest)
            whole = (ended - began).total_seconds()
            share = f", {took.total_seconds() / whole:.0%}" if whole else ""
            parts.append(f"{_seconds(ended - began)} in all")
            parts.append(f"slowest: {label_of(slowest, _MAX_NAME)} ({_seconds(took)}{share})")
        parts += self._bad_steps()
        return bullet_heading(parts)

    def _bad_steps(self) -> Iterable[str]:
        bad = [step for step in self.steps if step.status.is_bad and step.kind not in _WHOLES]
        for step in bad or [step for step in self.steps if step.status.is_bad]:
            yield f"{step.status}: {label_of(step, _MAX_NAME)}"

    def _rows(
        self, shown_status: Callable[[TimelineStep], object] = status_text
    ) -> list[tuple[object, ...]]:
        began = self.began_at
        rows = [self._row(step, shown_status(step), began) for step in self.steps[:_MAX_ROWS]]
        if len(self.steps) > _MAX_ROWS:
            rows.append((f"… {counted(len(self.steps) - _MAX_ROWS, 'more step')}", *[None] * 3, ""))
        return rows

    def _row(
        self, step: TimelineStep, status: object, began: datetime | None
    ) -> tuple[object, ...]:
        started, is_timed = step.started_at, self.end_of(step) is not None
        return (
            label_of(step, _MAX_NAME),
            status,
            None if started is None or began is None else _seconds(started - began),
            _seconds(self.length_of(step)) if is_timed and started is not None else None,
            self._bar(step),
        )

    def _bar(self, step: TimelineStep) -> str:
        began, ended, end = self.began_at, self.ended_at, self.end_of(step)
        if began is None or ended is None or step.started_at is None or end is None:
            return ""
        whole = (ended - began) or timedelta(seconds=1)
        first = round((step.started_at - began) / whole * _BAR)
        last = round((end - began) / whole * _BAR)
        sign = "░" if step.status is StepStatus.RUNNING else "█"
        return " " * first + (sign * (last - first) or "▏")

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """
        Plot the steps as a Gantt chart, and return the axes of matplotlib.

        The longest forty steps are shown. *ax* are the axes to draw on; None creates new ones.

        Raises *ImportError* where matplotlib is not installed.
        """
        with from_extra("a plot"):
            from coder_agents.display.timeline_plot import plot_timeline

        return plot_timeline(self, ax)


def label_of(step: TimelineStep, width: int) -> str:
    """
    Return the name of *step* after the name of its agent, in at most *width* columns.
    """
    return short(f"{step.agent}: {step.name}" if step.agent else step.name, width)


def _drawn_bar(bar: str) -> Markup:
    """
    Return *bar* as HTML that keeps its width in a narrow table.
    """
    length = len(bar.lstrip())
    if not length:
        return Markup("")
    before, width = (f"{count / _BAR:.1%}" for count in (len(bar) - length, length))
    opacity = ".35" if "░" in bar else ".75"
    style = f"margin-left:{before};width:{'1px' if '▏' in bar else width};height:.8em"
    colour = f"background:currentColor;opacity:{opacity}"
    return Markup(f'<div style="width:8em"><div style="{style};{colour}"></div></div>')


def _seconds(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    if abs(seconds) < 100:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left:02} s"
