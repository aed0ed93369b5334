"""
The ledger of a log: which lines are new, which ids are settled, and after which id to request.

Ids come from one sequence of the whole deployment. A line takes its id first and is committed
later, so a lower id can appear after a higher one, and a server that follows by the newest id never
sends that line. Time decides instead: when a line is seen, all lower ids have been taken. So every
line that is committed within *settle* of taking its id is in every answer that is requested
*settle* later.

Pure: the ledger reads no clock and owns no socket. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

import array
import collections
import itertools
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import attrs

from coder_agents.streams.position import (
    IdSnapshot,
    LogPosition,
    ascend_from,
    lates_of,
    tops_of,
)

CHECK_EVERY = 30.0
"""
The most seconds between two checks while lines keep coming.
"""

_GRAIN = 20  # moments closer than a twentieth of *settle* are merged, so their number is bounded


@attrs.define
class _SeenMoment:
    """
    The newest id of the lines seen from the time *first* to the time *last*.
    """

    first: float
    last: float
    newest: int


class _Ids:
    """
    Ids that are held. They are added in parts, and become a set at the first membership test. Lines
    that come in order need no such test.
    """

    def __init__(self) -> None:
        # A list of parts only grows, so a snapshot of it never changes.
        self.parts: list[Sequence[int]] = []
        self._size = 0
        self._set: set[int] = set()
        self._count_in_set = 0

    def __len__(self) -> int:
        return self._size

    def snapshot(self) -> IdSnapshot:
        """
        Return the ids held now; later changes do not affect the result.
        """
        return IdSnapshot(self.parts, len(self.parts))

    def add(self, numbers: Sequence[int]) -> None:
        """
        Hold *numbers*, none of which is held yet.
        """
        # A fifth of the memory of a list. An unsigned array is built in half the time.
        self.parts.append(array.array("Q", numbers))
        self._size += len(numbers)

    def missing_of(self, numbers: set[int]) -> set[int]:
        """
        Return those of *numbers* that are not held.
        """
        self._set.update(*self.parts[self._count_in_set :])
        self._count_in_set = len(self.parts)
        return numbers - self._set

    def drop_to(self, floor: int) -> None:
        """
        Drop the ids that are not above *floor*.
        """
        kept = [number for number in self.snapshot() if number > floor]
        self.parts, self._size = [], 0
        self._set, self._count_in_set = set(), 0
        if kept:
            self.add(kept)


class Ledger:
    """
    The ids of one agent's log that were yielded, or skipped by a filter.

    Every id up to the *floor* is done: no such line is requested or accepted again. The ids yielded
    or skipped above the floor are held, at most *remember* of them.

    Args:
        floor: the id after which to begin.
        settle: seconds within which a line is committed after it took its id; 0 means that lines
            come in the order of their ids, and no check is due.
        remember: how many ids may be held. Beyond that the floor rises: late lines below it are
            given up, but no line is repeated.

    Attributes:
        forgot: whether the floor has risen in that way.
    """

    def __init__(self, floor: int = 0, *, settle: float = 10.0, remember: int = 200_000) -> None:
        self._floor = floor
        self._settle = settle
        self._remember = remember
        self._known = _Ids()
        self._moments: collections.deque[_SeenMoment] = collections.deque()
        self._check_from: float | None = None
        self._last_id: int | None = None
        self._late = 0
        self._in_order: Sequence[int] | None = None
        self._newest_done = 0
        self.forgot = False

    @property
    def floor(self) -> int:
        """
        The id to request lines after.
        """
        return self._floor

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was yielded; None before the first.
        """
        return self._last_id

    @property
    def held(self) -> int:
        """
        How many ids are held.
        """
        return len(self._known)

    @property
    def known(self) -> Iterator[int]:
        """
        The ids yielded or skipped above the floor, ascending.
        """
        return iter(sorted(self._known.snapshot()))

    def new_among(self, numbers: Sequence[int]) -> list[bool] | None:
        """
        Return for each of the lines *numbers* whether it is new: not done, as far as ids are held,
        and not in *numbers* before. None where all are new.
        """
        newest = max(self._floor, self._newest_done)
        if ascend_from(newest, numbers):
            self._in_order = numbers
            return None
        met = set(numbers)
        distinct = len(met) == len(numbers)
        # Sets first: a check brings thousands of lines, few of them new.
        missing = self._known.missing_of(met)
        fresh = {number for number in missing if number > self._floor}
        if not fresh or distinct:
            return [number in fresh for number in numbers]
        return [self._is_first(number, fresh) for number in numbers]

    @staticmethod
    def _is_first(number: int, fresh: set[int]) -> bool:
        is_first = number in fresh
        fresh.discard(number)
        return is_first

    def newest_of(self, numbers: Sequence[int]) -> int:
        """
        Return the newest id of *numbers*, which are not empty.
        """
        return numbers[-1] if numbers is self._in_order else max(numbers)

    def position(
        self,
        agent_id: uuid.UUID,
        logs: Collection[Any],
        ids: Sequence[int],
        new: Sequence[int],
        *,
        count_before: int,
        newest_before: int = 0,
        late_before: int = 0,
    ) -> LogPosition:
        """
        Return the position in which *logs*, whose ids are *ids*, are pending; *new* are the ids of
        all new lines that came with them.

        *newest_before* and *late_before* belong to the logs that the stream read before this one.
        """
        before = self._last_id or 0
        in_order = (
            not ids or (ids is self._in_order and ids[0] > before) or ascend_from(before, ids)
        )
        return LogPosition(
            pending=collections.deque(logs),
            size=len(ids),
            count_before=count_before,
            agent_id=agent_id,
            floor=self._floor,
            known=IdSnapshot(self._known.parts, len(self._known.parts)),
            ids=ids,
            new=new,
            newest_before=max(before, newest_before),
            late_before=self._late + late_before,
            tops=ids if in_order else tops_of(before, ids),
            lates=() if in_order else lates_of(before, ids),
            trusts_order=in_order and self._settle <= 0 and not self._known,
        )

    def saw(self, newest: int, now: float) -> None:
        """
        Note that new lines, up to the id *newest*, came at the time *now*.
        """
        latest = self._moments[-1] if self._moments else None
        before = self._floor if latest is None else latest.newest
        if self._settle <= 0 or newest <= before:
            return  # a late line settles with the newer line that was seen before it
        if self._check_from is None:
            self._check_from = now
        if latest is not None and now - latest.first < self._settle / _GRAIN:
            latest.last, latest.newest = now, newest
        else:
            self._moments.append(_SeenMoment(now, now, newest))

    def yielded(self, numbers: Sequence[int]) -> int:
        """
        Note that the lines *numbers*, which are not empty, were handed out; return how many of them
        came late, out of the order of their ids.
        """
        late = self.late_among(numbers)
        self._late += late
        lowest, newest = (min(numbers), max(numbers)) if late else (numbers[0], numbers[-1])
        self._last_id = max(newest, self._last_id or newest)
        self._are_done(numbers, lowest, newest)
        return late

    def skipped(self, numbers: Sequence[int]) -> None:
        """
        Note that a filter skipped the lines *numbers*: they are done as if they were handed out.
        """
        if numbers:
            self._are_done(numbers, min(numbers), max(numbers))

    def _are_done(self, numbers: Sequence[int], lowest: int, newest: int) -> None:
        self._newest_done = max(newest, self._newest_done)
        if self._settle <= 0 and not self._known:
            self._floor = self._newest
            return
        if lowest <= self._floor:  # the floor rose while the lines were pending
            numbers = [number for number in numbers if number > self._floor]
        self._known.add(numbers)
        self._forget_excess()

    def begin_after(self, floor: int) -> None:
        """
        Note that no line at or below *floor* is wanted, present or future.
        """
        self._raise_floor(floor)

    def late_among(self, numbers: Sequence[int]) -> int:
        """
        Return how many of the lines *numbers* are late when they are handed out in this order.
        """
        before = self._last_id or 0
        # Lines that were in order when they came still are.
        if (numbers is self._in_order and numbers[0] > before) or ascend_from(before, numbers):
            return 0
        tops = itertools.accumulate(numbers, max, initial=before)
        return sum(number < top for number, top in zip(numbers, tops, strict=False))

    @property
    def _newest(self) -> int:
        return max(self._floor, self._newest_done)

    def settled(self, requested: float) -> None:
        """
        Note that the answer to the request sent at the time *requested* was yielded completely.

        Every line seen *settle* before that time is settled, and so is every lower id.
        """
        floor = self._floor
        if self._settle <= 0 and self._known:
            floor = max(self._known.snapshot())  # the ids come from a bookmark
        for moment in self._moments:
            if moment.last + self._settle > requested:
                break
            floor = moment.newest
        self._raise_floor(floor)
        self._check_from = requested if self._moments else None

    def _forget_excess(self) -> None:
        excess = len(self._known) - self._remember
        if excess > 0:
            # Drop a tenth more than needed; otherwise each further line would sort all ids again.
            drop = min(len(self._known), excess + self._remember // 10)
            self._raise_floor(sorted(self._known.snapshot())[drop - 1])
            self.forgot = True

    def _raise_floor(self, floor: int) -> None:
        if floor > self._floor:
            self._floor = floor
            self._known.drop_to(floor)
            while self._moments and self._moments[0].newest <= floor:
                self._moments.popleft()

    def check_at(self) -> float | None:
        """
        When the next check is due; None where every id is settled.
        """
        settled_at = self.settled_at()
        if settled_at is None or self._check_from is None:
            return None
        return min(settled_at, self._check_from + CHECK_EVERY)

    def settled_at(self) -> float | None:
        """
        When a request would settle every id; None where every id is settled.
        """
        return self._moments[-1].last + self._settle if self._moments else None

    def restore(self, ascending: Iterable[int], now: float) -> None:
        """
        Count the *ascending* ids, all above the floor, as yielded and as seen at the time *now*.
        """
        # One more than may be held: the held ids then begin after a forgotten one.
        newest = collections.deque(ascending, maxlen=self._remember + 1)
        if newest:
            self._known.add(newest)
            self._last_id = self._newest_done = newest[-1]
            self.saw(self._last_id, now)
            self._forget_excess()
