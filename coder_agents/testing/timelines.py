"""
Timelines: how an agent started somewhere else, to be played again.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

from coder_agents.schema import LogLevel, WorkspaceAgent, WorkspaceAgentLog, from_json

Document = Mapping[str, Any]

# Where no poll tells a time every line is earlier than this, and so comes with the first poll.
LATEST = datetime.max.replace(tzinfo=UTC)


@attrs.frozen
class Lines:
    """
    Lines of one source that were stored together; now where nobody knows when.
    """

    created_at: datetime | None
    source_id: UUID
    lines: tuple[tuple[LogLevel, str], ...]


@attrs.frozen
class Telling:
    """
    What is told of an agent: as JSON, decoded, and what that means.
    """

    document: Document
    agent: WorkspaceAgent


@attrs.frozen
class Moment:
    """
    What changes at a time, *t* seconds from the beginning.
    """

    t: float
    change: Telling | Lines


def read_timeline(timeline: Mapping[str, Any], own: WorkspaceAgent) -> list[Moment]:
    """
    What happens in *timeline*, in order, as if it had happened to *own*.

    The form is that of `EmbeddedAgent.replay`. The first is a moment that tells of the agent.

    Raises:
        ValueError: there is no poll, or they are not in the order of their times.
        DecodeError: what should be an agent or a line of log is none.
    """
    polls = [Moment(poll["t"], tell(adapt(poll["body"], own))) for poll in timeline["polls"]]
    times = [poll.t for poll in polls]
    if not times or times != sorted(times):
        raise ValueError("a timeline needs polls, in the order of their times")
    logs = from_json(json.dumps(timeline.get("logs", [])), list[WorkspaceAgentLog])
    began = _beginning(polls)
    batches = [Moment(max(times[0], _seconds(began, each)), each) for each in _batches(logs)]
    # Where both come at once the lines are first: who finds the agent ready finds them all.
    return polls[:1] + sorted([*batches, *polls[1:]], key=lambda moment: moment.t)


def adapt(body: str | Document, own: WorkspaceAgent) -> dict[str, Any]:
    """
    What is told of another agent, as told of *own*: with its ids and its name.
    """
    document: Document = json.loads(body) if isinstance(body, str) else body
    sources = document.get("log_sources") or ()
    return {
        **document,
        "id": str(own.id),
        "parent_id": None if own.parent_id is None else str(own.parent_id),
        "name": own.name,
        "resource_id": str(own.resource_id),
        "log_sources": [{**each, "workspace_agent_id": str(own.id)} for each in sources],
    }


def tell(document: Document) -> Telling:
    """
    What *document* tells.
    """
    return Telling(document, from_json(json.dumps(document), WorkspaceAgent))


def play(
    moments: Iterable[Moment],
    apply: Callable[[Telling | Lines], None],
    *,
    pause: Callable[[float], bool],
    speed: float,
) -> None:
    """
    Apply the changes of *moments*, each at its time.

    Arguments:
        moments: in order.
        apply: makes a change.
        pause: waits so many seconds, and says whether to go on.
        speed: how many times faster than it was.
    """
    began = time.monotonic()
    for moment in moments:
        if not pause(max(0.0, began + moment.t / speed - time.monotonic())):
            return
        apply(moment.change)


def _beginning(polls: list[Moment]) -> datetime:
    """
    When the time 0 was by the deployment's clock.

    Not before what any poll tells: none can tell of what has not happened yet.
    """
    known = [
        poll.change.agent.updated_at - timedelta(seconds=poll.t)
        for poll in polls
        if isinstance(poll.change, Telling) and poll.change.agent.updated_at is not None
    ]
    return max(known, default=LATEST)


def _seconds(began: datetime, lines: Lines) -> float:
    return 0.0 if lines.created_at is None else (lines.created_at - began).total_seconds()


def _batches(logs: list[WorkspaceAgentLog]) -> list[Lines]:
    groups = itertools.groupby(logs, key=lambda log: (log.created_at, log.source_id))
    return [
        Lines(created_at, source_id, tuple((log.level, log.output) for log in group))
        for (created_at, source_id), group in groups
    ]
