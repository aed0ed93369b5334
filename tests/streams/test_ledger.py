"""
The ledger against a model of a deployment, its writers, and connections that break.
"""

from __future__ import annotations

import bisect
import math
import random
import tracemalloc
import uuid
from collections.abc import Iterable, Iterator

import attrs
import pytest
from effort import times
from hypothesis import given, settings
from hypothesis import strategies as st

from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.ledger import CHECK_EVERY, Ledger
from coder_agents.transport import DroppedError

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]

AGENT = uuid.UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
FEW = settings(max_examples=times(20, 250), deadline=None)


@attrs.frozen
class Line:
    """
    A line of the agent's log, which is there from the time *committed* on.
    """

    committed: float
    id: int


@attrs.frozen(kw_only=True)
class World:
    """
    What happens on the server and between it and a follower; times in seconds.

    Attributes:
        tick: between two looks of a live connection for new lines.
        latency: from a request to its answer.
        dwell: what the reader does with each line.
        lifetimes: how long the first connections live; all others live for ever.
        refused: which of the first requests for a connection are refused.
        back_off: from a break or a refusal to the next try.
        restarts: after how many lines the reader is replaced by another process.
        downtime: until that one begins.
        wanted: how many of each ten ids a filter lets pass.
        tail: how many of the lines that are there at first are wanted; None for all.
    """

    lines: tuple[Line, ...]
    settle: float = 10.0
    remember: int = 200_000
    tick: float = 0.2
    latency: float = 0.05
    dwell: float = 0.0
    lifetimes: tuple[float, ...] = ()
    refused: tuple[bool, ...] = ()
    back_off: float = 0.5
    restarts: frozenset[int] = frozenset()
    downtime: float = 1.0
    wanted: int = 10
    tail: int | None = None

    def wants(self, number: int) -> bool:
        """
        Whether a filter lets the line *number* pass.
        """
        return number % 10 < self.wanted


