"""
What the exporter knows: written by the threads that read, exported at each scrape.
"""

from __future__ import annotations

import bisect
import collections
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import attrs

from coder_agents.agent import Agent
from coder_agents.exporter.units import in_base_units, is_finite
from coder_agents.schema import LogLevel, WorkspaceAgentMetadata
from coder_agents.streams import AgentLog

LAG_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""
The upper bounds of the buckets of the lag, in seconds; the last one has no bound.
"""

OTHER = "other"
"""
The level of lines, or the state of agents, that this package does not know.
"""

LEVELS = tuple(level.value for level in LogLevel)

_Names = tuple[str, str, str]  # of the owner, the workspace and the agent


@attrs.frozen
class Item:
    """
    One item of metadata.

    Attributes:
        key: its name for programs.
        age: seconds from the last run of its script until it was read; None before the first run.
        interval: seconds from one run to the next; None for a script that runs only once.
        value: the number that the script printed, in base units; None where it printed none.
        whole: the whole of which the number is a part.
        unit: the base unit; empty for none.
        is_failing: whether the last run reported an error.
    """

    key: str
    age: int | None
    interval: int | None
    value: float | None
    whole: float | None
    unit: str
    is_failing: bool

    @classmethod
    def of(cls, item: WorkspaceAgentMetadata) -> Item:
        """
        Return *item* with its number.
        """
        key, result = item.description.key, item.result
        number = item.number
        value, whole, unit = (None, None, "") if number is None else in_base_units(number)
        if value is not None and not is_finite(value, whole):
            value = whole = None
        interval = item.description.interval if item.description.interval > 0 else None
        return cls(key, result.age, interval, value, whole, unit, bool(result.error))


@attrs.frozen
class ObservedMetadata:
    """
    The metadata of an agent as it was last read.

    Attributes:
        items: its items.
        at: when it was read, by `time.monotonic`.
    """

    items: Sequence[Item]
    at: float


@attrs.frozen
class Histogram:
    """
    Seconds in buckets, in the form of Prometheus.

    Attributes:
        counts: how many values each bucket has; the last one has the values above all bounds.
        total: the sum of the values.
    """

    counts: Sequence[int] = (0,) * (len(LAG_BUCKETS) + 1)
    total: float = 0.0

    def with_values(self, values: Iterable[float]) -> Histogram:
        """
        Return the histogram with *values* added.
        """
        counts, total = list(self.counts), self.total
        for value in values:
            counts[bisect.bisect_left(LAG_BUCKETS, value)] += 1
            total += value
        return Histogram(counts, total)

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """
        The upper bound of each bucket, and how many values are not above it.
        """
        bounds = [*map(str, LAG_BUCKETS), "+Inf"]
        return list(zip(bounds, map(float, itertools.accumulate(self.counts)), strict=True))


@attrs.frozen
class AgentFacts:
    """
    What is known of one agent.

    Attributes:
        agent: the agent as it was last listed.
        read: its metadata; None before it was read.
        lines: how many lines of each level its log had since the exporter follows it, and the logs
            of the agents of its name before, in earlier builds of the workspace.
    """

    agent: Agent
    read: ObservedMetadata | None
    lines: Mapping[str, int]


@attrs.frozen
class Snapshot:
    """
    What is known at one moment.

    Attributes:
        agents: the agents, in the order in which they were first listed.
        is_up: whether the last request for the list of agents succeeded.
        last_success: when it last succeeded, by `time.time`; None before.
        errors: how many errors each operation had, by the operation and the class of the error.
        lag: the seconds from the moment at which a line was stored until it arrived.
    """

    agents: Sequence[AgentFacts]
    is_up: bool
    last_success: float | None
    errors: Mapping[tuple[str, str], int]
    lag: Histogram


class Observed:
    """
    The agents, and counts. Any thread may call any method.

    Args:
        forget: seconds for which the counts of an agent are kept that is not listed any more.
        clock: `time.monotonic`, or another one in tests.
    """

    def __init__(
        self, *, forget: float = 3600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._forget = forget
        self._clock = clock
        self._lock = threading.Lock()
        self._agents: dict[UUID, Agent] = {}
        self._gone_at: dict[UUID, float] = {}
        self._reads: dict[UUID, ObservedMetadata] = {}
        # By the names of an agent, as the series is: after a restart, the workspace has a new agent,
        # and a counter that began with 0 again could hide that its lines are new.
        self._names: dict[UUID, _Names] = {}
        self._lines: dict[_Names, collections.Counter[str]] = {}
        self._errors: collections.Counter[tuple[str, str]] = collections.Counter()
        self._lag = Histogram()
        self._is_up = False
        self._last_success: float | None = None

    def list_agents(self, agents: Iterable[Agent]) -> list[UUID]:
        """
        Note that the deployment lists exactly these *agents*, and return the ids of the agents
        whose counts are forgotten now.
        """
        listed = {agent.id: agent for agent in agents}
        now = self._clock()
        with self._lock:
            self._is_up, self._last_success = True, time.time()
            for agent_id in self._agents.keys() - listed.keys():
                self._gone_at[agent_id] = now
            # A known agent keeps its place.
            kept = {each: listed[each] for each in self._agents if each in listed}
            self._agents = {**kept, **listed}
            self._reads = {each: self._reads[each] for each in listed if each in self._reads}
            for agent in listed.values():
                self._name(agent)
            forgotten = self._forgotten(now)
            known = set(self._names.values())
            self._lines = {each: count for each, count in self._lines.items() if each in known}
            return forgotten

    def _name(self, agent: Agent) -> None:
        names = _names_of(agent)
        before = self._names.get(agent.id, names)
        self._names[agent.id] = names
        if names != before and before in self._lines:  # renamed
            self._lines.setdefault(names, self._lines[before].copy())

    def _forgotten(self, now: float) -> list[UUID]:
        for agent_id in self._agents:
            self._gone_at.pop(agent_id, None)
        old = [each for each, gone in self._gone_at.items() if now - gone >= self._forget]
        for agent_id in old:
            del self._gone_at[agent_id], self._names[agent_id]
        return old

    def put_away(self) -> None:
        """
        Note that the list of agents could not be read.
        """
        with self._lock:
            self._is_up = False

    def put_error(self, operation: str, error: BaseException) -> None:
        """
        Count an error.
        """
        with self._lock:
            self._errors[operation, type(error).__name__] += 1

    def put_metadata(self, agent_id: UUID, items: Iterable[WorkspaceAgentMetadata]) -> None:
        """
        Note the metadata of an agent, unless the agent is gone.
        """
        read = ObservedMetadata(tuple(map(Item.of, items)), self._clock())
        with self._lock:
            if agent_id in self._agents:
                self._reads[agent_id] = read

    def follow(self, ids: Iterable[UUID]) -> None:
        """
        Note that the logs of these agents are followed: counts that are new begin with 0.
        """
        with self._lock:
            for names in (self._names[each] for each in ids if each in self._names):
                self._lines.setdefault(names, collections.Counter(dict.fromkeys(LEVELS, 0)))

    def count_lines(self, batch: Iterable[AgentLog[Agent]], *, since: float) -> None:
        """
        Count the lines of *batch*, which has just arrived.

        The lag is that of lines that were stored after *since*, by `time.time`.
        """
        now = time.time()
        lags = []
        with self._lock:
            for item in batch:
                log = item.log
                level = log.level.value if log.level.known else OTHER
                if (names := self._names.get(item.agent.id)) is not None:
                    self._lines.setdefault(names, collections.Counter())[level] += 1
                stored = None if log.created_at is None else log.created_at.timestamp()
                if stored is not None and stored >= since:
                    lags.append(max(0.0, now - stored))  # clocks differ
            self._lag = self._lag.with_values(lags)

    def agent(self, agent_id: UUID) -> Agent | None:
        """
        Return the agent as it was last listed; None where it is gone.
        """
        return self._agents.get(agent_id)

    def snapshot(self) -> Snapshot:
        """
        Return what is known now.
        """
        with self._lock:
            agents = [
                AgentFacts(
                    agent,
                    self._reads.get(agent_id),
                    dict(self._lines.get(self._names[agent_id], {})),
                )
                for agent_id, agent in self._agents.items()
            ]
            return Snapshot(agents, self._is_up, self._last_success, dict(self._errors), self._lag)

    def clear(self) -> None:
        """
        Forget all agents; their counts are kept for some time.
        """
        with self._lock:
            self._gone_at |= dict.fromkeys(self._agents, self._clock())
            self._agents, self._reads, self._is_up = {}, {}, False


def _names_of(agent: Agent) -> _Names:
    workspace = agent.workspace
    assert workspace is not None  # the agent was found through it
    return workspace.owner_name, workspace.name, agent.name
