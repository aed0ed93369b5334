"""
Measure how long the command line takes to start.

``python benchmarks/cli_start.py`` prints the median times of ``coder-agents --help`` and of an import of click and
rich, and their ratio; it fails where the ratio is above 1.5.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

BOUND = 1.5
IMPORTS = (sys.executable, "-c", "import click, rich")
HELP = (sys.executable, "-c", "from coder_agents.cli import main; main()", "--help")


def seconds(command: Sequence[str]) -> float:
    """
    Return how long *command* takes.
    """
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def measure(rounds: int) -> tuple[float, float]:
    """
    Return the median seconds of the import and of the help, measured in turn.
    """
    pairs = [(seconds(IMPORTS), seconds(HELP)) for _ in range(rounds)]
    imports, helps = zip(*pairs, strict=True)
    return statistics.median(imports), statistics.median(helps)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Print the figures, and return 1 where the help takes too long.
    """
    parser = argparse.ArgumentParser(description="Measure the start of coder-agents.")
    parser.add_argument("--rounds", type=int, default=31, help="how often each is measured (31)")
    options = parser.parse_args(arguments)
    seconds(HELP)  # compiles the modules
    imports, helps = measure(options.rounds)
    ratio = helps / imports
    print(f"import click, rich    {1_000 * imports:6.1f} ms")
    print(f"coder-agents --help   {1_000 * helps:6.1f} ms")
    print(f"ratio                 {ratio:6.2f}, at most {BOUND}")
    return int(ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main())
