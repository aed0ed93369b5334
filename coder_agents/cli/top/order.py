"""
The order of the agents in the table, and which of them a filter shows.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

from coder_agents.cli.top.board import GONE, AgentState
from coder_agents.resolve import full_name

_DIGITS = re.compile(r"(\d{1,18})")

# Most urgent first. States of newer deployments come after the known failures.
_BY_URGENCY = (
    (
        "start_error",
        "shutdown_error",
        "timeout",
        "disconnected",
        "start_timeout",
        "shutdown_timeout",
    ),
    (),
    ("connecting", "created", "starting", "shutting_down"),
    ("ready",),
    ("off", GONE),
)
_URGENCY = {word: place for place, words in enumerate(_BY_URGENCY) for word in words}
_UNKNOWN = 1


class SortColumn(enum.Enum):
    """
    A column of the table, which is also an order; the value is its title.
    """

    AGENT = "Agent"
    STATE = "State"
    METADATA = "Metadata"
    LOG = "Last log line"
    PORTS = "Ports"

    @property
    def next(self) -> SortColumn:
        """
        The column after this one; after the last one the first.
        """
        columns = list(SortColumn)
        return columns[(columns.index(self) + 1) % len(columns)]


def ordered(
    states: Iterable[AgentState], column: SortColumn, *, reverse: bool = False
) -> list[AgentState]:
    """
    Return *states* in the order of *column*; equal ones in the order of their names.

    The order by metadata is that of the first number, the highest share of its whole first; by the
    log, the newest line first; by ports, the most ports first; by state, failures first. Agents
    without such a value come last, in both directions.
    """
    by_name = sorted(states, key=_name)
    if column is SortColumn.AGENT:
        return by_name[::-1] if reverse else by_name
    keyed = [(_VALUES[column](state), state) for state in by_name]
    present = [(value, state) for value, state in keyed if value is not None]
    present.sort(key=lambda each: each[0], reverse=reverse)
    return [state for _, state in present] + [state for value, state in keyed if value is None]


def full_label(state: AgentState) -> str:
    """
    Return ``owner/workspace.agent``, unescaped; only the agent's name where the workspace is not
    known.
    """
    workspace = state.agent.workspace
    within = "" if workspace is None else f"{full_name(workspace)}."
    return f"{within}{state.agent.name}"


def matches(state: AgentState, text: str) -> bool:
    """
    Whether each word of *text* is in the agent's full name or its state, in any case of letters.
    """
    searched = f"{full_label(state)} {state.word}".casefold()
    return all(word in searched for word in text.casefold().split())


def _name(state: AgentState) -> tuple[list[tuple[int, str]], str]:
    # dev-2 before dev-10.
    parts = _DIGITS.split(state.agent.label.casefold())
    natural = [(int(part), "") if at % 2 else (0, part) for at, part in enumerate(parts)]
    return natural, str(state.agent.id)


def _urgency(state: AgentState) -> float:
    return _URGENCY.get(state.word, _UNKNOWN)


def _first_number(state: AgentState) -> float | None:
    for item in state.metadata:
        if (number := item.number) is not None:
            return -(number.value if number.ratio is None else number.ratio)
    return None


def _log_age(state: AgentState) -> float | None:
    return None if state.log is None else -state.log.id


def _ports(state: AgentState) -> float | None:
    return None if state.ports is None else -len(state.ports)


_VALUES = {
    SortColumn.STATE: _urgency,
    SortColumn.METADATA: _first_number,
    SortColumn.LOG: _log_age,
    SortColumn.PORTS: _ports,
}
