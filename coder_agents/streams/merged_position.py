"""
The position of a stream of several agents' logs, and the order of their lines.
"""

from __future__ import annotations

import collections
import itertools
import operator
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import attrs

from coder_agents.representation.objects import Represented
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams.position import LogPosition, Position


class Labelled(Protocol):
    """
    An agent that can label log lines.
    """

    id: uuid.UUID

    @property
    def label(self) -> str:
        """
        The agent's name for people, safe to print.
        """


A = TypeVar("A", bound=Labelled)


@attrs.frozen(repr=False)
class AgentLog(Represented, Generic[A]):
    """
    One log line, with the agent that it belongs to.

    ``str(item)`` is the line after the agent's label, ``workspace.agent | line``, safe for a
    terminal: see `WorkspaceAgentLog`.

    Attributes:
        agent: the agent, as it was given.
        log: the line.
    """

    agent: A
    log: WorkspaceAgentLog

    _columns = ("Agent", *WorkspaceAgentLog._columns)
    _noun = WorkspaceAgentLog._noun

    def _cells(self) -> Sequence[object]:
        return self.agent.label, *self.log._cells()

    def _facts(self) -> Iterable[tuple[str, object]]:
        return zip(self._columns, self._cells(), strict=True)

    def __str__(self) -> str:
        return f"{self.agent.label} | {self.log}"


@attrs.frozen(eq=False, kw_only=True)
class MergedPosition(Position[AgentLog[A]]):
    """
    A position in the logs of several agents.

    Attributes:
        agents: the agents, in the order of their numbers.
        earlier: for each agent, its position before this batch; all lines of that position were
            handed out.
        batch: the positions of the agents that have lines in this batch, by the agent's number.
        order: for each item, the number of its agent.
        late_before: how many lines came late before this batch.
        lates: for each item, how many of the batch's lines up to it are late; empty where none is.
    """

    agents: Sequence[A]
    earlier: Sequence[LogPosition]
    batch: Mapping[int, LogPosition]
    order: Sequence[int]
    late_before: int
    lates: Sequence[int]

    def each_at(self, done: int) -> list[tuple[LogPosition, int]]:
        """
        Return for each agent its position, and how many lines of that position were handed out, after
        *done* items of this batch were.
        """
        done_of = collections.Counter(self.order[:done])
        earlier = ((position, position.size) for position in self.earlier)
        return [
            (self.batch[number], done_of[number]) if number in self.batch else before
            for number, before in enumerate(earlier)
        ]

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was handed out; None before the first.
        """
        return (
            max((each.last_id_at(done) or 0 for each, done in self.each_at(self.done)), default=0)
            or None
        )

    @property
    def late(self) -> int:
        """
        How many lines came out of the order of their ids.
        """
        done = self.done
        return self.late_before + (self.lates[done - 1] if done and self.lates else 0)

    @property
    def bookmark(self) -> Mapping[uuid.UUID, str]:
        """
        For each agent's id, the bookmark that continues after the agent's lines that were handed
        out.
        """
        each = zip(self.agents, self.each_at(self.done), strict=True)
        return {agent.id: position.bookmark_at(done) for agent, (position, done) in each}


def in_order_of_ids(each: Sequence[Sequence[int]]) -> list[int]:
    """
    Return the merged order of the lines: for each line in turn, the index of its log in *each*.

    *each* holds one list of ids for each log, in the order in which the log's lines are handed out.
    The result keeps that order within each log. Where every list ascends, the merged ids ascend. A
    line that follows a higher id in its log comes right after that id.
    """
    keyed = [
        (newest, place)
        for place, ids in enumerate(each)
        for newest in itertools.accumulate(ids, max)
    ]
    keyed.sort(key=operator.itemgetter(0))  # stable
    return [place for _, place in keyed]