class Server:
    """
    Has the lines, and follows by the newest id as a deployment does.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = sorted(lines, key=lambda line: line.committed)
        self._times = [line.committed for line in self._lines]

    def committed(self, after: int, until: float) -> list[int]:
        """
        Return the ids above *after* of all lines that are there at the time *until*.
        """
        return self._ids(after, 0, bisect.bisect_right(self._times, until))

    def new(self, after: int, since: float, until: float) -> list[int]:
        """
        Return those of them that were not there at the time *since*.
        """
        first = bisect.bisect_right(self._times, since)
        return self._ids(after, first, bisect.bisect_right(self._times, until))

    def next_commit(self, after: int, since: float) -> float:
        """
        Return when the next line with an id above *after* is committed.
        """
        for line in self._lines[bisect.bisect_right(self._times, since) :]:
            if line.id > after:
                return line.committed
        return math.inf

    def _ids(self, after: int, first: int, last: int) -> list[int]:
        return sorted(line.id for line in self._lines[first:last] if line.id > after)


class Connection:
    """
    First everything after an id, then only what is above the newest id it has sent.
    """

    def __init__(self, server: Server, world: World, after: int, asked: float, dies: float):
        self._server = server
        self._tick = world.tick
        self._newest = after
        self._polled: float | None = None
        self._first_poll = asked + world.latency
        self._dies = dies
        self.asked = asked

    def receive(self, now: float, until: float) -> tuple[float, list[int] | None]:
        """
        Return when the next message comes, and its ids; None where it comes after *until*.
        """
        poll = self._next_poll()
        if poll > self._dies and self._dies <= max(now, until):
            raise DroppedError("reset")
        if poll > max(now, until):
            return until, None
        if self._polled is None:
            ids = self._server.committed(self._newest, poll)
        else:
            ids = self._server.new(self._newest, self._polled, poll)
        self._polled = poll
        self._newest = max([self._newest, *ids])
        return max(now, poll), ids

    def _next_poll(self) -> float:
        if self._polled is None:
            return self._first_poll
        commit = self._server.next_commit(self._newest, self._polled)
        if commit == math.inf:
            return commit
        ticks = math.ceil((commit - self._polled) / self._tick)
        return max(commit, self._polled + ticks * self._tick)

    def death(self, now: float) -> float:
        """
        Return when a reader that waits since *now* notices that it is dead.
        """
        return max(now, self._dies)


def is_new(ledger: Ledger, number: int) -> bool:
    """
    Whether the line *number* is one that is not yielded yet.
    """
    return ledger.new_among([number]) in (None, [True])


@attrs.define
class Follower:
    """
    A reader with a ledger, which does with it what a stream of a log does.

    Attributes:
        yielded: the ids, in the order in which they were handed out, with the time.
        requests: how many connections were asked for.
        checks: how many of them to look for late lines.
        late: how many lines came out of the order of their ids.
        moments: the most moments that a ledger held.
        held: the most ids that a ledger held.
        forgot: whether a ledger gave up late lines.
        skipped: the ids that the ledger was told to be wanted by nobody.
        begun_after: the id before the tail.
    """

    world: World
    server: Server = attrs.field(init=False)
    ledger: Ledger = attrs.field(init=False)
    yielded: dict[int, float] = attrs.field(factory=dict)
    requests: int = 0
    checks: int = 0
    late: int = 0
    moments: int = 0
    held: int = 0
    forgot: bool = False
    skipped: set[int] = attrs.field(factory=set)
    begun_after: int = 0
    _tail: int | None = attrs.field(init=False)
    _passed: dict[int, list[int]] = attrs.field(factory=dict)
    _now: float = 0.0
    _connection: Connection | None = None
    _first: bool = False
    _pending: list[int] = attrs.field(factory=list)
    _owed: float | None = None
    _check_again_at: float = 0.0
    _lifetimes: Iterator[float] = attrs.field(init=False)
    _refusals: Iterator[bool] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = Server(self.world.lines)
        self.ledger = Ledger(settle=self.world.settle, remember=self.world.remember)
        self._lifetimes = iter(self.world.lifetimes)
        self._refusals = iter(self.world.refused)
        self._tail = self.world.tail

    def run(self) -> Follower:
        """
        Follow until nothing can happen any more: a reader would wait for ever.
        """
        for _ in range(20_000):
            if self._pending:
                self._hand_out()
            elif not self._step():
                return self
        raise AssertionError("it never comes to rest")

    def _hand_out(self) -> None:
        number = self._pending.pop(0)
        assert number not in self.yielded, f"{number} came twice"
        self.yielded[number] = self._now
        self.late += self.ledger.yielded([number])
        self._skip(self._passed.pop(number, []))
        self.forgot |= self.ledger.forgot
        self.held = max(self.held, self.ledger.held)
        self._now += self.world.dwell
        if len(self.yielded) in self.world.restarts:
            self._restart()

    def _restart(self) -> None:
        text = str(Bookmark.of(AGENT, self.ledger.floor, self.ledger.known))
        self._now += self.world.downtime
        read = Bookmark.read(text, AGENT)
        self.ledger = Ledger(read.floor, settle=self.world.settle, remember=self.world.remember)
        self.ledger.restore(read.ids(), self._now)
        self._pending.clear()
        self._passed.clear()
        self._connection = None
        self._owed = None
        self._check_again_at = 0.0

    def _step(self) -> bool:
        if self._owed is not None:
            self.ledger.settled(self._owed)
            self._owed = None
        if self._connection is None:
            if not self._dial():
                self._now += self.world.back_off
            return True
        # A connection that has not answered yet is a check itself.
        due = None if self._first else self.ledger.check_at()
        due = math.inf if due is None else max(due, self._check_again_at)
        if self._now >= due:
            self._check()
            return True
        return self._receive(self._connection, due)

    def _dial(self) -> bool:
        self.requests += 1
        if next(self._refusals, False):
            return False
        dies = self._now + next(self._lifetimes, math.inf)
        floor = self.ledger.floor
        self._connection = Connection(self.server, self.world, floor, self._now, dies)
        self._first = True
        return True

    def _check(self) -> None:
        if self._dial():
            self.checks += 1
        else:
            self._check_again_at = self._now + max(1.0, self.world.settle)

    def _receive(self, connection: Connection, until: float) -> bool:
        try:
            when, ids = connection.receive(self._now, until)
        except DroppedError:
            self._now = connection.death(self._now) + self.world.back_off
            self._connection = None
            return True
        if when == math.inf:
            return False
        self._now = when
        if ids is not None:
            self._take(connection, ids)
        return True

    def _take(self, connection: Connection, ids: list[int]) -> None:
        if self._first:
            self._owed = connection.asked
            self._first = False
        new = [number for number in ids if is_new(self.ledger, number)]
        if new:
            self.ledger.saw(max(new), self._now)
            self.moments = max(self.moments, len(self.ledger._moments))
        self._pending = self._wanted_of(new)
        self._passed = self._passed_with(new)
        if not self._pending:
            self._skip(new)

    def _wanted_of(self, new: list[int]) -> list[int]:
        wanted = [number for number in new if self.world.wants(number)]
        tail, self._tail = self._tail, None
        if tail is None or len(wanted) < tail:
            return wanted
        kept = wanted[len(wanted) - tail :]
        first = min(kept, default=math.inf)
        self.begun_after = max((number for number in new if number < first), default=0)
        self.ledger.begin_after(self.begun_after)
        return kept

    def _passed_with(self, new: list[int]) -> dict[int, list[int]]:
        """
        Return what is skipped of *new* before each line that is wanted, or after the last.
        """
        passed: dict[int, list[int]] = {number: [] for number in self._pending}
        for number in set(new).difference(passed):
            following = [wanted for wanted in self._pending if wanted > number]
            for wanted in (following or self._pending[-1:])[:1]:
                passed[wanted].append(number)
        return passed

    def _skip(self, numbers: list[int]) -> None:
        assert self.skipped.isdisjoint(numbers), "what was skipped came again"
        self.skipped.update(numbers)
        self.ledger.skipped(numbers)


PAUSES = st.one_of(st.just(0.0), st.floats(0, 2), st.floats(0, 50))


@st.composite
def lines(draw: st.DrawFn, *, late: st.SearchStrategy[float]) -> tuple[Line, ...]:
    """
    Lines whose ids are taken one after the other; other agents take some in between.

    *late* is how long after that each is committed.
    """
    number, now = draw(st.integers(0, 2**40)), 0.0
    made = []
    for pause in draw(st.lists(PAUSES, max_size=40)):
        number += draw(st.one_of(st.just(1), st.integers(1, 20_000)))
        now += pause
        made.append(Line(now + draw(late), number))
    return tuple(made)


@st.composite
def worlds(draw: st.DrawFn, *, latest: float = 1.0, remember: int = 200_000) -> World:
    """
    All that may go wrong; lines are committed by up to *latest* times settle after their id.
    """
    settle = draw(st.sampled_from([0.1, 0.7, 10.0, 45.0]))
    late = st.one_of(st.just(0.0), st.floats(0, settle * latest), st.just(settle * latest))
    return World(
        settle=settle,
        remember=remember,
        lines=draw(lines(late=late)),
        tick=draw(st.floats(0.01, 5)),
        latency=draw(st.floats(0, 3)),
        dwell=draw(st.sampled_from([0.0, 0.0, 0.01, 3.0])),
        lifetimes=tuple(draw(st.lists(st.floats(0, 60), max_size=20))),
        refused=tuple(draw(st.lists(st.booleans(), max_size=20))),
        back_off=draw(st.floats(0.1, 20)),
        restarts=draw(st.frozensets(st.integers(1, 40), max_size=5)),
        downtime=draw(st.floats(0, 100)),
    )


def committed(world: World) -> set[int]:
    """
    Return the ids of all lines that there ever are.
    """
    return {line.id for line in world.lines}


@FEW
@given(worlds())
def test_each_line_comes_once_whatever_breaks(world: World) -> None:
    """
    This holds with drops, refusals, slow readers and other processes, as long as a line commits in
    time. At the end nothing is unsettled, so nothing is held and nothing is requested.
    """
    follower = Follower(world).run()
    assert set(follower.yielded) == committed(world)
    assert not follower.forgot
    assert follower.ledger.held == 0
    assert follower.ledger.check_at() is follower.ledger.settled_at() is None
    assert follower.ledger.floor == max(committed(world), default=0)


@FEW
@given(worlds(), st.integers(0, 9), st.none() | st.integers(0, 8))
def test_what_a_filter_leaves_out_is_done(world: World, wanted: int, tail: int | None) -> None:
    """
    What it wants comes once, after the id before the tail; the rest is taken once, as well.
    """
    world = attrs.evolve(world, wanted=wanted, tail=tail)
    follower = Follower(world).run()
    after = {number for number in committed(world) if number > follower.begun_after}
    assert set(follower.yielded) == {number for number in after if world.wants(number)}
    assert follower.skipped >= after - set(follower.yielded)
    assert follower.ledger.held == 0
    assert follower.ledger.check_at() is follower.ledger.settled_at() is None
    assert follower.ledger.floor == max(committed(world), default=0)


@FEW
@given(worlds(latest=0.0), st.integers(0, 9), st.none() | st.integers(0, 8))
def test_a_filter_of_lines_that_come_in_order(world: World, wanted: int, tail: int | None) -> None:
    """
    Without settle nothing is held for what is skipped, either.
    """
    world = attrs.evolve(world, wanted=wanted, tail=tail, settle=0)
    follower = Follower(world).run()
    after = {number for number in committed(world) if number > follower.begun_after}
    assert set(follower.yielded) == {number for number in after if world.wants(number)}
    assert (follower.checks, follower.held) == (0, 0)
    assert follower.ledger.floor == max(committed(world), default=0)


@FEW
@given(worlds(latest=4.0))
def test_no_line_comes_twice_however_late(world: World) -> None:
    """
    What is committed later than settle may be lost; it is never repeated, and rest comes.
    """
    follower = Follower(world).run()
    assert set(follower.yielded) <= committed(world)
    assert follower.ledger.check_at() is None
    assert follower.ledger.held == 0


@FEW
@given(worlds(), st.integers(1, 25))
def test_a_short_memory_gives_up_late_lines_but_repeats_none(world: World, most: int) -> None:
    """
    Never more ids are held than asked for; what was lost for it is told of.
    """
    world = attrs.evolve(world, remember=most)
    follower = Follower(world).run()
    assert follower.held <= most
    assert set(follower.yielded) == committed(world) or follower.forgot


@FEW
@given(worlds())
def test_a_late_line_comes_soon(world: World) -> None:
    """
    Where no connection fails it comes with the next check, which is at most 30 seconds away.
    """
    world = attrs.evolve(world, lifetimes=(), refused=(), dwell=0.0, restarts=frozenset())
    follower = Follower(world).run()
    longest = CHECK_EVERY + world.latency + world.tick
    for line in world.lines:
        assert follower.yielded[line.id] <= line.committed + longest + 1e-6


@FEW
@given(worlds(latest=0.0), st.data())
def test_without_settle_nothing_is_held_and_nothing_checked(
    world: World, data: st.DataObject
) -> None:
    """
    The order of the ids is trusted: only broken connections are made again.
    """
    settle = data.draw(st.sampled_from([0, 0.0]))
    follower = Follower(attrs.evolve(world, settle=settle)).run()
    assert set(follower.yielded) == committed(world)
    assert (follower.checks, follower.held, follower.moments) == (0, 0, 0)
    assert follower.ledger.floor == max(committed(world), default=0)


def busy(seed: int, *, lines: int, every: float, settle: float, writers: int = 3) -> World:
    """
    Return a world in which several writers write batches without pause, with drops.
    """
    chance = random.Random(seed)
    made: list[Line] = []
    now, number = 0.0, chance.randrange(10**6)
    free = [0.0] * writers
    while len(made) < lines:
        now += every * chance.random() * 2
        writer = chance.randrange(writers)
        if free[writer] > now:
            continue
        free[writer] = now + chance.choice([0.0, settle / 3, settle]) * chance.random()
        for _ in range(chance.randint(1, 5)):
            number += chance.choice([1, 1, 1, 1 + chance.randrange(2_000)])
            made.append(Line(free[writer], number))
    return World(
        lines=tuple(made),
        settle=settle,
        lifetimes=tuple(chance.expovariate(0.1) for _ in range(chance.randrange(40))),
        refused=tuple(chance.random() < 0.2 for _ in range(40)),
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_log_is_whole_and_costs_little(seed: int) -> None:
    """
    Thousands of lines by three writers, many of them late.

    While lines keep coming it is asked every 30 seconds, and what is held is bounded by that.
    """
    world = busy(seed, lines=4_000, every=0.05, settle=2.0)
    length = max(line.committed for line in world.lines)
    follower = Follower(world).run()
    assert set(follower.yielded) == committed(world)
    assert follower.late > 100
    assert follower.checks <= length / CHECK_EVERY + 3
    assert follower.moments <= 20 * (CHECK_EVERY + world.settle) / world.settle + 40
    assert follower.held < len(world.lines) / 3


@pytest.mark.parametrize("seed", range(5))
def test_a_bookmark_of_any_item_loses_and_repeats_nothing(seed: int) -> None:
    """
    Stopped after each single line in turn and gone on with by another process.

    Also within the answer to a check, the late lines of which are handed out in part.
    """
    world = busy(seed, lines=50, every=0.3, settle=2.0)
    for number in range(1, len(world.lines) + 1):
        stopped = attrs.evolve(world, restarts=frozenset({number}), downtime=number % 5)
        assert set(Follower(stopped).run().yielded) == committed(world)


def test_what_was_yielded_is_not_new() -> None:
    """
    Anything at or below the floor is not new either; what lies between is.
    """
    ledger = Ledger(10)
    assert ledger.floor == 10
    assert [ledger.last_id] == [None]
    assert not is_new(ledger, 10)
    assert is_new(ledger, 11)
    assert ledger.yielded([13]) == 0
    assert not is_new(ledger, 13)
    assert is_new(ledger, 12)
    assert ledger.yielded([12]) == 1
    assert ledger.last_id == 13
    assert list(ledger.known) == [12, 13]
    assert ledger.held == 2
    assert ledger.floor == 10


def test_an_answer_settles_what_was_seen_settle_before() -> None:
    """
    It does not settle what was seen later, whose lower ids may still be on their way.
    """
    ledger = Ledger(settle=10)
    for number, now in [(5, 100.0), (8, 104.0)]:
        ledger.saw(number, now)
        ledger.yielded([number])
    ledger.settled(109.9)
    assert ledger.floor == 0
    ledger.settled(110.0)
    assert ledger.floor == 5
    assert list(ledger.known) == [8]
    ledger.settled(114.0)
    assert ledger.floor == 8
    assert ledger.held == 0


def test_a_check_is_due_settle_after_the_last_line() -> None:
    """
    No check is due once an answer has settled that line.
    """
    ledger = Ledger(settle=10)
    assert ledger.check_at() is ledger.settled_at() is None
    ledger.saw(5, 100.0)
    ledger.yielded([5])
    ledger.saw(6, 103.0)
    ledger.yielded([6])
    assert ledger.check_at() == ledger.settled_at() == 113.0
    ledger.settled(113.0)
    assert ledger.check_at() is ledger.settled_at() is None
    ledger.saw(7, 500.0)
    assert ledger.check_at() == 510.0


def test_lines_that_come_close_together_settle_with_the_last_of_them() -> None:
    """
    They are one moment, and its end counts: rather too late than too early.
    """
    ledger = Ledger(settle=10)
    for number, now in [(5, 100.0), (6, 100.4)]:
        ledger.saw(number, now)
        ledger.yielded([number])
    assert len(ledger._moments) == 1
    ledger.settled(110.3)
    assert ledger.floor == 0
    ledger.settled(110.4)
    assert ledger.floor == 6


def test_a_check_is_due_after_30_seconds_while_lines_keep_coming() -> None:
    """
    Counted from the first line, then from the last answer.
    """
    ledger = Ledger(settle=10)
    for second in range(100, 130):
        ledger.saw(second, float(second))
        ledger.yielded([second])
    assert ledger.settled_at() == 139.0
    assert ledger.check_at() == 130.0
    ledger.settled(130.0)
    assert ledger.floor == 120
    assert ledger.check_at() == 139.0
    ledger.saw(200, 155.0)
    assert ledger.check_at() == 160.0


def test_a_late_line_needs_no_check_of_its_own() -> None:
    """
    It settles with the newer line that was seen before it.
    """
    ledger = Ledger(settle=10)
    ledger.saw(9, 100.0)
    ledger.yielded([9])
    ledger.saw(7, 110.0)
    ledger.yielded([7])
    assert ledger.check_at() == 110.0
    ledger.settled(110.0)
    assert ledger.check_at() is None
    assert ledger.floor == 9


@given(st.floats(0, 1e6), st.floats(0.001, 100))
def test_an_answer_asked_for_when_it_is_due_settles(seen: float, settle: float) -> None:
    """
    No rounding of floating numbers makes a check that has to be made again.
    """
    ledger = Ledger(settle=settle)
    ledger.saw(5, seen)
    ledger.yielded([5])
    due = ledger.settled_at()
    assert due is not None
    ledger.settled(due)
    assert ledger.check_at() is None


@pytest.mark.parametrize("settle", [0.5, 10.0, 60.0])
def test_moments_are_bounded_while_lines_come_without_end(settle: float) -> None:
    """
    An hour of lines with a check whenever one is due.
    """
    ledger = Ledger(settle=settle)
    most = checks = 0
    for number in range(1, 36_001):
        now = number / 10
        ledger.saw(number, now)
        ledger.yielded([number])
        most = max(most, len(ledger._moments))
        due = ledger.check_at()
        if due is not None and now >= due:
            ledger.settled(now)
            checks += 1
    assert 100 <= checks <= 3600 / CHECK_EVERY
    assert ledger.held <= 10 * (CHECK_EVERY + settle * 21 / 20) + 2
    assert most <= 20 * (CHECK_EVERY + settle) / settle + 2


def test_moments_are_bounded_where_no_check_can_be_made() -> None:
    """
    Hours of lines while each new connection is refused: no more of them than ids are held.
    """
    ledger = Ledger(settle=1, remember=100)
    most = 0
    for number in range(1, 20_001):
        ledger.saw(number, float(number))
        ledger.yielded([number])
        assert ledger.held <= 100
        most = max(most, len(ledger._moments))
    assert ledger.forgot
    assert most <= 101
    assert ledger.check_at() == 1.0 + CHECK_EVERY


def test_past_remember_the_floor_rises() -> None:
    """
    The lowest are forgotten, a tenth more than needed, and count as done.
    """
    ledger = Ledger(remember=20)
    for number in range(1, 21):
        ledger.yielded([number * 10])
    assert [ledger.forgot] == [False]
    assert (ledger.floor, ledger.held) == (0, 20)
    ledger.yielded([210])
    assert ledger.forgot
    assert (ledger.floor, ledger.held) == (30, 18)
    assert min(ledger.known) == 40
    assert not is_new(ledger, 15)


def test_a_line_that_waits_while_the_floor_rises_is_not_held() -> None:
    """
    The bookmark that is taken then can be read.
    """
    ledger = Ledger(remember=10)
    for number in range(100, 110):
        ledger.yielded([number])
    for number in (50, 60, 70):  # late ones, from one answer
        ledger.yielded([number])
    assert ledger.forgot
    assert ledger.floor >= 60
    assert all(number > ledger.floor for number in ledger.known)
    bookmark = Bookmark.of(AGENT, ledger.floor, ledger.known)
    assert Bookmark.read(str(bookmark), AGENT) == bookmark


def test_restored_ids_count_as_yielded_and_as_seen_now() -> None:
    """
    A check is due settle later; the newest of them is the last id.
    """
    ledger = Ledger(10, settle=5)
    ledger.restore([12, 15], 100.0)
    assert ledger.last_id == 15
    assert not is_new(ledger, 12)
    assert is_new(ledger, 13)
    assert ledger.check_at() == 105.0
    ledger.settled(104.9)
    assert ledger.floor == 10
    ledger.settled(105.0)
    assert (ledger.floor, ledger.held, ledger.check_at()) == (15, 0, None)


@pytest.mark.measured
def test_nothing_restored_is_nothing_seen() -> None:
    """
    A floor alone needs no check.
    """
    ledger = Ledger(10)
    ledger.restore([], 100.0)
    assert ledger.last_id is None
    assert ledger.check_at() is None
    assert (ledger.floor, ledger.held) == (10, 0)


def test_more_is_restored_than_is_held() -> None:
    """
    The lowest are forgotten, none comes twice, and the others never fill the memory.
    """
    ledger = Ledger(remember=100)
    tracemalloc.start()
    try:
        ledger.restore(iter(range(1, 50_001)), 0.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ledger.forgot
    assert ledger.held <= 100
    assert ledger.last_id == 50_000
    assert not any(is_new(ledger, number) for number in range(1, 50_001))
    assert is_new(ledger, 50_001)
    assert peak < 100_000  # a fifteenth of what all of them take


@pytest.mark.measured
def test_without_settle_a_bookmark_is_held_until_the_first_answer() -> None:
    """
    What lies between its ids is in that answer; then the order of the ids is trusted again.
    """
    ledger = Ledger(10, settle=0)
    ledger.restore([12, 15], 100.0)
    assert ledger.check_at() is None
    assert [number for number in (11, 12, 13, 15, 16) if is_new(ledger, number)] == [11, 13, 16]
    ledger.yielded([11])
    assert ledger.floor == 10
    bookmark = Bookmark.of(AGENT, ledger.floor, ledger.known)
    assert Bookmark.read(str(bookmark), AGENT).ranges == ((11, 12), (15, 15))
    ledger.yielded([13])
    ledger.yielded([16])
    ledger.settled(100.0)
    assert (ledger.floor, ledger.held) == (16, 0)
    ledger.yielded([20])
    assert (ledger.floor, ledger.held) == (20, 0)


def test_without_settle_the_floor_never_falls() -> None:
    """
    It does not fall even where a message is not in the order of its ids.
    """
    ledger = Ledger(settle=0)
    for number in (3, 9, 5):
        ledger.yielded([number])
    assert (ledger.floor, ledger.last_id, ledger.held) == (9, 9, 0)


@given(
    st.lists(st.integers(1, 30), max_size=12),
    st.lists(st.integers(1, 40), max_size=12),
    st.integers(0, 10),
)
def test_which_lines_are_new_is_the_same_for_many_as_one_by_one(
    yielded: list[int], asked: list[int], floor: int
) -> None:
    """
    Above the floor, not yielded, and not twice; None says that all are new.
    """
    ledger = Ledger(floor)
    for number in yielded:
        ledger.yielded([number])
    met = set(yielded)
    expected = []
    for number in asked:
        expected.append(number > floor and number not in met)
        met.add(number)

    answer = ledger.new_among(asked)

    assert ([True] * len(asked) if answer is None else answer) == expected


@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=6), max_size=5))
def test_handed_out_in_batches_or_one_by_one_counts_the_same(batches: list[list[int]]) -> None:
    """
    The late ones, the newest, the floor and what is known.
    """
    for settle in (0.0, 10.0):
        whole, single = Ledger(3, settle=settle), Ledger(3, settle=settle)
        for batch in batches:
            foreseen = whole.late_among(batch)
            late = whole.yielded(batch)
            assert late == foreseen == sum(single.yielded([number]) for number in batch)
            assert (whole.last_id, whole.floor) == (single.last_id, single.floor)
            assert list(whole.known) == list(single.known)


def test_the_newest_of_a_message_is_found_in_any_order() -> None:
    """
    Its last line is it only where its ids ascend.
    """
    ledger = Ledger()
    ascending, other = [3, 5, 9], [10, 30, 20]

    assert ledger.new_among(ascending) is None
    assert ledger.newest_of(ascending) == 9
    assert ledger.new_among(other) == [True] * 3
    assert ledger.newest_of(other) == 30
