"""
Timelines: recorded starts of agents, and playing them again.
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

# Where no poll has a time, every line is earlier than this one and comes with the first poll.
LATEST = datetime.max.replace(tzinfo=UTC)


@attrs.frozen
class Lines:
    """
    Lines of one source that were stored together; without *created_at* the current time counts.
    """

    created_at: datetime | None
    source_id: UUID
    lines: tuple[tuple[LogLevel, str], ...]


@attrs.frozen
class Report:
    """
    A recorded report of an agent: its decoded JSON, and the agent that the JSON describes.
    """

    document: Document
    agent: WorkspaceAgent


@attrs.frozen
class Moment:
    """
    A change *t* seconds after the beginning.
    """

    t: float
    change: Report | Lines


def read_timeline(timeline: Mapping[str, Any], own: WorkspaceAgent) -> list[Moment]:
    """
    Return the changes in *timeline*, in order, as changes of the agent *own*.

    *timeline* has the form of `EmbeddedAgent.replay`. The first change is a report of the agent.

    Raises:
        ValueError: the timeline has no polls, or the polls are not in the order of their times.
        DecodeError: a poll is not an agent, or a line is not a log line.
    """
    polls = [Moment(poll["t"], report_of(adapt(poll["body"], own))) for poll in timeline["polls"]]
    times = [poll.t for poll in polls]
    if not times or times != sorted(times):
        raise ValueError("a timeline needs polls, in the order of their times")
    logs = from_json(json.dumps(timeline.get("logs", [])), list[WorkspaceAgentLog])
    began = _beginning(polls)
    batches = [Moment(max(times[0], _seconds(began, each)), each) for each in _batches(logs)]
    # At the same time lines come first, so that a client that sees the agent ready gets all lines.
    return polls[:1] + sorted([*batches, *polls[1:]], key=lambda moment: moment.t)


def adapt(body: str | Document, own: WorkspaceAgent) -> dict[str, Any]:
    """
    Return the report of another agent with the ids and the name of *own*.
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


def report_of(document: Document) -> Report:
    """
    Return the report in *document*.
    """
    return Report(document, from_json(json.dumps(document), WorkspaceAgent))


def play(
    moments: Iterable[Moment],
    apply: Callable[[Report | Lines], None],
    *,
    pause: Callable[[float], bool],
    speed: float,
) -> None:
    """
    Apply the changes of *moments*, each at its time.

    Arguments:
        moments: in order.
        apply: makes a change.
        pause: waits for the given seconds, and returns whether to continue.
        speed: how many times faster than recorded.
    """
    began = time.monotonic()
    for moment in moments:
        if not pause(max(0.0, began + moment.t / speed - time.monotonic())):
            return
        apply(moment.change)


def _beginning(polls: list[Moment]) -> datetime:
    """
    Return the time 0 of the timeline by the recorded deployment's clock.

    It is not earlier than any poll implies: no poll reports a time after the poll itself.
    """
    known = [
        poll.change.agent.updated_at - timedelta(seconds=poll.t)
        for poll in polls
        if isinstance(poll.change, Report) and poll.change.agent.updated_at is not None
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
