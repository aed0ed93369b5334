"""
The rows of log lines, of agents and of builds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

from coder_agents.export.columns import (
    Kind,
    Owner,
    Table,
    Values,
    category,
    integer,
    moment,
    text,
    transposed,
)
from coder_agents.schema import LogLevel, ProvisionerJobLog, WorkspaceAgentLog
from coder_agents.schema.source_names import names_of_sources
from coder_agents.streams import AgentLog

LOGS = Table(
    "log lines",
    (
        category("agent"),
        integer("id", is_required=True),
        moment("created_at"),
        category("level", list(LogLevel)),
        category("source"),
        text("output"),
        category("source_id"),
    ),
)

BUILD_LOGS = Table(
    "lines of build logs",
    (
        integer("id", is_required=True),
        moment("created_at"),
        category("log_source"),
        category("log_level", list(LogLevel)),
        category("stage"),
        text("output"),
    ),
)


def logs() -> dict[type, Kind]:
    """
    Return the kinds of log lines.
    """
    return {
        WorkspaceAgentLog: Kind(LOGS, _read_logs, _lines_of_logs),
        AgentLog: Kind(LOGS, _read_agent_logs, _lines_of_agent_logs),
        ProvisionerJobLog: Kind(BUILD_LOGS, _read_build_logs, _lines_of_build_logs),
    }


_id, _created_at = attrgetter("id"), attrgetter("created_at")
_level, _output = attrgetter("level._value_"), attrgetter("output")
_source = attrgetter("source_id.int")


def _read_logs(lines: Sequence[Any], owner: Owner) -> Sequence[Values]:
    return [[owner.label] * len(lines), *_without_agent(lines)]


def _without_agent(lines: Sequence[WorkspaceAgentLog]) -> list[Values]:
    # A UUID has a slow hash and a slow text, and a log has few sources.
    sources = list(map(_source, lines))
    texts = {number: str(UUID(int=number)) for number in set(sources)}
    return [
        list(map(_id, lines)),
        list(map(_created_at, lines)),
        list(map(_level, lines)),
        names_of_sources(lines),
        list(map(_output, lines)),
        list(map(texts.__getitem__, sources)),
    ]


def _lines_of_logs(lines: Sequence[WorkspaceAgentLog], owner: Owner) -> list[str]:
    return [line.text(owner.name) for line in lines]


def _read_agent_logs(lines: Sequence[AgentLog[Any]], owner: Owner) -> Sequence[Values]:
    label_of = _labels()
    return [
        [label_of(line.agent) for line in lines],
        *_without_agent([line.log for line in lines]),
    ]


def _lines_of_agent_logs(lines: Sequence[AgentLog[Any]], owner: Owner) -> list[str]:
    label_of = _labels()
    return [line.log.text(label_of(line.agent)) for line in lines]


def _read_build_logs(lines: Sequence[ProvisionerJobLog], owner: Owner) -> Sequence[Values]:
    rows = [
        (
            line.id,
            line.created_at,
            line.log_source.value,
            line.log_level.value,
            line.stage,
            line.output,
        )
        for line in lines
    ]
    return transposed(BUILD_LOGS, rows)


def _lines_of_build_logs(lines: Sequence[ProvisionerJobLog], owner: Owner) -> list[str]:
    return [line.text() for line in lines]


def _labels() -> Callable[[Any], str]:
    """
    Return a function from agents to their labels, each of which is built once.
    """
    labels: dict[int, str] = {}

    def label_of(agent: Any) -> str:
        label = labels.get(id(agent))
        if label is None:
            label = labels[id(agent)] = agent.label
        return label

    return label_of
