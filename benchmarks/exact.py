"""
Run commands while faults strike at random moments: each has to be exact, and executed once.

``python benchmarks/exact.py --runs 200`` prints, for each kind of command, how many runs were
wrong; it fails where one was.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from coder_agents import Agent
from coder_agents.testing import Deployment
from coder_agents.testing.faults.fault import Fault

FAULTS = (
    "drop",
    "reset",
    "stall",
    "never_attach",
    "lost_command",
    "lost_tail",
    "close",
    "not_connected",
)
ALL_BYTES = bytes(range(256))
BIG = 1_300_000
INPUT = 1_000_000


@attrs.frozen
class Kind:
    """
    A command, what it has to return, and the input that it gets.
    """

    name: str
    command: str
    returncode: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    input: bytes | None = None


def kinds() -> list[Kind]:
    """
    Return the kinds of commands.
    """
    octal = "".join(f"\\{byte:03o}" for byte in ALL_BYTES)
    big = b"".join(b"%07d\n" % number for number in range(BIG // 8))
    data = random.Random(0).randbytes(INPUT)
    digest = hashlib.sha256(data).hexdigest().encode()
    loop = "i=0; while [ $i -lt 200 ]; do echo $i; echo $i >&2; i=$((i+1)); done"
    numbers = b"".join(b"%d\n" % number for number in range(200))
    return [
        Kind("true", "true"),
        Kind("exit 7", "exit 7", 7),
        Kind("death by signal", "kill -KILL $$", -9),
        Kind("no newline at the end", "printf abc", 0, b"abc"),
        Kind("all 256 bytes", f"printf '{octal}'", 0, ALL_BYTES),
        Kind("1.3 MB", f"seq -f %07.0f 0 {BIG // 8 - 1}", 0, big),
        Kind("stderr only", "echo wrong >&2; exit 1", 1, b"", b"wrong\n"),
        Kind("both interleaved", loop, 0, numbers, numbers),
        Kind("1 MB of input", "sha256sum | cut -c1-64", 0, digest + b"\n", input=data),
    ]


def fault(deployment: Deployment, chance: random.Random, size: int) -> Fault:
    """
    Add one fault at a random moment of the next connection; return it.
    """
    name = chance.choice(FAULTS)
    options: dict[str, int] = {}
    if name in ("drop", "reset", "stall", "close"):
        side, most = chance.choice([("after_bytes", size + 600), ("after_input_bytes", 9000)])
        options[side] = chance.randrange(most)
    return deployment.faults.add(name, route="pty", **options)


def is_right(agent: Agent, kind: Kind, counter: Path) -> str:
    """
    Run *kind* once; return what was wrong, an empty string for nothing.
    """
    before = counter.stat().st_size if counter.exists() else 0
    done = agent.run(f"printf x >>{counter}; {kind.command}", input=kind.input)
    executed = counter.stat().st_size - before
    if executed != 1:
        return f"executed {executed} times"
    if done.returncode != kind.returncode:
        return f"return code {done.returncode}"
    if done.stdout != kind.stdout or done.stderr != kind.stderr:
        return f"output of {len(done.stdout)} and {len(done.stderr)} bytes"
    return ""


def main(arguments: Sequence[str]) -> int:
    """
    Run all kinds; return 1 where a run was wrong.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="the kinds whose names contain this")
    options = parser.parse_args(arguments)
    chosen = [kind for kind in kinds() if options.only in kind.name]
    return exact(options.runs, random.Random(options.seed), print, chosen)


def exact(
    runs: int,
    chance: random.Random,
    report: Callable[[str], object],
    chosen: Sequence[Kind] | None = None,
) -> int:
    """
    Run each kind, or each *chosen* one, *runs* times; return 1 where a run was wrong.
    """
    wrong = 0
    with Deployment() as deployment, tempfile.TemporaryDirectory() as folder:
        embedded = deployment.add_agent()
        with deployment.client() as client:
            agent = client.agent(embedded.id)
            for kind in kinds() if chosen is None else chosen:
                began = time.monotonic()
                failures: list[str] = []
                struck = 0
                for number in range(runs):
                    agent._shells(None, None).close()  # so that the fault meets a connection
                    met = fault(deployment, chance, len(kind.stdout))
                    counter = Path(folder) / "counter"
                    try:
                        if number % 2:
                            # The command then gets a supervisor that was started in advance.
                            agent.run("true")
                            time.sleep(0.1)
                        problem = is_right(agent, kind, counter)
                    except Exception as error:  # each counts
                        problem = f"{type(error).__name__}: {error}"
                    if problem:
                        failures.append(f"run {number}, {met.kind}: {problem}")
                    struck += met.struck
                    deployment.faults.clear()
                seconds = time.monotonic() - began
                report(
                    f"{kind.name:24} {runs} runs, {struck} struck, {len(failures)} wrong, {seconds:.0f} s"
                )
                for each in failures[:5]:
                    report(f"    {each}")
                wrong += len(failures)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
