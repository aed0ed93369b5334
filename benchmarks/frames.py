"""
Measure the way from the JSON of a log to a data frame of pandas.

``python benchmarks/frames.py`` compares it with ``json.loads`` of the same text and
``pandas.DataFrame`` of its dicts, in CPU time, and fails where it takes more than twice as long.
The lines are equal in one case and all different in another one. Needs the extra ``data``; with
``--without-msgspec``, the extra ``fast`` is not used.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import attrs

MAX_RATIO = 2.0
SOURCES = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"source {number}")) for number in range(8)]
BEGIN = datetime(2026, 11, 22, 8, 36, 52, tzinfo=UTC)


@attrs.frozen
class Figures:
    """
    The medians of CPU time, in seconds.

    Attributes:
        plain: ``json.loads``, and ``pandas.DataFrame`` of its dicts.
        ours: ``from_json``, and ``export.to_frame`` of its lines.
        frame: ``export.to_frame`` alone, of lines that ``agent.logs()`` has returned.
    """

    plain: float
    ours: float
    frame: float

    @property
    def ratio(self) -> float:
        """
        How much longer ours takes.
        """
        return self.ours / self.plain


def repeated(count: int) -> bytes:
    """
    Return the JSON of *count* lines that differ only in their ids, as of a loop that waits.
    """
    return _body({"output": "Waiting for the database"} for _ in range(count))


def different(count: int) -> bytes:
    """
    Return the JSON of *count* lines of which no two have equal texts or times.
    """
    levels = ("debug", "info", "warn", "error")
    return _body(
        {
            "output": f"Compiled {number} of {count} in {number * 7919 % 9973} ms",
            "created_at": _time(number * 1237),
            "level": levels[number % len(levels)],
            "source_id": SOURCES[number % len(SOURCES)],
        }
        for number in range(count)
    )


def _body(lines: Iterable[Mapping[str, str]]) -> bytes:
    common = {"created_at": _time(0), "level": "info", "source_id": SOURCES[0]}
    numbered = [{"id": number, **common, **line} for number, line in enumerate(lines, 1)]
    return json.dumps(numbered, separators=(",", ":")).encode()


def _time(microseconds: int) -> str:
    moment = BEGIN + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def measured(body: bytes, rounds: int) -> Figures:
    """
    Return the medians of *rounds* rounds, each with every way once.
    """
    import pandas

    from coder_agents import export
    from coder_agents.schema import WorkspaceAgentLog, from_json

    lines = from_json(body, list[WorkspaceAgentLog])
    found = [
        (
            _cpu(lambda: pandas.DataFrame(json.loads(body))),
            _cpu(lambda: export.to_frame(from_json(body, list[WorkspaceAgentLog]))),
            _cpu(lambda: export.to_frame(lines)),
        )
        for _ in range(rounds)
    ]
    return Figures(*map(statistics.median, zip(*found, strict=True)))


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    made = work()
    took = time.process_time() - began
    del made  # after the clock has stopped
    return took


def main(arguments: Sequence[str]) -> int:
    """
    Print a line for each case; return 1 where one takes too long.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--without-msgspec", action="store_true")
    options = parser.parse_args(arguments)
    if options.without_msgspec:
        sys.modules["msgspec"] = None  # type: ignore[assignment]
    print(f"{options.lines} lines, CPU time in ms, medians of {options.rounds} rounds")
    print(f"{'':10} {'json + pandas':>14} {'ours':>8} {'ratio':>6} {'to_frame alone':>15}")
    worst = 0.0
    for name, make in (("repeated", repeated), ("different", different)):
        figures = measured(make(options.lines), options.rounds)
        plain, ours, frame = (1000 * each for each in attrs.astuple(figures))
        print(f"{name:10} {plain:14.0f} {ours:8.0f} {figures.ratio:6.2f} {frame:15.0f}")
        worst = max(worst, figures.ratio)
    return 1 if worst > MAX_RATIO else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
