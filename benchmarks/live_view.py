"""
Show fifty agents live, and measure what that costs.

``python benchmarks/live_view.py`` prints the share of a processor core that ``client.top()`` takes with 50
agents, of which each has eight items of metadata that change every second. It is measured as a notebook
would show it, with IPython in this process, and as a terminal would. The deployment runs in a process of
its own, on the same machine. ``--agents 50 --items 8 --seconds 20`` are the defaults.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing.connection
import os
import sys
import tempfile
import threading
import time
from typing import Any

import attrs
from stage import running

from coder_agents import Client
from coder_agents.testing import Deployment

LIMIT = 0.10  # of a core
WARM_UP = 3.0  # seconds in which the streams are opened


@attrs.frozen
class Plan:
    """
    The number of agents, the items of metadata of each, and the duration in seconds.
    """

    agents: int
    items: int
    seconds: float


class Terminal(io.StringIO):
    """
    A terminal that nobody looks at.
    """

    def isatty(self) -> bool:
        """
        Return True.
        """
        return True


class Publisher:
    """
    A publisher of IPython that counts what it displays, as JSON would send it.
    """

    is_publishing = False

    def __init__(self) -> None:
        self.count = 0
        self.size = 0

    def publish(self, data: dict[str, str], metadata: Any = None, **options: Any) -> None:
        """
        Count *data*.
        """
        self.count += 1
        self.size += len(json.dumps(data))


def serve(pipe: multiprocessing.connection.Connection, plan: Plan) -> None:
    """
    Run the deployment, whose metadata change every second, until *pipe* is closed.
    """
    with Deployment() as deployment:
        agents = [deployment.add_agent(workspace=f"w{number}") for number in range(plan.agents)]
        pipe.send((deployment.url, deployment.token))
        count = 0
        while not pipe.poll(1.0):
            count += 1
            for agent in agents:
                for item in range(plan.items):
                    agent.set_metadata(f"item {item}", f"{(count + item) % 100}%")


def measure(client: Client, seconds: float, file: Terminal | None) -> float:
    """
    Return the share of a core that a view takes, once its streams are open.
    """
    figures: list[tuple[float, float]] = []

    def note() -> None:
        for after in (WARM_UP, seconds):
            time.sleep(after)
            figures.append((time.process_time(), time.monotonic()))

    clock = threading.Thread(target=note)
    clock.start()
    client.top(seconds=WARM_UP + seconds + 0.5, file=file)
    clock.join()
    (processor, began), (later, ended) = figures
    return (later - processor) / (ended - began)


def in_notebook() -> Publisher:
    """
    Run IPython in this process, as a kernel does, and return what counts its displays.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(ipython_dir=tempfile.mkdtemp(), config=config)
    publisher: Any = Publisher()
    shell.display_pub = publisher
    counted: Publisher = publisher
    return counted


def main() -> None:
    """
    Measure a terminal, then a notebook; fail above the limit.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    plan = Plan(options.agents, options.items, options.seconds)
    os.environ.update(TERM="xterm", COLUMNS="150", LINES="60")
    with running(serve, plan) as pipe, Client(*pipe.recv(), proxies={}) as client:
        shares = {"terminal": measure(client, plan.seconds, Terminal())}
        publisher = in_notebook()
        shares["notebook"] = measure(client, plan.seconds, None)
    print(f"{plan.agents} agents with {plan.items} items each, for {plan.seconds:g} s")
    for name, share in shares.items():
        print(f"{name}: {share:.1%} of a core (limit {LIMIT:.0%})")
    print(f"{publisher.count} displays of {publisher.size / publisher.count / 1024:.0f} KiB")
    sys.exit(max(shares.values()) > LIMIT)


if __name__ == "__main__":
    main()
