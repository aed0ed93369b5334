"""
Threads that repeat a step, and the pauses after failures.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs
from driving import LIMIT, reached

from coder_agents import CoderError, Reconnect
from coder_agents.scheduling.workers import Workers
from coder_agents.transport import ClosedError


@attrs.frozen
class Noted(Reconnect):
    """
    Pauses of nearly no time, which keep after how many failures in a row they were requested.
    """

    requested: list[int] = attrs.field(factory=list, kw_only=True)

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """
        Note *attempt*.
        """
        self.requested.append(attempt)
        return 0.001


def test_failures_count_until_a_step_succeeds() -> None:
    """
    The pauses grow with the failures in a row, and begin again after a success.
    """
    pauses = Noted()
    reports: list[tuple[str, str]] = []
    workers = Workers("owner", lambda name, text: reports.append((name, text)), retry=pauses)
    outcomes = [CoderError("a"), CoderError("b"), None, CoderError("c"), ClosedError()]

    def step() -> None:
        error = outcomes.pop(0)
        if error is not None:
            raise error

    workers.start("the work", step)
    assert workers.join(LIMIT)
    assert outcomes == []
    assert pauses.requested == [1, 2, 1]
    texts = ["the work: a", "the work: b", "", "the work: c"]
    assert reports == [("the work", text) for text in texts]


def test_threads_that_have_ended_are_not_kept() -> None:
    """
    A program that runs for months starts a thread for each log that is opened.
    """
    workers = Workers("owner", lambda *report: None, retry=Reconnect())
    for _ in range(3):
        workers.run("once", lambda: None)
        reached(lambda: not workers._alive())
    assert len(workers._threads) == 1
