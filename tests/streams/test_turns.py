"""
The turns of the thread that follows many logs.
"""

from __future__ import annotations

import math

import pytest

from coder_agents.streams.turns import Turns


class Clock:
    """
    A clock that only a sleep moves, and the sleeps so far.
    """

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        """
        Sleep without waiting.
        """
        self.sleeps.append(seconds)
        self.now += seconds

    def turn(self, turns: Turns, deadline: float = math.inf) -> float:
        """
        Take a turn, and return for how long it waited.
        """
        before = self.now
        turns.begin(deadline)
        turns.end()
        return self.now - before


@pytest.fixture
def clock() -> Clock:
    """
    A clock.
    """
    return Clock()


def turns_of(logs: int, clock: Clock) -> Turns:
    """
    Return the turns of so many logs.
    """
    return Turns(logs, clock=lambda: clock.now, sleep=clock.sleep)


@pytest.mark.parametrize("logs", [1, 2, 24])
def test_few_logs_never_wait_for_a_turn(logs: int, clock: Clock) -> None:
    """
    A line of a few logs comes as soon as it arrives.
    """
    turns = turns_of(logs, clock)
    assert [clock.turn(turns) for _ in range(3)] == [0, 0, 0]
    assert not clock.sleeps


@pytest.mark.parametrize(("logs", "apart"), [(100, 0.004), (1_000, 0.04), (100_000, 0.04)])
def test_turns_of_many_logs_have_a_shortest_time_between_them(
    logs: int, apart: float, clock: Clock
) -> None:
    """
    The first turn is at once, and the others are a time apart that has an upper limit.
    """
    turns = turns_of(logs, clock)
    assert [clock.turn(turns) for _ in range(3)] == pytest.approx([0, apart, apart])


def test_no_turn_waits_beyond_its_deadline(clock: Clock) -> None:
    """
    A poll that must not wait does not, and one with a deadline waits no longer.
    """
    turns = turns_of(1_000, clock)
    turns.end()
    assert clock.turn(turns, 0.0) == 0
    assert clock.turn(turns, clock.now) == 0
    assert clock.turn(turns, clock.now + 0.01) == pytest.approx(0.01)


def test_a_turn_after_a_pause_does_not_wait(clock: Clock) -> None:
    """
    The first input after a pause is read at once.
    """
    turns = turns_of(1_000, clock)
    turns.end()
    clock.now += 1
    assert clock.turn(turns) == 0
