"""
The table of results: ratios, bounds, verdicts; for the terminal and for the documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from contest.rounds import Result
from contest.rows import Contest

HEADINGS = ("CPU", "wall", "ratio", "bound", "")

_LABEL = 50  # characters
_WIDTHS = (10, 10, 8, 8)


@attrs.frozen
class Line:
    """
    One contestant's line, its figures as text.

    Attributes:
        label: the contestant's name.
        cpu: CPU time, or memory.
        wall: wall-clock time.
        ratio: the ratio to the limit.
        bound: the maximum ratio.
        verdict: "ok" or "MISSED" if there is a bound, "limit" for a limit.
        absent: why there are no figures.
    """

    label: str
    cpu: str = ""
    wall: str = ""
    ratio: str = ""
    bound: str = ""
    verdict: str = ""
    absent: str = ""


def compared(contest: Contest, results: Sequence[Result], slack: float = 1.0) -> list[Line]:
    """
    Return a line for each of *results*; each bound is multiplied by *slack*.
    """
    by_label = {result.contestant.label: result for result in results}
    limits = {result.contestant.against for result in results}
    lines = []
    for result in results:
        limit = by_label.get(result.contestant.against)
        line = _line(contest, result, limit, slack)
        if result.contestant.label in limits and not line.absent:
            line = attrs.evolve(line, verdict="limit")
        lines.append(line)
    return lines


def _line(contest: Contest, result: Result, limit: Result | None, slack: float) -> Line:
    label, bound = result.contestant.label, result.contestant.bound
    shown = ""
    if bound is not None:
        shown = f"{bound * slack:.2f}" if result.contestant.against else size(bound * slack)
    if result.absent:
        return Line(label, bound=shown, absent=f"absent: {result.absent}")
    ratio = _ratio(contest, result, limit)
    verdict = ""
    if bound is not None and ratio is not None:
        verdict = "ok" if ratio <= bound * slack else "MISSED"
    return Line(
        label,
        cpu=size(result.bytes) if contest.measure == "bytes" else time(result.cpu),
        wall="" if contest.measure == "bytes" else time(result.wall),
        ratio="" if ratio is None or limit is None else f"{ratio:.2f}",
        bound=shown,
        verdict=verdict,
    )


def _ratio(contest: Contest, result: Result, limit: Result | None) -> float | None:
    if not result.contestant.against:
        value: float = getattr(result, contest.measure)
        return value
    if limit is None or limit.absent:
        return None
    return result.ratio_to(limit, contest.measure)


def time(seconds: float) -> str:
    """
    Return *seconds* with three significant digits and a suitable unit.
    """
    for unit, least in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= least:
            return f"{_digits(seconds / least)} {unit}"
    return f"{_digits(seconds * 1e6)} µs"


def size(count: float) -> str:
    """
    Return *count* bytes with three significant digits and a suitable unit.
    """
    for unit, least in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= least:
            return f"{_digits(count / least)} {unit}"
    return f"{count:.0f} B"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def missed(lines: Iterable[Line]) -> list[str]:
    """
    Return the labels of the lines whose ratio exceeds its bound.
    """
    return [line.label for line in lines if line.verdict == "MISSED"]


def text(contests: Sequence[Contest], lines: Mapping[str, Sequence[Line]]) -> str:
    """
    Return the table for a terminal of 120 columns.
    """
    rows = [_row("", HEADINGS)]
    for contest in contests:
        rows += ["", f"{contest.title}; {contest.unit}"]
        rows += [_text_row(line) for line in lines[contest.key]]
    return "\n".join(rows)


def _text_row(line: Line) -> str:
    if line.absent:
        return f"  {line.label:<{_LABEL}}  {line.absent}"
    return _row(line.label, (line.cpu, line.wall, line.ratio, line.bound, line.verdict))


def _row(label: str, cells: Sequence[str]) -> str:
    columns = "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=False))
    return f"  {label:<{_LABEL}}{columns}  {cells[-1]}".rstrip()


def rst(contests: Sequence[Contest], lines: Mapping[str, Sequence[Line]]) -> str:
    """
    Return the tables for the documentation, one for each contest.
    """
    blocks = []
    for contest in contests:
        blocks.append(f".. list-table:: {contest.title}; {contest.unit}\n   :header-rows: 1\n")
        first = "memory" if contest.measure == "bytes" else "CPU"
        rows = [("", first, *HEADINGS[1:])]
        for line in lines[contest.key]:
            verdict = line.absent or line.verdict
            rows.append((line.label, line.cpu, line.wall, line.ratio, line.bound, verdict))
        blocks += [_rst_row(row) for row in rows]
        blocks.append("")
    return "\n".join(blocks)


def _rst_row(cells: Sequence[str]) -> str:
    return "\n".join(
        f"   {'*' if not number else ' '} - {cell}".rstrip() for number, cell in enumerate(cells)
    )
