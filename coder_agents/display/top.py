"""
The live table of several agents.
"""

from __future__ import annotations

import collections
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

import attrs

from coder_agents.agent import Agent
from coder_agents.batch import distinct, several
from coder_agents.display.agent_states import AgentStates, States, states_of, states_of_own
from coder_agents.display.cells import error_text, name_of, problem_of, short, value_of
from coder_agents.display.live import LiveView, bullet_heading, checked_canvas
from coder_agents.display.watch import Items, MetadataWatch
from coder_agents.display.watch_feed import WatchFeed
from coder_agents.render import render_table
from coder_agents.render.html import render_html_table
from coder_agents.render.line import counted
from coder_agents.representation.cells import status
from coder_agents.schema import WorkspaceAgentMetadata
from coder_agents.streams import ByAgent

if TYPE_CHECKING:
    from coder_agents.client import Client

_MAX_ITEMS = 6  # columns of metadata
_MAX_LABEL = 40  # columns
_MAX_VALUE = 24


@attrs.define(eq=False)
class _Row:
    """
    One agent of the table.

    Attributes:
        state_failure: why its state cannot be read; None while it can.
        metadata_failure: why its metadata is not read any more; None while it is.
    """

    agent: Agent
    items: Items = attrs.field(factory=list)
    state_failure: Exception | None = None
    metadata_failure: Exception | None = None

    @property
    def failure(self) -> Exception | None:
        """
        Why something of the agent cannot be read; None while all can.
        """
        return self.state_failure or self.metadata_failure


class TopContent:
    """
    The table of all agents, with the most frequent items of their metadata.
    """

    def __init__(self) -> None:
        self.status = "live"
        self._rows: dict[uuid.UUID, _Row] = {}
        self._shown: dict[uuid.UUID, tuple[object, ...]] = {}
        self._lock = threading.Lock()

    def rows(self) -> list[_Row]:
        """
        Return the rows in the order of the agents' names.
        """
        with self._lock:
            return sorted(self._rows.values(), key=lambda row: row.agent.label)

    def set_states(self, states: States) -> tuple[list[Agent], list[Agent]]:
        """
        Show the agents of *states*; return those that are new, and those that are gone.
        """
        failed = {agent.id: error for agent, error in states.failures}
        with self._lock:
            before, self._rows = self._rows, {}
            for agent in states.agents:
                row = before.get(agent.id) or _Row(agent)
                row.agent, row.state_failure = agent, failed.get(agent.id)
                self._rows[agent.id] = row
            self.status = "live"
            new = [agent for agent in states.agents if agent.id not in before]
            gone = [row.agent for row in before.values() if row.agent.id not in self._rows]
        return new, gone

    def set_items(self, agent: Agent, items: Items) -> None:
        """
        Show *items* as the metadata of *agent*.
        """
        row = self._rows.get(agent.id)
        if row is not None:
            row.items = items

    def set_failure(self, agent: Agent, error: Exception) -> None:
        """
        Show that the metadata of *agent* cannot be read any more because of *error*.
        """
        row = self._rows.get(agent.id)
        if row is not None:
            row.metadata_failure = error

    def lines(self) -> Sequence[str]:
        """
        Return the heading and the table.
        """
        rows = self.rows()
        names = _frequent_names(rows)
        return [
            self._heading(rows),
            *render_table(_columns(names), _cells(rows, names, _first_cells)),
        ]

    def html(self) -> str:
        """
        Return the table, with the heading as its caption.
        """
        rows = self.rows()
        names = _frequent_names(rows)
        caption = self._heading(rows)
        cells = _cells(rows, names, _first_html_cells)
        return render_html_table(_columns(names), cells, caption=caption)

    def changes(self) -> Sequence[str]:
        """
        Return a line for each agent that has changed.
        """
        changed = []
        for row in self.rows():
            values = (f"{name_of(item)}: {value_of(item, _MAX_VALUE)}" for item in row.items)
            found = (*_first_cells(row), *values, _problem(row))
            if self._shown.get(row.agent.id) != found:
                self._shown[row.agent.id] = found
                changed.append("  ".join(str(part) for part in found if part))
        return changed

    def _heading(self, rows: Sequence[_Row]) -> str:
        connected = sum(row.agent.status == "connected" for row in rows)
        count = f"{counted(len(rows), 'agent')}, {connected} connected"
        return bullet_heading([count, self.status])


