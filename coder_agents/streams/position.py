"""
How far a stream has come: the items that were handed out, and the pending ones.

A position never changes, except that items are taken from its deque. A reader takes the position
once and counts by the length of that deque, so the result is right at every moment, also in a
signal handler and in another thread.
"""

from __future__ import annotations

import collections
import itertools
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, Self, TypeVar

import attrs

from coder_agents.streams.bookmark import Bookmark

T = TypeVar("T")


@attrs.frozen(eq=False)
class Position(Generic[T]):
    """
    The items of one message of the server.

    Attributes:
        pending: the items that were not handed out yet. An item counts as handed out from the
            moment in which it is deleted here.
        size: how many items the message had.
        count_before: how many items were handed out before these.
    """

    pending: collections.deque[T]
    size: int
    count_before: int

    @property
    def done(self) -> int:
        """
        How many of the message's items were handed out.
        """
        return self.size - len(self.pending)

    @property
    def count(self) -> int:
        """
        How many items were handed out in all.
        """
        return self.count_before + self.done

    @property
    def late(self) -> int:
        """
        How many items came out of order.
        """
        return 0

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was handed out; None where items have no ids.
        """
        return None

    @property
    def bookmark(self) -> Any:
        """
        The text that another stream takes as ``after=`` to continue here; None where no stream can.
        """
        return None

    def each_at(self, done: int) -> Sequence[tuple[LogPosition, int]]:
        """
        Return for each log its position, and how many lines of that position were handed out, after
        *done* items of this position were; empty for a stream of no logs.
        """
        return ()

    def taken(self) -> Self:
        """
        Return the position in which all items were handed out.
        """
        return attrs.evolve(self, pending=collections.deque())

    def closed(self) -> Self:
        """
        Return the same position with nothing pending.
        """
        return attrs.evolve(self, pending=collections.deque(), size=self.done)


@attrs.frozen(eq=False)
class StatePosition(Position[T]):
    """
    A position in a stream of states.

    Attributes:
        before: the state that was handed out before *state*; None before the first.
        state: the state in the message; None where the message has none.
    """

    before: T | None = None
    state: T | None = None

    @classmethod
    def of_state(cls, before: T | None, state: T | None, count_before: int = 0) -> StatePosition[T]:
        """
        Return the position in which *state* is pending; with None as *state*, nothing is pending.
        """
        items = () if state is None else (state,)
        return StatePosition(
            collections.deque(items), len(items), count_before, before=before, state=state
        )


@attrs.frozen
class IdSnapshot:
    """
    The ids held at one moment.

    The list of parts only grows, so a snapshot is the list and the number of its parts at that
    moment.
    """

    parts: Sequence[Sequence[int]] = ()
    count: int = 0

    def __iter__(self) -> Iterator[int]:
        return itertools.chain.from_iterable(itertools.islice(self.parts, self.count))


@attrs.frozen(eq=False, kw_only=True)
class LogPosition(Position[Any]):
    """
    A position in the log of one agent, or of one build.

    Attributes:
        agent_id: the agent, or the build.
        floor: the id up to which everything is done.
        known: the ids above the floor that were done before this message.
        ids: the ids of the message's items, in their order.
        new: the ids of all new lines in their order, skipped ones included; the same object as
            *ids* where no filter skips any.
        newest_before: the newest id that was handed out before; 0 where none was.
        late_before: how many lines came late before.
        tops: for each item, the newest id up to it; *ids* itself where they ascend.
        lates: for each item, how many of the message's items up to it are late; empty where
            none is.
        trusts_order: whether no line is expected below one that was handed out.
    """

    agent_id: uuid.UUID
    floor: int
    known: IdSnapshot
    ids: Sequence[int]
    new: Sequence[int]
    newest_before: int
    late_before: int
    tops: Sequence[int]
    lates: Sequence[int]
    trusts_order: bool = False

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was handed out; None before the first.
        """
        return self.last_id_at(self.done)

    @property
    def late(self) -> int:
        """
        How many lines came out of the order of their ids.
        """
        return self.late_at(self.done)

    @property
    def bookmark(self) -> str:
        """
        The text that another stream of this log takes as ``after=`` to continue here.
        """
        return self.bookmark_at(self.done)

    def each_at(self, done: int) -> Sequence[tuple[LogPosition, int]]:
        """
        Return this position with *done*; see `Position.each_at`.
        """
        return [(self, done)]

    def last_id_at(self, done: int) -> int | None:
        """
        Return the newest id after *done* items were handed out.
        """
        newest = max(self.tops[done - 1], self.newest_before) if done else self.newest_before
        return newest or None

    def late_at(self, done: int) -> int:
        """
        Return how many lines are late after *done* items were handed out.
        """
        return self.late_before + (self.lates[done - 1] if done and self.lates else 0)

    def late_each(self) -> Sequence[int]:
        """
        Return for each item 1 where it is late, 0 where it is not.
        """
        if not self.lates:
            return [0] * self.size
        return [after - before for before, after in itertools.pairwise([0, *self.lates])]

    def bookmark_at(self, done: int) -> str:
        """
        Return the bookmark after *done* items were handed out.
        """
        ids = self.done_ids(done)
        if self.trusts_order:
            return str(Bookmark.of(self.agent_id, max([self.floor, *ids[-1:]]), ()))
        known = {*self.known, *ids}
        above = sorted(number for number in known if number > self.floor)
        return str(Bookmark.of(self.agent_id, self.floor, above))

    def done_ids(self, done: int) -> Sequence[int]:
        """
        Return the ids that are done after *done* items were handed out: the ids of these items, and
        of skipped lines before the last of them. After the last item, all ids are done.
        """
        if self.new is self.ids:
            return self.ids[:done]
        if done == len(self.ids):
            return self.new
        return self.new[: self.new.index(self.ids[done - 1]) + 1] if done else ()

    def closed(self) -> Self:
        """
        Return the same position with nothing pending.
        """
        done = self.done
        if done == self.size:
            return self
        ids, new = self.ids[:done], self.done_ids(done)
        return attrs.evolve(
            self,
            pending=collections.deque(),
            size=done,
            ids=ids,
            new=ids if self.new is self.ids else new,
        )


def ascend_from(before: int, numbers: Iterable[int]) -> bool:
    """
    Whether *numbers* ascend, each above the one before it, from above *before*.
    """
    for number in numbers:
        if number <= before:
            return False
        before = number
    return True


def tops_of(newest_before: int, numbers: Sequence[int]) -> list[int]:
    """
    Return for each of *numbers* the largest number up to it, *newest_before* included.
    """
    return list(
        itertools.islice(itertools.accumulate(numbers, max, initial=newest_before), 1, None)
    )


def lates_of(newest_before: int, numbers: Sequence[int]) -> list[int]:
    """
    Return for each of *numbers* how many numbers up to it are lower than an earlier one.
    """
    before = itertools.accumulate(numbers, max, initial=newest_before)
    return list(
        itertools.accumulate(number < top for number, top in zip(numbers, before, strict=False))
    )
