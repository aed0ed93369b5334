"""
Follow the logs of a thousand agents in one process, like a monitor.

``python benchmarks/fleet.py`` prints the client's processor time per line with and without checks
for late lines, its threads, its memory per agent, and the number of lost and repeated lines. Each
agent writes a line every few seconds. This is the worst case for checks, because nearly every line
causes one. The deployment runs in a process of its own, on the same machine. ``--tls`` follows over
TLS; ``--agents 1000 --rate 200 --seconds 60`` are the defaults, where *rate* is the lines per
second of all agents together.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing.connection
import os
import tempfile
import threading
import time
from pathlib import Path

import attrs
from stage import running

from coder_agents import Client, StreamOptions
from coder_agents.testing import Deployment

PAGE = os.sysconf("SC_PAGE_SIZE")
DRAIN = 12.0  # seconds after the last line: the checks of the last lines are part of their cost


@attrs.frozen
class Plan:
    """
    The number of agents, the lines per second of all agents, the duration in seconds, and whether
    TLS is used.
    """

    agents: int
    rate: float
    seconds: float
    tls: bool

    @property
    def lines(self) -> int:
        """
        The number of lines of all agents.
        """
        return int(self.rate * self.seconds)


def serve(pipe: multiprocessing.connection.Connection, plan: Plan) -> None:
    """
    Run the deployment; for each "go" over *pipe*, write the lines and send the ids of all lines.
    """
    with Deployment(log_limit=2**40, tls=plan.tls) as deployment:
        agents = [deployment.add_agent(workspace=f"w{number}") for number in range(plan.agents)]
        authority = Path(deployment.ca_file).read_text() if deployment.ca_file else ""
        pipe.send((deployment.url, deployment.token, authority))
        while pipe.recv() == "go":
            ids, started = [], time.monotonic()
            for count in range(plan.lines):
                ids += agents[count % plan.agents].push_logs(["a line that a script printed"])
                time.sleep(max(0.0, started + count / plan.rate - time.monotonic()))
            pipe.send(ids)


def memory() -> int:
    """
    Return how many bytes of memory this process uses.
    """
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@attrs.frozen
class Figures:
    """
    The cost of following, and the lost and repeated lines.
    """

    processor: float
    lost: int
    repeated: int
    checks: int
    threads: int
    memory: int

    def shown(self, plan: Plan) -> str:
        """
        Return the figures as one line.
        """
        return (
            f"{self.processor / plan.lines * 1e6:7.0f} µs of CPU a line,"
            f" {self.memory / plan.agents / 1024:5.1f} KiB an agent, {self.threads} threads,"
            f" {self.checks} checks, {self.lost} lost, {self.repeated} repeated"
        )


def follow(
    client: Client, plan: Plan, pipe: multiprocessing.connection.Connection, settle: float
) -> Figures:
    """
    Follow all agents while they write, and count the lines.
    """
    agents = list(client.agents())
    before, threads = memory(), threading.active_count()
    with client.follow_logs(agents, options=StreamOptions(settle=settle)) as stream:
        stream.poll(1)
        came: collections.Counter[int] = collections.Counter()
        pipe.send("go")
        started = time.process_time()
        until = time.monotonic() + plan.seconds
        while time.monotonic() < until:
            if (item := stream.poll(max(0.0, until - time.monotonic()))) is not None:
                came[item.log.id] += 1
        written = None
        drained_at = time.monotonic() + DRAIN
        while time.monotonic() < drained_at:
            if (item := stream.poll(max(0.0, drained_at - time.monotonic()))) is not None:
                came[item.log.id] += 1
            if written is None and pipe.poll():
                written = pipe.recv()
        processor = time.process_time() - started
        written = pipe.recv() if written is None else written
        return Figures(
            processor=processor,
            lost=len(set(written) - came.keys()),
            repeated=sum(count - 1 for count in came.values()),
            checks=stream.stats.checks,
            threads=threading.active_count() - threads,
            memory=memory() - before,
        )


def main() -> None:
    """
    Measure with and without checks.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    plan = Plan(options.agents, options.rate, options.seconds, options.tls)
    with running(serve, plan) as pipe, tempfile.TemporaryDirectory() as folder:
        url, token, authority = pipe.recv()
        file = Path(folder, "authority.pem")
        file.write_text(authority)
        client = Client(url, token, verify=str(file) if plan.tls else True)
        print(f"{plan.agents} agents, {plan.rate:g} lines a second, {plan.seconds:g} s")
        for name, settle in (("checks on ", 10.0), ("checks off", 0.0)):
            print(f"{name}: {follow(client, plan, pipe, settle).shown(plan)}")
        pipe.send("end")


if __name__ == "__main__":
    main()
