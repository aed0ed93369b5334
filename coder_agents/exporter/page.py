"""
The samples of one scrape.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from coder_agents.agent import Agent
from coder_agents.exporter import metrics
from coder_agents.exporter.labels import label_value, labels_of
from coder_agents.exporter.log_groups import StreamHealth
from coder_agents.exporter.metrics import Definition
from coder_agents.exporter.observed import OTHER, AgentFacts, Item, Snapshot
from coder_agents.schema import WorkspaceAgentLifecycle, WorkspaceAgentStatus
from coder_agents.schema.open_enumeration import OpenEnumeration

LIMIT = "limit"
DUPLICATE = "duplicate"
"""
Why series are dropped.
"""

_STATUSES = tuple(WorkspaceAgentStatus)
_LIFECYCLES = tuple(WorkspaceAgentLifecycle)
_STATE_SERIES = len(_STATUSES) + len(_LIFECYCLES) + 2 + 2  # each with OTHER; info and failing items


class Page:
    """
    The metrics of one scrape.

    Args:
        definitions: the metrics to write.
        max_series: how many series the agents may have, all together.
        is_wanted: whether the metadata of a key is exported.
        clock: the time by `time.monotonic`.
    """

    def __init__(
        self,
        definitions: Iterable[Definition],
        *,
        max_series: int,
        is_wanted: Callable[[str], bool],
        clock: float,
    ) -> None:
        self._families: dict[Definition, Any] = {each: each.family() for each in definitions}
        self._remaining = max_series
        self._is_wanted = is_wanted
        self._clock = clock
        self._met: set[tuple[str, ...]] = set()
        self._dropped = collections.Counter({LIMIT: 0, DUPLICATE: 0})

    @property
    def families(self) -> list[Any]:
        """
        The metrics, with their samples.
        """
        return list(self._families.values())

    def _add(self, definition: Definition, labels: Sequence[str], value: Any) -> None:
        self._families[definition].add_metric(labels, value)

    def _fits(self, series: int, labels: tuple[str, ...], *, depending: int = 0) -> bool:
        """
        Whether the page has room for so many series of these *labels*, and no series of them yet.

        Where it has not, the series count as dropped, and so do those *depending* on them.
        """
        is_duplicate = labels in self._met
        if is_duplicate or series > self._remaining:
            self._dropped[DUPLICATE if is_duplicate else LIMIT] += series + depending
            return False
        self._met.add(labels)
        self._remaining -= series
        return True

    def add(self, snapshot: Snapshot, health: StreamHealth) -> None:
        """
        Add everything that *snapshot* and *health* have.

        Where there is not room for all series, the agents that were listed first have theirs, and
        states come before metadata.
        """
        self._add_deployment(snapshot)
        labelled = [(labels_of(facts.agent), facts) for facts in snapshot.agents]
        shown = [each for each in labelled if self._add_states(*each)]
        for labels, facts in shown:
            self._add_metadata(labels, facts)
        if metrics.FOLLOWED in self._families:
            self._add_streams(health, snapshot)
        for reason, count in self._dropped.items():
            self._add(metrics.DROPPED, (reason,), count)

    def _add_deployment(self, snapshot: Snapshot) -> None:
        self._add(metrics.UP, (), float(snapshot.is_up))
        self._add(metrics.AGENTS, (), len(snapshot.agents))
        if snapshot.last_success is not None:
            self._add(metrics.LAST_SUCCESS, (), snapshot.last_success)
        for (operation, kind), count in snapshot.errors.items():
            self._add(metrics.ERRORS, (operation, kind), count)

    def _add_streams(self, health: StreamHealth, snapshot: Snapshot) -> None:
        self._add(metrics.FOLLOWED, (), health.followed)
        self._add(metrics.RECONNECTS, (), health.reconnects)
        self._add(metrics.LATE_LINES, (), health.late)
        lag = snapshot.lag
        self._families[metrics.LAG].add_metric((), lag.buckets, lag.total)

    def _add_states(self, labels: tuple[str, ...], facts: AgentFacts) -> bool:
        """
        Add the states of an agent and the counts of its log; return whether there was room.
        """
        agent, seconds = facts.agent, time_to_ready(facts.agent)
        lines = facts.lines if metrics.LOG_LINES in self._families else {}
        series = _STATE_SERIES + (seconds is not None) + len(lines)
        depending = sum(map(_series_of, self._items(facts)))
        if not self._fits(series, labels, depending=depending):
            return False
        self._add(metrics.STATUS, labels, _state_set(agent.status, _STATUSES))
        self._add(metrics.LIFECYCLE, labels, _state_set(agent.lifecycle_state, _LIFECYCLES))
        self._add(metrics.INFO, labels, _info(agent))
        failing = sum(item.is_failing for item in self._items(facts))
        self._add(metrics.METADATA_FAILING, labels, failing)
        if seconds is not None:
            self._add(metrics.TIME_TO_READY, labels, seconds)
        for level, count in lines.items():
            self._add(metrics.LOG_LINES, (*labels, level), count)
        return True

    def _items(self, facts: AgentFacts) -> list[Item]:
        """
        Return the items of metadata that are exported.
        """
        items = () if facts.read is None else facts.read.items
        return [item for item in items if self._is_wanted(item.key)]

    def _add_metadata(self, labels: tuple[str, ...], facts: AgentFacts) -> None:
        elapsed = 0.0 if facts.read is None else max(0.0, self._clock - facts.read.at)
        for item in self._items(facts):
            self._add_item(labels, item, elapsed)

    def _add_item(self, labels: tuple[str, ...], item: Item, elapsed: float) -> None:
        key = label_value(item.key)
        if not self._fits(_series_of(item), (*labels, key)):
            return
        if item.age is not None:
            self._add(metrics.METADATA_AGE, (*labels, key), item.age + elapsed)
        if item.interval is not None:
            self._add(metrics.METADATA_INTERVAL, (*labels, key), item.interval)
        if item.value is not None:
            self._add(metrics.METADATA_VALUE, (*labels, key, item.unit), item.value)
        if item.whole is not None:
            self._add(metrics.METADATA_WHOLE, (*labels, key, item.unit), item.whole)


def _series_of(item: Item) -> int:
    """
    Return how many series an item of metadata has.
    """
    return sum(each is not None for each in (item.age, item.interval, item.value, item.whole))


def _state_set(state: OpenEnumeration, states: Iterable[OpenEnumeration]) -> dict[str, bool]:
    """
    Return for each of *states*, and for any other one, whether *state* is it.
    """
    return {**{each.value: each == state for each in states}, OTHER: not state.known}


def _info(agent: Agent) -> dict[str, str]:
    data = agent.data
    return {
        "id": str(agent.id),
        "version": label_value(data.version),
        "os": label_value(data.operating_system),
        "arch": label_value(data.architecture),
    }


def time_to_ready(agent: Agent) -> float | None:
    """
    Return the seconds from the build that started the workspace until the agent was ready; None
    where it is not ready yet.

    A sub-agent is created later than the build: its seconds begin with its own creation.
    """
    data, workspace = agent.data, agent.workspace
    begin: datetime | None = data.created_at
    if data.parent_id is None and workspace is not None:
        begin = workspace.latest_build.created_at
    if begin is None or data.ready_at is None:
        return None
    seconds = (data.ready_at - begin).total_seconds()
    return seconds if seconds >= 0 else None
