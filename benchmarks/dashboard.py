"""
Measure what the dashboard of ``coder-agents top`` costs.

``python benchmarks/dashboard.py`` runs the dashboard without a screen for a while, and prints the share
of a processor core that its process uses, its threads, connections and memory. The deployment runs
in a process of its own, on the same machine. Each agent has eight items of metadata, six of them
numbers that change all the time, and writes a line every ten seconds. ``--agents 50 --seconds 30 --size
120x50`` are the defaults; ``--tls`` connects over TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing.connection
import random
import resource
import tempfile
import threading
import time
from pathlib import Path

import attrs
from stage import running

from coder_agents import Client
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.cli.top.selection import Selection
from coder_agents.cli.top.session import dashboard
from coder_agents.schema import WorkspaceAgentListeningPort
from coder_agents.testing import Deployment, Metadata

WARM_UP = 10.0  # seconds until every agent was read at least once
LINE_EVERY = 10.0  # seconds between two lines of one agent
NUMBERS = ("cpu", "memory", "disk", "load", "gpu", "swap")
TEXTS = ("branch", "commit")
PORTS = [WorkspaceAgentListeningPort(process_name="node", network="tcp", port=3000)]


@attrs.frozen
class Plan:
    """
    The number of agents, the seconds of the measurement, the size of the screen, and whether TLS is
    used.
    """

    agents: int
    seconds: float
    size: tuple[int, int]
    tls: bool


def serve(pipe: multiprocessing.connection.Connection, plan: Plan) -> None:
    """
    Run the deployment until *pipe* is closed; change its metadata and logs meanwhile.
    """
    items = [Metadata(key.title(), key, interval=5) for key in (*NUMBERS, *TEXTS)]
    with Deployment(log_limit=2**30, tls=plan.tls) as deployment:
        agents = []
        for number in range(plan.agents):
            agent = deployment.add_agent(workspace=f"dev-{number + 1}", metadata=items)
            agent.set_ports(PORTS)
            for key in TEXTS:
                agent.set_metadata(key, "main\n")
            agents.append(agent)
        authority = Path(deployment.ca_file).read_text() if deployment.ca_file else ""
        pipe.send((deployment.url, deployment.token, authority))
        while not pipe.poll(LINE_EVERY / 2 / plan.agents):
            agent = random.choice(agents)
            agent.push_logs([f"a line that a script printed, {random.random()}"])
            for key in NUMBERS:
                agent.set_metadata(key, f"{random.uniform(0, 100):.1f}%\n")


@attrs.frozen
class Figures:
    """
    The share of a core, threads, and megabytes of memory.
    """

    share: float
    threads: int
    memory: float


async def measure(client: Client, plan: Plan) -> Figures:
    """
    Run the dashboard, and return what it costs once every agent was read.
    """
    with dashboard(client, Selection(), DashboardPace()) as app:
        async with app.run_test(size=plan.size) as pilot:
            await pilot.pause(WARM_UP)
            used, began = time.process_time(), time.monotonic()
            await pilot.pause(plan.seconds)
            share = (time.process_time() - used) / (time.monotonic() - began)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            return Figures(share, threading.active_count(), memory)


def size_of(text: str) -> tuple[int, int]:
    """
    Return the size that *text* gives as ``120x50``.
    """
    columns, _, rows = text.partition("x")
    return int(columns), int(rows)


def main() -> None:
    """
    Measure, and print the figures.
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n\n")[0])
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--size", type=size_of, default=(120, 50))
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    plan = Plan(options.agents, options.seconds, options.size, options.tls)
    with running(serve, plan) as pipe, tempfile.TemporaryDirectory() as folder:
        url, token, authority = pipe.recv()
        file = Path(folder, "authority.pem")
        file.write_text(authority)
        with Client(url, token, verify=str(file) if plan.tls else True) as client:
            figures = asyncio.run(measure(client, plan))
    print(
        f"{plan.agents} agents: {figures.share:.1%} of a core, {figures.threads} threads,"
        f" {figures.memory:.0f} MB"
    )


if __name__ == "__main__":
    main()
