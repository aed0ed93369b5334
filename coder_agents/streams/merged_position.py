"""
The lines of several agents, their order, and how far a stream of them has come.
"""

from __future__ import annotations

import collections
import itertools
import operator
import uuid
from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import attrs

from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams.position import LogPosition, Position


class Labelled(Protocol):
    """
    What log lines can be labelled with: an agent.
    """

    id: uuid.UUID

    @property
    def label(self) -> str:
        """
        What people call it, safe to print.
        """


A = TypeVar("A", bound=Labelled)


@attrs.frozen
class AgentLog(Generic[A]):
    """
    One line of the log of one of several agents.

    ``str(item)`` is the line after the agent's label, ``workspace.agent | line``, safe for a
    terminal: see `WorkspaceAgentLog`.

    Attributes:
        agent: the agent, as it was given.
        log: the line.
    """

    agent: A
    log: WorkspaceAgentLog

    def __str__(self) -> str:
        return f"{self.agent.label} | {self.log}"


@attrs.frozen(eq=False, kw_only=True)
class MergedPosition(Position[AgentLog[A]]):
    """
    A position in the logs of several agents.

    Attributes:
        agents: the agents, in the order of their numbers.
        earlier: for each agent, the position that it had before this batch, all of whose lines
            were handed out.
        batch: for the numbers of the agents that have lines in this batch, their positions.
        order: for each item, the number of its agent.
        late_before: how many lines had come late before this batch.
        lates: for each item, how many of the batch's lines up to it are late; empty where none is.
    """

    agents: Sequence[A]
    earlier: Sequence[LogPosition]
    batch: Mapping[int, LogPosition]
    order: Sequence[int]
    late_before: int
    lates: Sequence[int]

    def _each(self) -> list[tuple[LogPosition, int]]:
        """
        Return for each agent its position, and how many of its lines were handed out.
        """
        done = collections.Counter(self.order[: self.done])
        earlier = ((position, position.size) for position in self.earlier)
        return [
            (self.batch[number], done[number]) if number in self.batch else before
            for number, before in enumerate(earlier)
        ]

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was handed out; None before the first.
        """
        return max((each.last_id_at(done) or 0 for each, done in self._each()), default=0) or None

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
        For each agent's id, what continues after its lines that were handed out.
        """
        each = zip(self.agents, self._each(), strict=True)
        return {agent.id: position.bookmark_at(done) for agent, (position, done) in each}


def in_order_of_ids(each: Sequence[Sequence[int]]) -> list[int]:
    """
    Return the place in *each* of whose line is next, for all the lines of all logs.

    *each* has the ids of a log's lines, in the order in which they are handed out. That
    order is kept. Where it is the order of the ids, so is the whole; a line behind one of a higher id
    comes right after it.
    """
    keyed = [
        (newest, place)
        for place, ids in enumerate(each)
        for newest in itertools.accumulate(ids, max)
    ]
    keyed.sort(key=operator.itemgetter(0))  # stable
    return [place for _, place in keyed]
