"""
Measure commands and files on an agent, beside a bare terminal that does the same in the same run.

``python benchmarks/commands.py`` prints a table; it fails where a figure exceeds its bound.
``--write`` writes it into the documentation, and ``--check`` measures only what a busy machine
does not change.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
from agent_stage import AgentStage, agent_staged
from contest import machine
from ssh_localhost import SkippedError, ssh_runner

DOCS = Path(__file__).parent.parent / "docs"
TABLE = DOCS / "commands_table.rst"

MIB = 2**20
OUTPUT = 100_000_000
FILE = 10_000_000
LINE = b"a line of the output of an ordinary command, of eighty characters with its end\n"


@attrs.frozen
class Row:
    """
    One figure: its bound is the greatest value, or the least where the figure is a rate.
    """

    title: str
    figure: str
    ratio: str = ""
    bound: str = ""
    is_met: bool = True


@attrs.frozen
class Plan:
    """
    How much is measured.
    """

    rounds: int
    runs: int
    output: int
    waiting: float


def at_most(title: str, figure: str, value: float, bound: float, unit: str = "") -> Row:
    """
    Return a row whose *value* may be *bound* at most.
    """
    return Row(title, figure, f"{value:.2f}{unit}", f"≤ {bound:g}{unit}", value <= bound)


def at_least(title: str, figure: str, value: float, bound: float) -> Row:
    """
    Return a row whose *value* has to be *bound* at least.
    """
    return Row(title, figure, f"{value:.2f}", f"≥ {bound:g}", value >= bound)


def took(act: Callable[[], object]) -> float:
    """
    Return the seconds that *act* takes.
    """
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def milliseconds(seconds: float) -> str:
    """
    Return *seconds* for the table.
    """
    return f"{seconds * 1000:.1f} ms"


# ---- The commands


def round_trips(stage: AgentStage, plan: Plan) -> Iterator[Row]:
    """
    Count connections and messages, which no busy machine changes.
    """
    before = stage.call("connections")
    with stage.client_of_its_own() as agent:
        agent.run("true")
    title = 'run("true") from nothing: connections'
    count = stage.call("connections") - before
    yield at_most(title, str(count), count, 1)
    stage.agent.run("true")
    before = stage.call("messages")
    for _ in range(10):
        stage.agent.run("true")
    stage.agent.jobs()
    trips = (stage.call("messages") - before - 1) / 10
    title = 'run("true") on an open control shell: requests'
    yield at_most(title, f"{trips:g}", trips, 2)


def latencies(stage: AgentStage, plan: Plan) -> Iterator[Row]:
    """
    Measure ``true``: over a bare terminal, from nothing, on an open control shell, and over SSH.
    """
    with contextlib.ExitStack() as stack:
        skipped = ""
        ssh: Callable[[], object] | None = None
        try:
            ssh = stack.enter_context(ssh_runner())
        except SkippedError as error:
            skipped = str(error)
        bare: list[float] = []
        nothing: list[float] = []
        opened: list[float] = []
        over_ssh: list[float] = []
        stage.agent.run("true")
        for _ in range(7 * plan.rounds):
            bare.append(took(lambda: stage.run_bare("true")))
            opened.append(took(lambda: stage.agent.run("true")))
            with stage.client_of_its_own() as agent:
                nothing.append(took(lambda agent=agent: agent.run("true")))  # type: ignore[misc]
            if ssh is not None:
                over_ssh.append(took(ssh))
    limit = statistics.median(bare)
    yield Row("bare terminal: true", milliseconds(limit))
    yield Row('run("true") from nothing', milliseconds(statistics.median(nothing)))
    value = statistics.median(opened)
    ratio = statistics.median([a / b for a, b in zip(opened, bare, strict=True)])
    yield at_most('run("true") on an open control shell', milliseconds(value), ratio, 1.3)
    title = 'subprocess.run(["ssh", "localhost", "true"])'
    figure = milliseconds(statistics.median(over_ssh)) if over_ssh else f"skipped: {skipped}"
    yield Row(title, figure)
    in_a_row = took(lambda: [stage.agent.run("true") for _ in range(100)])
    yield Row("100 runs in a row", f"{in_a_row:.1f} s")


def nothing_is_left(stage: AgentStage, plan: Plan) -> Iterator[Row]:
    """
    Run many commands, and count the folders and the processes that are left.
    """
    with stage.client_of_its_own() as agent:
        for _ in range(plan.runs):
            agent.run("echo out; echo err >&2", input=b"in")
        assert agent.jobs() == []
    folders, processes = stage.call("left_after", 10.0)
    title = f"{plan.runs} runs: job folders and processes left"
    yield at_most(title, f"{folders} and {processes}", folders + processes, 0)


def waiting(stage: AgentStage, plan: Plan) -> Iterator[Row]:
    """
    Measure the processor time that a running job costs the agent while somebody waits.
    """
    with stage.client_of_its_own() as agent:
        job = agent.start_job(f"exec sleep {plan.waiting + 3}")
        before = stage.call("cpu_seconds")
        with contextlib.suppress(subprocess.TimeoutExpired):
            job.wait(timeout=plan.waiting)
        share = (stage.call("cpu_seconds") - before) / plan.waiting * 100
        job.kill()
        job.wait()
        job.remove()
    title = f"processor of the agent while somebody waits, {plan.waiting:g} s"
    yield at_most(title, f"{share:.2f} % of a core", share, 2, " %")


# ---- Outputs and files


def outputs(stage: AgentStage, plan: Plan) -> Iterator[Row]:
    """
    Receive a large output, of lines and of random bytes, into a file.
    """
    for kind in ("lines", "random bytes"):
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "source", Path(folder) / "target"
            _fill(source, plan.output, kind)
            ratios, rates, memory = [], [], 0.0
            for _ in range(plan.rounds):
                bare = took(lambda path=source: stage.cat_bare(path, plan.output))  # type: ignore[misc]
                begin = _begin_of_peak()
                seconds = took(lambda a=source, b=target: _run_into(stage, a, b))  # type: ignore[misc]
                memory = max(memory, _peak() - begin)
                assert _digest(source) == _digest(target), "the output is not exact"
                ratios.append(bare / seconds)
                rates.append((plan.output / seconds / 1e6, plan.output / bare / 1e6))
        title = f"{plan.output / 1e6:g} MB of {kind} into a file"
        yield at_least(title, _rates(rates), statistics.median(ratios), 0.7)
        title = f"{title}: memory of the client"
        yield at_most(title, f"{memory / MIB:.1f} MiB", memory / MIB, 32, " MiB")


def files(stage: AgentStage, plan: Plan) -> Iterator[Row]:
    """
    Read and write a file of lines and one of random bytes.
    """
    for kind in ("lines", "random bytes"):
        reads, writes = [], []
        read_ratios, write_ratios = [], []
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "source", Path(folder) / "target"
            _fill(source, FILE, kind)
            data = source.read_bytes()
            for _ in range(plan.rounds):
                bare = took(lambda path=source: stage.cat_bare(path, FILE))  # type: ignore[misc]
                read = took(lambda path=source: stage.agent.read_file(str(path)))  # type: ignore[misc]
                write = took(lambda d=data, path=target: stage.agent.write_file(str(path), d))  # type: ignore[misc]
                assert target.read_bytes() == data == stage.agent.read_file(str(target))
                reads.append((FILE / read / 1e6, FILE / bare / 1e6))
                writes.append((FILE / write / 1e6, FILE / bare / 1e6))
                read_ratios.append(bare / read)
                write_ratios.append(bare / write)
        read_ratio, write_ratio = statistics.median(read_ratios), statistics.median(write_ratios)
        yield at_least(f"read_file, 10 MB of {kind}", _rates(reads), read_ratio, 0.5)
        yield at_least(f"write_file, 10 MB of {kind}", _rates(writes), write_ratio, 0.5)


def _run_into(stage: AgentStage, source: Path, target: Path) -> None:
    with target.open("wb") as file:
        done = stage.agent.run(["cat", str(source)], stdout=file)
    assert (done.returncode, done.stderr) == (0, b"")


def _rates(rates: Sequence[tuple[float, float]]) -> str:
    ours, bare = (statistics.median(column) for column in zip(*rates, strict=True))
    return f"{ours:.0f} MB/s, bare terminal {bare:.0f} MB/s"


def _fill(path: Path, size: int, kind: str) -> None:
    block = os.urandom(2**20) if kind == "random bytes" else LINE * (2**20 // len(LINE))
    with path.open("wb") as file:
        left = size
        while left:
            left -= file.write(block[:left])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _begin_of_peak() -> int:
    # The kernel then forgets the peak so far.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory("VmRSS")


def _peak() -> int:
    return _memory("VmHWM")


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


# ---- The table


STABLE = (round_trips, waiting, nothing_is_left)
ALL = (round_trips, latencies, outputs, files, waiting, nothing_is_left)


def measured(plan: Plan, only: str, *, check: bool) -> Iterator[Row]:
    """
    Yield the rows of the measurements whose names contain *only*.
    """
    for measure in STABLE if check else ALL:
        if only in measure.__name__:
            with agent_staged() as stage:
                yield from measure(stage, plan)


def table(rows: Sequence[Row]) -> str:
    """
    Return *rows* as a table of reStructuredText.
    """
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 45 35 10 10", ""]
    for cells in [
        ("what", "figure", "measured", "bound"),
        *[(row.title, row.figure, row.ratio, row.bound) for row in rows],
    ]:
        lines += [f"   {' ' if n else '*'} - {cell}".rstrip() for n, cell in enumerate(cells)]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """
    Print the rows; return 1 where a bound was missed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", default="", help="the measurements whose names contain this")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name} in docs/")
    parser.add_argument("--check", action="store_true", help="less work, and no rates")
    options = parser.parse_args(arguments)
    if options.write and (options.check or options.only):
        parser.error("--write needs a complete run")
    plan = Plan(options.rounds, options.runs, OUTPUT, 10.0)
    if options.check:
        plan = attrs.evolve(plan, runs=100, waiting=4.0)
    rows = []
    for row in measured(plan, options.only, check=options.check):
        rows.append(row)
        mark = "" if row.is_met else "  BEYOND ITS BOUND"
        print(f"{row.title:62} {row.figure:36} {row.ratio:>9} {row.bound}{mark}", flush=True)
    if options.write:
        about = [*machine.described(), f"Rounds: {plan.rounds}, their medians are shown"]
        text = [".. Written by `python benchmarks/commands.py --write`.", ""]
        text += [*(f"| {line}." for line in about), "", table(rows)]
        TABLE.write_text("\n".join(text), encoding="utf-8")
    return 0 if all(row.is_met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
