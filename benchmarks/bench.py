"""
What this package's work costs, beside a limit and beside others, all measured in one run.

``python benchmarks/bench.py`` prints a table; it fails where a ratio is beyond its bound.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections.abc import Mapping, Sequence
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

ROUNDS = 5
GUARD_ROUNDS = 3
GUARD_SLACK = 1.6


def chosen(options: argparse.Namespace, scale: Scale) -> list[Contest]:
    """
    Return the contests that *options* ask for, with the sizes of *scale* in their titles.
    """
    wanted = [
        attrs.evolve(one, title=one.title.format(scale))
        for one in CONTESTS
        if fnmatch.fnmatch(one.key, options.only)
    ]
    if options.check:
        return [_without_peers(one) for one in wanted if one.guard]
    if options.quick:
        # A minute that is looked at for less has no check in it.
        return [one for one in wanted if not one.together or options.only != "*"]
    return wanted


def _without_peers(contest: Contest) -> Contest:
    limits = {one.against for one in contest.contestants if one.bound is not None}
    compared = [one for one in contest.contestants if _is_compared(one, limits)]
    return attrs.evolve(contest, contestants=tuple(compared))


def _is_compared(contestant: Contestant, limits: set[str]) -> bool:
    return contestant.bound is not None or contestant.label in limits


def tell(text: str) -> None:
    """
    Say what is done next, where somebody watches.
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


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """
    Return the options of the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, help="how many rounds the medians are of")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="contests by their keys")
    parser.add_argument("--quick", action="store_true", help="less work, and two rounds")
    parser.add_argument("--write", action="store_true", help="write the documentation's figures")
    parser.add_argument("--check", action="store_true", help="the guard: less work, wider bounds")
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.check or options.only != "*"):
        parser.error("--write is for whole runs")
    if options.rounds is None:
        options.rounds = GUARD_ROUNDS if options.check else 2 if options.quick else ROUNDS
    return options


def main(arguments: Sequence[str]) -> int:
    """
    Run the contests that the arguments ask for and print their table.
    """
    options = parsed(arguments)
    scale = QUICK if options.quick or options.check else Scale()
    contests = chosen(options, scale)
    began = time.monotonic()
    try:
        with serving(scale) as fed:
            results = measured(contests, fed, options.rounds, tell)
    except WorkError as error:
        print(error, file=sys.stderr)
        return 2
    tell("")
    slack = GUARD_SLACK if options.check else 1.0
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
