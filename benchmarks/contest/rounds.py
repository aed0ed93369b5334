"""
Rounds: every contestant once, each in a fresh process, then all of them again.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from contest import golang
from contest.figures import Figures, Scale
from contest.rows import Contest, Contestant, Measure
from contest.server import BENCHMARKS

PEER_ROUNDS = 3
"""
The rounds in which other libraries take part: most of the time is theirs, and they have no bounds.
"""

_TIMEOUT = 240.0  # seconds beyond which a contestant hangs

# Nothing is imported before the clock starts that the statement might import.
_IMPORTER = """
import sys, time
for name in sys.argv[2:]:
    sys.modules[name] = None
code = compile(sys.argv[1], "statement", "exec")
cpu, wall = time.process_time(), time.perf_counter()
exec(code)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print('{"cpu": %.9f, "wall": %.9f}' % (cpu, wall))
"""

Tell = Callable[[str], object]


class WorkError(Exception):
    """
    A contestant did not do its work.
    """


@attrs.frozen
class Result:
    """
    What a contestant's work cost, the median of all rounds for one piece.

    Attributes:
        contestant: whose it is.
        cpu: seconds of the process's CPU time.
        wall: seconds on the wall.
        bytes: memory.
        rounds: the figures of each round, in order.
        absent: why there is none of it.
    """

    contestant: Contestant
    cpu: float = 0.0
    wall: float = 0.0
    bytes: float = 0.0
    rounds: tuple[Figures, ...] = ()
    absent: str = ""

    @classmethod
    def of(cls, contestant: Contestant, rounds: Sequence[Figures]) -> Result:
        """
        Return the medians of *rounds*.
        """
        return cls(
            contestant,
            cpu=statistics.median(figures.cpu / figures.count for figures in rounds),
            wall=statistics.median(figures.wall / figures.count for figures in rounds),
            bytes=statistics.median(figures.bytes / figures.count for figures in rounds),
            rounds=tuple(rounds),
        )

    def ratio_to(self, limit: Result, measure: Measure) -> float:
        """
        Return the median of the ratios to *limit* in each round.

        In one round both ran within seconds of each other: what slows a machine for longer slows
        both, and does not count.
        """
        own: list[float] = [getattr(each, measure) / each.count for each in self.rounds]
        others: list[float] = [getattr(each, measure) / each.count for each in limit.rounds]
        return statistics.median(a / b for a, b in zip(own, others, strict=False))


def measured(
    contests: Sequence[Contest], scale: Scale, rounds: int, tell: Tell
) -> dict[str, list[Result]]:
    """
    Run all rounds; return the results of each contest under its key.

    *tell* is told what is done next. Raises *WorkError*.
    """
    figures: dict[Contestant, list[Figures]] = {}
    for number in range(rounds):
        for contest in contests:
            if number and contest.once:
                continue
            tell(f"round {number + 1} of {rounds}: {contest.key}")
            present = [one for one in contest.contestants if _runs(one, number)]
            for one, cost in _round(present, scale, contest.together):
                figures.setdefault(one, []).append(cost)
    return {
        contest.key: [
            Result.of(one, figures[one]) if one in figures else Result(one, absent=absent(one))
            for one in contest.contestants
        ]
        for contest in contests
    }


def _runs(contestant: Contestant, number: int) -> bool:
    """
    Return whether *contestant* is part of the round *number*, which begins at 0.
    """
    return (number < PEER_ROUNDS or not contestant.is_peer) and not absent(contestant)


def _round(
    contestants: Sequence[Contestant], scale: Scale, together: int
) -> list[tuple[Contestant, Figures]]:
    if not together:
        return [(one, _finished(one, _started(one, scale))) for one in contestants]
    started = [(one, _started(one, scale)) for _ in range(together) for one in contestants]
    return [(one, _finished(one, process)) for one, process in started]


@functools.cache
def absent(contestant: Contestant) -> str:
    """
    Return why *contestant* cannot run here; nothing where it can.
    """
    missing = [name for name in contestant.needs if importlib.util.find_spec(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    return golang.absent() if contestant.work.startswith("go.") else ""


def command(contestant: Contestant, scale: Scale) -> list[str | Path]:
    """
    Return the command that does the work of *contestant*.
    """
    room, _, work = contestant.work.partition(".")
    if room == "import":
        return [sys.executable, "-c", _IMPORTER, work, *contestant.without]
    given = json.dumps(attrs.asdict(attrs.evolve(scale, different=contestant.different)))
    if room == "go":
        return [golang.PROGRAM, work, given]
    return [sys.executable, "-m", "contest.worker", contestant.work, given, *contestant.without]


def _started(contestant: Contestant, scale: Scale) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(contestant, scale),
        cwd=BENCHMARKS,
        # A proxy of the environment is not part of the contest; bytecode is, as it is installed.
        env={
            **os.environ,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PYTHONDONTWRITEBYTECODE": "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finished(contestant: Contestant, process: subprocess.Popen[str]) -> Figures:
    with process:
        try:
            out, complaint = process.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    if process.returncode:
        raise WorkError(f"{contestant.label} ({contestant.work}): {complaint.strip()}")
    return Figures(**json.loads(out))
