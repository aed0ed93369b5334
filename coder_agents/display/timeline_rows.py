"""
The rows of time lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coder_agents.display.timeline import Timeline
from coder_agents.export.columns import (
    Chunk,
    Owner,
    Table,
    category,
    integer,
    moment,
    number,
    several_rows,
    text,
)

_STEPS = Table(
    "steps of time lines",
    (
        category("workspace"),
        integer("build_number", is_required=True),
        category("kind"),
        category("agent"),
        text("name"),
        category("status"),
        integer("exit_code"),
        moment("started_at"),
        moment("ended_at"),
        number("duration"),
    ),
)


def rows_of_timeline(timeline: Timeline) -> Chunk:
    """
    Return the rows of *timeline*, one for each step.
    """
    return Chunk(_KIND, [timeline])


def _steps(timeline: Timeline, owner: Owner) -> Iterator[tuple[Any, ...]]:
    for step in timeline.steps:
        duration = step.duration
        yield (
            timeline.workspace,
            timeline.build_number,
            str(step.kind),
            step.agent or None,
            step.name,
            str(step.status),
            step.exit_code,
            step.started_at,
            step.ended_at,
            None if duration is None else duration.total_seconds(),
        )


_KIND = several_rows(_STEPS, _steps)
