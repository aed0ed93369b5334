"""
Which agent is read next.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from driving import InThread

from coder_agents.scheduling.schedule import Schedule

IDS = [uuid.UUID(int=number) for number in range(4)]
HOUR = 3600.0
FAST = 1e9


def taken(schedule: Schedule, count: int) -> list[uuid.UUID | None]:
    """
    Return the next *count* agents, each of which is read without delay.
    """
    found = []
    for _ in range(count):
        found.append(schedule.take())
        if (last := found[-1]) is not None:
            schedule.done(last)
    return found


def test_every_agent_is_read_before_one_is_read_again() -> None:
    """
    The most overdue agent comes first, and new agents are due at once.
    """
    schedule = Schedule(interval=0.001, max_rate=FAST)
    schedule.keep(IDS[:2])
    assert sorted(map(str, taken(schedule, 2))) == sorted(map(str, IDS[:2]))
    schedule.keep(IDS)
    assert set(taken(schedule, 4)) == set(IDS)


def test_an_agent_that_is_listed_again_keeps_its_turn() -> None:
    """
    The list is read again and again: an agent in it is not due at once, nor given to a second thread.
    """
    schedule = Schedule(interval=HOUR, max_rate=FAST)
    schedule.keep(IDS[:2])
    first, second = schedule.take(), schedule.take()
    assert first is not None
    schedule.done(first)
    schedule.keep(IDS[:3])
    assert schedule.take() == IDS[2]
    schedule.done(IDS[2])
    assert schedule._turns[first].due > time.monotonic() + HOUR / 2
    reader = InThread(schedule.take)
    schedule.close()
    assert reader.ended() is None
    assert (second, reader.result) == (*(set(IDS[:2]) - {first}), None)


def test_new_agents_are_read_in_the_order_of_the_list() -> None:
    """
    A person sees the first ones first.
    """
    schedule = Schedule(interval=HOUR, max_rate=FAST)
    order = [IDS[2], IDS[0], IDS[3], IDS[1]]
    schedule.keep(order)
    assert taken(schedule, 4) == order


class Counted(dict[uuid.UUID, Any]):
    """
    The turns of a schedule, and how many of them were met.
    """

    met = 0

    def get(self, key: uuid.UUID, default: Any = None) -> Any:
        """
        Return one of them.
        """
        self.met += 1
        return super().get(key, default)

    def items(self) -> Any:
        """
        Return all of them.
        """
        self.met += len(self)
        return super().items()

    values = __iter__ = items


def test_the_next_agent_is_found_without_meeting_all_others() -> None:
    """
    With 10,000 agents, each thread would do that for each read of any of them.
    """
    schedule = Schedule(interval=0.001, max_rate=FAST)
    schedule.keep([uuid.UUID(int=number) for number in range(10_000)])
    turns = schedule._turns = Counted(schedule._turns)
    taken(schedule, 500)
    assert 500 <= turns.met < 500 * 10


def test_an_agent_is_read_by_one_thread_at_a_time() -> None:
    """
    It is not handed out again before its read has ended.
    """
    schedule = Schedule(interval=0.001, max_rate=FAST)
    schedule.keep(IDS[:1])
    assert schedule.take() == IDS[0]
    other = InThread(schedule.take)
    schedule.close()
    assert other.ended() is None
    assert other.result is None


def test_an_agent_that_is_not_listed_any_more_is_not_read() -> None:
    """
    The end of its last read changes nothing.
    """
    schedule = Schedule(interval=0.001, max_rate=FAST)
    schedule.keep(IDS[:2])
    first = schedule.take()
    assert first is not None
    [other] = set(IDS[:2]) - {first}
    schedule.keep([other])
    schedule.done(first)
    assert taken(schedule, 3) == [other] * 3


def test_an_agent_in_view_does_not_wait_for_the_pause_of_others() -> None:
    """
    Where the agents are too many, those that nobody sees are read more rarely.
    """
    schedule = Schedule(interval=HOUR, max_rate=1 / HOUR)
    schedule.keep(IDS)
    now = 0.0
    assert schedule._pause(IDS[0], 0) == 6 * HOUR
    schedule.prefer(IDS[:1])
    assert schedule._pause(IDS[0], 0) == HOUR
    assert schedule._pause(IDS[1], 0) == 6 * HOUR
    schedule._turns[IDS[2]].due = schedule._turns[IDS[3]].due = now + 1e12
    schedule._turns[IDS[3]].failures = 1
    schedule.prefer(IDS[2:])
    assert schedule._turns[IDS[2]].due < 1e12
    assert schedule._turns[IDS[3]].due == 1e12  # a failure is not repeated at once


def test_failures_postpone_the_next_read() -> None:
    """
    The pause grows up to a minute, and is never shorter than the interval.
    """
    schedule = Schedule(interval=5, max_rate=FAST)
    schedule.keep(IDS[:1])
    assert [schedule._pause(IDS[0], failures) for failures in (0, 1, 2, 9, 5000)] == [
        5,
        10,
        20,
        60,
        60,
    ]
    slow = Schedule(interval=90, max_rate=FAST)
    assert slow._pause(IDS[0], 1) == 90
    schedule.done(IDS[0], failed=True)
    assert schedule._turns[IDS[0]].failures == 1
    schedule.done(IDS[0])
    assert schedule._turns[IDS[0]].failures == 0


def test_nothing_is_read_while_the_deployment_is_away() -> None:
    """
    A thread that waits gets an agent after the release.
    """
    schedule = Schedule(interval=0.001, max_rate=FAST)
    schedule.hold()
    schedule.keep(IDS[:1])
    reader = InThread(schedule.take)
    reader.thread.join(0.05)
    assert reader.thread.is_alive()
    schedule.release()
    assert reader.ended() is None
    assert reader.result == IDS[0]


def test_reads_begin_at_a_gentle_rate() -> None:
    """
    A second read does not begin before its time, though its agent is overdue.
    """
    schedule = Schedule(interval=0.001, max_rate=1 / HOUR)
    schedule.keep(IDS[:2])
    assert schedule.take() is not None
    reader = InThread(schedule.take)
    reader.thread.join(0.05)
    assert reader.thread.is_alive()
    schedule.close()
    assert reader.ended() is None
    assert reader.result is None
