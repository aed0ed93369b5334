"""
Measure what the exporter costs.

``python benchmarks/metrics.py`` registers a collector, waits until every agent was read, and prints its
threads, the memory that it needs, the lines of the page, the processor time of a scrape, and the share of
a processor core between scrapes. The deployment runs in a process of its own, on the same machine. Each
agent has three numbers in its metadata, and writes a line every ten seconds, which the collector follows.
``--agents 1000 --interval 15 --seconds 60`` are the defaults.
"""

from __future__ import annotations

import argparse
import multiprocessing.connection
import random
import threading
import time

import attrs
import growth
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from stage import running

from coder_agents import Client
from coder_agents.exporter import AgentCollector
from coder_agents.testing import Deployment, Metadata

KEYS = ("cpu", "memory", "disk")
LINE_EVERY = 10.0  # seconds between two lines of one agent
SCRAPES = 5
DEADLINE = 300.0  # seconds until every agent was read


@attrs.frozen
class Plan:
    """
    The number of agents, the seconds between two reads of an agent, and those of the measurement.
    """

    agents: int
    interval: float
    seconds: float


@attrs.frozen
class Figures:
    """
    What the collector costs; *scrape* is in seconds, *memory* in bytes, *share* of a core.
    """

    threads: int
    memory: int
    lines: int
    scrape: float
    share: float


def serve(pipe: multiprocessing.connection.Connection, plan: Plan) -> None:
    """
    Run the deployment until *pipe* is closed; change its metadata and logs meanwhile.
    """
    growth.descriptors()
    items = [Metadata(key.title(), key, interval=5) for key in KEYS]
    with Deployment(log_limit=2**30) as deployment:
        agents = [
            deployment.add_agent(workspace=f"dev-{number + 1}", metadata=items)
            for number in range(plan.agents)
        ]
        for agent in agents:
            for key in KEYS:
                agent.set_metadata(key, f"{random.uniform(0, 100):.1f}%\n")
        pipe.send((deployment.url, deployment.token))
        while not pipe.poll(LINE_EVERY / plan.agents):
            random.choice(agents).push_logs([f"a line that a script printed, {random.random()}"])


def number_of(registry: CollectorRegistry, name: str) -> float:
    """
    Return the sample *name*, and 0 where there is none yet.
    """
    return registry.get_sample_value(name) or 0.0


def wait_for_all(registry: CollectorRegistry, plan: Plan) -> None:
    """
    Wait until all agents were read and their logs are followed.

    Raises *TimeoutError* where that takes too long.
    """
    until = time.monotonic() + DEADLINE
    wanted = plan.agents * len(KEYS)
    while time.monotonic() < until:
        values = generate_latest(registry).count(b"\ncoder_agent_metadata_value{")
        followed = number_of(registry, "coder_exporter_followed_logs")
        if values >= wanted and followed >= plan.agents:
            return
        time.sleep(5)
    raise TimeoutError(f"not all agents were read within {DEADLINE:.0f} seconds")


def measure(client: Client, plan: Plan) -> Figures:
    """
    Return what a collector costs once every agent was read.
    """
    threads, registry = threading.active_count(), CollectorRegistry()
    collector = AgentCollector(client, interval=plan.interval)
    registry.register(collector)
    generate_latest(registry)
    before = growth.memory()
    with collector:
        wait_for_all(registry, plan)
        used, began = time.process_time(), time.monotonic()
        time.sleep(plan.seconds)
        share = (time.process_time() - used) / (time.monotonic() - began)
        memory = growth.memory() - before
        used = time.process_time()
        for _ in range(SCRAPES):
            page = generate_latest(registry)
        scrape = (time.process_time() - used) / SCRAPES
        return Figures(
            threads=threading.active_count() - threads,
            memory=memory,
            lines=page.count(b"\n"),
            scrape=scrape,
            share=share,
        )


def main() -> None:
    """
    Measure, and print the figures.
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n\n")[0])
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=15)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    plan = Plan(options.agents, options.interval, options.seconds)
    growth.descriptors()
    with running(serve, plan) as pipe:
        url, token = pipe.recv()
        with Client(url, token) as client:
            figures = measure(client, plan)
    print(
        f"{plan.agents} agents: {figures.threads} threads, {figures.memory / 2**20:.0f} MiB,"
        f" a page of {figures.lines:,} lines, {figures.scrape:.2f} s of processor time a scrape,"
        f" {figures.share:.0%} of a core between scrapes"
    )


if __name__ == "__main__":
    main()
