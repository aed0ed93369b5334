"""
Read the metadata of a batch of agents with one call, and show how the time grows.

``python benchmarks/batch.py`` prints for each number of agents: the seconds of the call, the most
connections that were open at the same time, the processor time of the client for each agent, and
how many agents failed. It fails where a figure of 1,000 agents exceeds its bound. The deployment runs
in a process of its own, on the same machine. ``--agents 100 300 1000 --items 20 --rounds 3`` are the
defaults; ``--write`` measures up to 3,000 agents, and writes the table of the documentation.

A call begins 256 requests a second, unless ``--rate`` chooses another rate: that, and not the
client's speed, decides how long it takes.
"""

from __future__ import annotations

import argparse
import multiprocessing.connection
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import attrs
import growth
from stage import answer_calls, running

from coder_agents import Client
from coder_agents.testing import Deployment, Metadata
from coder_agents.testing.connection import ServerConnection

WRITTEN = (100, 1000, 3000)
BOUND_AGENTS = 1000
HEADER = ("agents", "all were read after", "CPU an agent", "connections", "failures")


class CountingDeployment(Deployment):
    """
    A deployment that counts the most connections that were open at the same time.
    """

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._now = 0
        self.max_open = 0
        super().__init__()

    def _serve(self, connection: ServerConnection) -> None:
        with self._counting:
            self._now += 1
            self.max_open = max(self.max_open, self._now)
        try:
            super()._serve(connection)
        finally:
            with self._counting:
                self._now -= 1


class Scene:
    """
    The commands of the deployment; runs in the deployment's process.
    """

    def __init__(self, deployment: CountingDeployment) -> None:
        self._deployment = deployment

    def where(self) -> tuple[str, str]:
        """
        Return the URL and the token.
        """
        return self._deployment.url, self._deployment.token

    def add(self, count: int, items: int) -> None:
        """
        Add *count* agents, each with so many items of metadata.
        """
        metadata = [Metadata(f"Item {number}", f"item{number}") for number in range(items)]
        for number in range(count):
            agent = self._deployment.add_agent(workspace=f"dev{number}", metadata=metadata)
            for item in metadata:
                agent.set_metadata(item.key, "3.2/16 GiB (20%)\n")

    def max_open(self) -> int:
        """
        Return the most connections since the last call.
        """
        count, self._deployment.max_open = self._deployment.max_open, 0
        return count


def deploy(pipe: multiprocessing.connection.Connection) -> None:
    """
    Run the deployment until *pipe* is closed.
    """
    with CountingDeployment() as deployment:
        answer_calls(pipe, Scene(deployment))


@attrs.frozen
class Figures:
    """
    The seconds of the median round and its processor time, the most connections, the failures.
    """

    seconds: float
    processor: float
    connections: int
    failures: int

    def row(self, agents: int) -> growth.Row:
        """
        Return the figures as a row of the table.
        """
        return (
            f"{agents:,}",
            f"{self.seconds:.1f} s",
            f"{self.processor / agents * 1e3:.1f} ms",
            str(self.connections),
            str(self.failures),
        )

    def beyond(self, agents: int) -> list[str]:
        """
        Return the names of the figures that exceed their bounds.
        """
        bounds: dict[str, tuple[float, float]] = {
            "failures": (self.failures, 0),
            "connections": (self.connections, 64),
        }
        if agents == BOUND_AGENTS:
            bounds["seconds"] = self.seconds, 5.0
        return [
            f"{agents} agents: {value:g} {name}, not {limit:g}"
            for name, (value, limit) in bounds.items()
            if value > limit
        ]


def measured(agents: int, items: int, rounds: int, rate: float | None) -> Figures:
    """
    Return the figures of several rounds.
    """
    with running(deploy) as pipe:

        def call(name: str, *arguments: int) -> Any:
            pipe.send((name, arguments))
            return pipe.recv()

        url, token = call("where")
        call("add", agents, items)
        with Client(url, token) as client:
            found = list(client.agents())
            took, used, failures = [], [], 0
            call("max_open")
            for _ in range(rounds):
                began, processor = time.perf_counter(), time.process_time()
                results = client.metadata(found, rate=rate, progress=False)
                took.append(time.perf_counter() - began)
                used.append(time.process_time() - processor)
                failures += len(results.failures)
                assert sum(map(len, results.results.values())) == (agents - failures) * items
        connections = call("max_open")
        return Figures(statistics.median(took), statistics.median(used), connections, failures)


def main(arguments: Sequence[str]) -> int:
    """
    Print the table; return 1 where a bound is exceeded.
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n\n")[0])
    parser.add_argument("--agents", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, help="requests a second")
    parser.add_argument("--write", action="store_true", help="write batch_table.rst in docs/")
    options = parser.parse_args(arguments)
    rows, beyond = [], []
    for count in WRITTEN if options.write else options.agents:
        rounds = 1 if count > BOUND_AGENTS else options.rounds
        figures = measured(count, options.items, rounds, options.rate)
        rows.append(figures.row(count))
        print(growth.shown(HEADER, rows[-1:]), flush=True)
        beyond += figures.beyond(count)
    if options.write:
        growth.write("batch_table.rst", "python benchmarks/batch.py --write", HEADER, rows)
    print("\n".join([growth.shown(HEADER, rows), *beyond]))
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
