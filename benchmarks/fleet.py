"""
Follow the logs of thousands of agents in one process, like a monitor, and show how the cost grows.

``python benchmarks/fleet.py`` prints for each number of agents: the seconds until all logs are open,
the client's processor time for each line, its memory for each agent, its threads and its file
descriptors, the checks for late lines, and how many lines were lost or repeated. It fails where a
figure of 1,000 agents exceeds its bound.

All agents together write *rate* lines a second, so each writes a line every few seconds. This is the
worst case for the checks, because nearly every line causes one. One line in fifty is committed late,
and comes from a check alone. The processor time contains the checks and the answers to the pings
that a deployment sends on each connection every 15 seconds.

The deployment runs in a process of its own, on the same machine, as does the client of each
measurement. ``--agents 100 300 1000 --rate 200 --seconds 60`` are the defaults. ``--tls`` follows
over TLS, ``--no-checks`` does without checks. ``--write`` measures up to 10,000 agents, and up to
1,000 over TLS, and writes the table of the documentation.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing.connection
import os
import sys
import threading
import time
from collections.abc import Sequence

import attrs
import crowd
import growth
from stage import running

from coder_agents import Client, StreamOptions

DRAIN = 16.0  # seconds after the last line: the checks of the last lines are part of their cost
MAX_DRAIN = 60.0  # seconds in which a line that was committed late has to come
WRITTEN = {False: (100, 1000, 3000, 10_000), True: (100, 1000)}  # without TLS, and with it
BOUND_AGENTS = 1000

HEADER = (
    "agents",
    "TLS",
    "open after",
    "CPU a line",
    "memory an agent",
    "threads",
    "descriptors",
    "checks",
    "late",
    "lost",
    "repeated",
)


@attrs.frozen
class Plan:
    """
    The number of agents, what they write, and whether TLS and checks are used.
    """

    agents: int
    writing: crowd.Writing
    tls: bool
    checks: bool = True


@attrs.frozen
class Figures:
    """
    What following has cost, and the lost and repeated lines.

    Attributes:
        opened: seconds until all logs were open.
        processor: seconds of processor time of the client, from the first line on.
        lines: how many lines came.
        memory: bytes for the streams, and for the agents themselves.
        threads: how many threads of the client run at the end.
        descriptors: how many file descriptors the client has open at the end.
        checks: how many checks were answered.
        late: how many lines came late.
        lost: how many lines did not come.
        repeated: how many lines came again.
    """

    opened: float
    processor: float
    lines: int
    memory: int
    threads: int
    descriptors: int
    checks: int
    late: int
    lost: int
    repeated: int

    @property
    def per_line(self) -> float:
        """
        The microseconds of processor time for each line.
        """
        return self.processor / max(1, self.lines) * 1e6

    def row(self, plan: Plan) -> growth.Row:
        """
        Return the figures as a row of the table.
        """
        return (
            f"{plan.agents:,}",
            "yes" if plan.tls else "no",
            f"{self.opened:.1f} s",
            f"{self.per_line:.0f} µs",
            f"{self.memory / plan.agents / 1024:.0f} KiB",
            str(self.threads),
            f"{self.descriptors:,}",
            f"{self.checks:,}",
            str(self.late),
            str(self.lost),
            str(self.repeated),
        )

    def beyond(self, plan: Plan) -> list[str]:
        """
        Return the names of the figures that exceed their bounds.
        """
        bounds = {
            "lost lines": (self.lost, 0),
            "repeated lines": (self.repeated, 0),
            "threads": (self.threads, 20),
        }
        if plan.agents == BOUND_AGENTS:
            bounds["microseconds of CPU a line"] = round(self.per_line), 600 if plan.tls else 400
            bounds["KiB an agent"] = round(self.memory / plan.agents / 1024), 60
        return [
            f"{value} {name}, not {limit}"
            for name, (value, limit) in bounds.items()
            if value > limit
        ]


def follow(
    pipe: multiprocessing.connection.Connection, access: tuple[str, str, str], plan: Plan
) -> None:
    """
    Follow all agents. Send None when all logs are open, then receive the ids of the lines, and send
    the figures.
    """
    growth.descriptors()
    url, token, authority = access
    threads = threading.active_count()
    settle = 10.0 if plan.checks else 0.0
    with Client(url, token, verify=authority or True) as client:
        client.agents("name:nobody")  # imports what the first request needs
        before = growth.memory()
        agents = list(client.agents())
        began = time.monotonic()
        with client.follow_logs(agents, options=StreamOptions(settle=settle)) as stream:
            opened = time.monotonic() - began
            stream.poll(1)
            came: collections.Counter[int] = collections.Counter()
            started = time.process_time()
            pipe.send(None)
            until = time.monotonic() + plan.writing.seconds + DRAIN
            while (left := until - time.monotonic()) > 0:
                if (item := stream.poll(left)) is not None:
                    came[item.log.id] += 1
            processor = time.process_time() - started
            written = set(pipe.recv())
            until += MAX_DRAIN - DRAIN
            while not written <= came.keys() and (left := until - time.monotonic()) > 0:
                if (item := stream.poll(left)) is not None:
                    came[item.log.id] += 1
            pipe.send(
                Figures(
                    opened=opened,
                    processor=processor,
                    lines=len(came),
                    memory=growth.memory() - before,
                    threads=threading.active_count() - threads,
                    descriptors=len(os.listdir("/proc/self/fd")),
                    checks=stream.stats.checks,
                    late=stream.stats.late,
                    lost=len(written - came.keys()),
                    repeated=came.total() - len(came),
                )
            )


def measured(plan: Plan) -> Figures:
    """
    Return the figures of *plan*, from a new deployment and a new client.
    """
    with (
        running(crowd.serve, plan.agents, plan.tls) as deployment,
        running(follow, deployment.recv(), plan) as client,
    ):
        client.recv()
        deployment.send(plan.writing)
        client.send(deployment.recv())
        figures: Figures = client.recv()
        return figures


def main(arguments: Sequence[str]) -> int:
    """
    Print the table; return 1 where a bound is exceeded.
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n\n")[0])
    parser.add_argument("--agents", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--rate", type=float, default=200, help="lines a second of all agents")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--no-checks", action="store_true")
    parser.add_argument("--write", action="store_true", help="write fleet_table.rst in docs/")
    options = parser.parse_args(arguments)
    max_agents = growth.descriptors() - growth.SPARE
    writing = crowd.Writing(options.rate, options.seconds)
    rows, beyond = [], []
    for tls in (False, True) if options.write else (options.tls,):
        for count in WRITTEN[tls] if options.write else options.agents:
            if count > max_agents:
                print(
                    f"{count} agents need more than the {max_agents} file descriptors of this machine"
                )
                continue
            plan = Plan(count, writing, tls, not options.no_checks)
            figures = measured(plan)
            rows.append(figures.row(plan))
            print(growth.shown(HEADER, rows[-1:]), flush=True)
            beyond += [f"{count} agents: {text}" for text in figures.beyond(plan)]
    if options.write:
        command = " ".join(["python benchmarks/fleet.py", *arguments])
        growth.write("fleet_table.rst", command, HEADER, rows)
    print("\n".join([growth.shown(HEADER, rows), *beyond]))
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
