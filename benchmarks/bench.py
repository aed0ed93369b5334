"""
Measure the cost of this package's work, compared with a limit and with other libraries, in one run.

``python benchmarks/bench.py`` prints a table; it fails where a ratio exceeds its bound.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
from contest import machine, plot, table
from contest.contests import CONTESTS
from contest.figures import QUICK, Scale
from contest.rounds import Result, WorkError, measured
from contest.rows import Contest, Contestant
from contest.server import serving

DOCS = Path(__file__).parent.parent / "docs"
TABLE = DOCS / "bench_table.rst"
PLOT = DOCS / "_static" / "bench.svg"

ROUNDS = 7
GUARD_ROUNDS = 3
GUARD_REPEATS = 2
GUARD_SLACK = 1.6


def selected(options: argparse.Namespace, scale: Scale) -> list[Contest]:
    """
    Return the contests that *options* select, with the sizes of *scale* in their titles.
    """
    wanted = [
        attrs.evolve(one, title=one.title.format(scale))
        for one in CONTESTS
        if fnmatch.fnmatch(one.key, options.only)
    ]
    if options.check:
        return [_without_peers(one) for one in wanted if one.guard]
    if options.quick:
        # A quick run of these contests is too short to contain a check.
        return [one for one in wanted if not one.together or options.only != "*"]
    return wanted


def _without_peers(contest: Contest) -> Contest:
    limits = {one.against for one in contest.contestants if one.bound is not None}
    compared = [one for one in contest.contestants if _is_compared(one, limits)]
    return attrs.evolve(contest, contestants=tuple(compared))


def _is_compared(contestant: Contestant, limits: set[str]) -> bool:
    return contestant.bound is not None or contestant.label in limits


def show_progress(text: str) -> None:
    """
    Show the current step where the output is a terminal.
    """
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def written(
    contests: Sequence[Contest],
    results: Mapping[str, Sequence[Result]],
    lines: Mapping[str, Sequence[table.Line]],
    rounds: int,
) -> None:
    """
    Write the table and the plot of the documentation.
    """
    about = [*machine.described(), f"Rounds: {rounds}, their medians are shown"]
    text = [".. Written by `make bench ARGS=--write`.", "", *(f"| {line}." for line in about), ""]
    TABLE.write_text("\n".join(text) + "\n" + table.rst(contests, lines), encoding="utf-8")
    plot.drawn(contests, results, PLOT)


def measure_again(
    contests: Sequence[Contest],
    results: dict[str, list[Result]],
    scale: Scale,
    slack: float,
    tell: Callable[[str], object],
) -> None:
    """
    Measure the contests with a missed bound twice more, and replace their *results*.

    A regression misses its bound each time, a machine that is busy for some seconds does not.
    """
    for _ in range(GUARD_REPEATS):
        missed = [
            one for one in contests if table.missed(table.compared(one, results[one.key], slack))
        ]
        if missed:
            results.update(measured(missed, scale, GUARD_ROUNDS, tell))


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """
    Return the options of the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, help="number of rounds for the medians")
    parser.add_argument(
        "--only", default="*", metavar="PATTERN", help="run the contests whose keys match"
    )
    parser.add_argument("--quick", action="store_true", help="less work and two rounds")
    parser.add_argument(
        "--write", action="store_true", help="write the table and the plot of the documentation"
    )
    parser.add_argument(
        "--check", action="store_true", help="less work and wider bounds, as a guard"
    )
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.check or options.only != "*"):
        parser.error("--write needs a complete run")
    if options.rounds is None:
        options.rounds = GUARD_ROUNDS if options.check else 2 if options.quick else ROUNDS
    return options


def main(arguments: Sequence[str]) -> int:
    """
    Run the contests that the arguments select, and print their table.
    """
    options = parsed(arguments)
    scale = QUICK if options.quick or options.check else Scale()
    contests = selected(options, scale)
    began = time.monotonic()
    slack = GUARD_SLACK if options.check else 1.0
    try:
        with serving(scale) as fed:
            results = measured(contests, fed, options.rounds, show_progress)
            if options.check:
                measure_again(contests, results, fed, slack, show_progress)
    except WorkError as error:
        print(error, file=sys.stderr)
        return 2
    show_progress("")
    lines = {one.key: table.compared(one, results[one.key], slack) for one in contests}
    print(table.text(contests, lines))
    print("", *machine.described(), sep="\n")
    print(f"Rounds: {options.rounds}, their medians are shown. {time.monotonic() - began:.0f} s.")
    if options.write:
        written(contests, results, lines, options.rounds)
    broken = [f"{one.title}: {who}" for one in contests for who in table.missed(lines[one.key])]
    print("", *(f"beyond its bound: {text}" for text in broken), sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
