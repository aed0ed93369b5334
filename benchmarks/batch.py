"""
Read the metadata of many agents at once, and measure the time and the number of connections.

``python benchmarks/batch.py`` prints both. The deployment runs in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.connection
import statistics
import threading
import time

import attrs

from coder_agents import Client
from coder_agents.testing import Deployment, Metadata
from coder_agents.testing.connection import Connection


@attrs.frozen
class Plan:
    """
    The number of agents, of items for each agent, of workers and of rounds.
    """

    agents: int = 200
    items: int = 20
    workers: int = 16
    rounds: int = 5


class CountingDeployment(Deployment):
    """
    A deployment that counts the most connections that were open at the same time.
    """

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._now = 0
        self.max_open = 0
        super().__init__()

    def _serve(self, connection: Connection) -> None:
        with self._counting:
            self._now += 1
            self.max_open = max(self.max_open, self._now)
        try:
            super()._serve(connection)
        finally:
            with self._counting:
                self._now -= 1


def deploy(plan: Plan, pipe: multiprocessing.connection.Connection) -> None:
    """
    Run the deployment until False comes over the pipe. Send its URL and token first, then the
    maximum of connections for each True.
    """
    metadata = [Metadata(f"Item {number}", f"item{number}") for number in range(plan.items)]
    with CountingDeployment() as deployment:
        for number in range(plan.agents):
            agent = deployment.add_agent(workspace=f"dev{number}", metadata=metadata)
            for item in metadata:
                agent.set_metadata(item.key, "3.2/16 GiB (20%)\n")
        pipe.send((deployment.url, deployment.token))
        while pipe.recv():
            pipe.send(deployment.max_open)
            deployment.max_open = 0


def measure(plan: Plan) -> None:
    """
    Print how long the rounds take, and the most connections of all rounds.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=deploy, args=(plan, there))
    process.start()
    url, token = here.recv()
    with Client(url, token) as client:
        agents = list(client.agents())
        took, max_open = [], 0
        for _ in range(plan.rounds):
            started = time.perf_counter()
            found = client.metadata(agents, max_workers=plan.workers)
            took.append(time.perf_counter() - started)
            here.send(True)
            max_open = max(max_open, here.recv())
            assert not found.failures
            items = found.results.values()
            assert sum(map(len, items)) == plan.agents * plan.items
    here.send(False)
    process.join()
    print(
        f"{plan.agents} agents with {plan.items} items each, {plan.workers} workers:"
        f" {statistics.median(took):.2f} s in the median of {plan.rounds},"
        f" {max(took):.2f} s at most; {max_open} connections at most"
    )


def main() -> None:
    """
    Measure with the options of the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    for field in attrs.fields(Plan):
        parser.add_argument(f"--{field.name}", type=int, default=field.default)
    measure(Plan(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