def _columns(names: Sequence[str]) -> list[str]:
    return ["Agent", "Status", "Lifecycle", *names, "Problem"]


def _frequent_names(rows: Iterable[_Row]) -> list[str]:
    counts = collections.Counter(name_of(item) for row in rows for item in row.items)
    return [name for name, _ in counts.most_common(_MAX_ITEMS)]


def _first_cells(row: _Row) -> tuple[str, str, str]:
    agent = row.agent
    return (
        short(agent.label, _MAX_LABEL),
        short(agent.status, _MAX_VALUE),
        short(agent.lifecycle_state, _MAX_VALUE),
    )


def _first_html_cells(row: _Row) -> tuple[object, ...]:
    label, *states = _first_cells(row)
    return label, *map(status, states)


def _cells(
    rows: Iterable[_Row],
    names: Sequence[str],
    first_cells: Callable[[_Row], tuple[object, ...]],
) -> Iterable[tuple[object, ...]]:
    for row in rows:
        found = {name_of(item): _value(item) for item in row.items}
        yield (*first_cells(row), *(found.get(name) for name in names), _problem(row))


def _value(item: WorkspaceAgentMetadata) -> str:
    problem = problem_of(item, _MAX_VALUE)
    value = value_of(item, _MAX_VALUE)
    return f"{value} ({problem})" if value and problem == "stale" else value or problem


def _problem(row: _Row) -> str:
    return "" if row.failure is None else error_text(row.failure)


class TopView(LiveView):
    """
    The live table of several agents, which `Client.top` returns.
    """

    # Metadata comes at most once a second.
    interval = 1.0

    _content: TopContent

    @property
    def agents(self) -> list[Agent]:
        """
        The agents of the table.
        """
        return [row.agent for row in self._content.rows()]

    @property
    def failures(self) -> ByAgent[Agent, Exception]:
        """
        The errors of the agents that could not be read, by agent.
        """
        rows = self._content.rows()
        return ByAgent((row.agent, row.failure) for row in rows if row.failure is not None)


class _TopFeed(WatchFeed):
    """
    The changes of the metadata and of the states of the agents.

    Args:
        read_first: returns the agents to begin with.
        states: reads them again.
    """

    def __init__(
        self, content: TopContent, read_first: Callable[[], Sequence[Agent]], states: AgentStates
    ) -> None:
        super().__init__()
        self._content = content
        self._read_first = read_first
        self._states = states
        self._watch = MetadataWatch(on_items=self._take_items, on_failure=self._take_failure)

    def open(self) -> None:
        """
        Read the agents, and begin to watch them.
        """
        self._take_states(States(self._read_first()))
        self._states.start(self._take_states, self._take_trouble)

    def close(self) -> None:
        """
        End all threads.
        """
        self._states.close()
        self._watch.close()

    def _take_items(self, agent: Agent, items: Items) -> None:
        self._content.set_items(agent, items)
        self.note()

    def _take_failure(self, agent: Agent, error: Exception) -> None:
        self._content.set_failure(agent, error)
        self.note()

    def _take_states(self, states: States) -> None:
        new, gone = self._content.set_states(states)
        for agent in gone:
            self._watch.drop(agent)
        for agent in new:
            self._watch.add(agent)
        self.note()

    def _take_trouble(self, error: Exception) -> None:
        self._content.status = f"the agents cannot be read now: {error_text(error)}"
        self.note()


def top(
    client: Client,
    agents: Iterable[Agent] | None,
    *,
    seconds: float | None,
    file: TextIO | None,
) -> TopView:
    """
    Show *agents* until the view ends; see `Client.top`.
    """
    canvas, content = checked_canvas(seconds, file), TopContent()
    if agents is None:
        feed = _TopFeed(content, lambda: list(client.agents()), states_of_own(client))
    else:
        given = distinct(several(agents))
        feed = _TopFeed(content, lambda: given, states_of(given))
    return TopView(content)._run(feed, canvas, seconds)
