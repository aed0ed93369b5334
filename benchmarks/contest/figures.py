"""
How much work is done, and what it cost.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator

import attrs


@attrs.frozen
class Scale:
    """
    How much of each work is done.

    Attributes:
        url: of the server that feeds the contestants.
        messages: log messages and metadata events of 20 KB.
        warm: those before them that are not measured.
        flow: messages and events of 20 KB that are read as bytes only.
        body: logs in the large body.
        bodies: times that it is read.
        short: bodies of 100 logs, and ten times as many agents.
        timed: small events whose way is timed.
        large: events of a megabyte or so.
        seconds: how long a busy log is followed.
        kept: logs that are kept to see what one costs.
        long: logs of a long stream.
        agents: agents in a list of workspaces.
        different: whether every line and every item has a time of its own, and lines alternate
            between sources; else times and sources repeat as a deployment repeats them.
    """

    url: str = ""
    messages: int = 1_000
    warm: int = 50
    flow: int = 3_000
    body: int = 100_000
    bodies: int = 2
    short: int = 300
    timed: int = 400
    large: int = 3
    seconds: int = 61  # so that both checks of its minute are in it
    kept: int = 20_000
    long: int = 300_000
    agents: int = 1_000
    different: bool = False


QUICK = Scale(
    messages=200,
    warm=20,
    flow=1_000,
    body=10_000,
    bodies=3,
    short=60,
    timed=100,
    long=60_000,
    agents=300,
)
"""
For a first look, and for the guard against regressions.
"""


@attrs.frozen
class Figures:
    """
    What one contestant's work cost: seconds, or bytes, for *count* pieces of it.
    """

    cpu: float = 0.0
    wall: float = 0.0
    bytes: float = 0.0
    count: int = 1


def drained(items: Iterable[object], *, warm: int, count: int, each: int = 1) -> Figures:
    """
    Take *warm* items, then measure the taking of *count* more, each of *each* pieces.

    Raises *ValueError* where fewer come.
    """
    taken = iter(items)
    _skip(taken, warm)
    cpu, wall = time.process_time(), time.perf_counter()
    _skip(taken, count)
    return Figures(
        cpu=time.process_time() - cpu, wall=time.perf_counter() - wall, count=count * each
    )


def _skip(items: Iterator[object], count: int) -> None:
    last = next(itertools.islice(items, count - 1, None), None) if count else ()
    if last is None:
        raise ValueError(f"fewer than {count} items came")


def repeated(work: Callable[[int], object], times: int, *, each: int = 1) -> Figures:
    """
    Do *work* once, then measure doing it *times* more; it is told the number of the time.
    """
    work(0)
    cpu, wall = time.process_time(), time.perf_counter()
    for number in range(times):
        work(number)
    return Figures(
        cpu=time.process_time() - cpu, wall=time.perf_counter() - wall, count=times * each
    )
