"""
What saving bookmarks costs, with a thousand agents that are followed in one process.

``python benchmarks/bookmarks.py`` follows all agents with `FileBookmarks` and prints how long the
saves take: in all, by the clock, and in processor time for each line. The deployment runs in a
process of its own on the same machine. The defaults are ``--agents 1000 --rate 200 --seconds 60
--interval 5``, where *rate* is the lines per second of all agents.
"""

from __future__ import annotations

import argparse
import multiprocessing.connection
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs
from stage import running

from coder_agents import Client, FileBookmarks
from coder_agents.testing import Deployment


@attrs.frozen
class Plan:
    """
    The number of agents, the lines per second of all agents, the seconds, and the interval.
    """

    agents: int
    rate: float
    seconds: float
    interval: float


def serve(pipe: multiprocessing.connection.Connection, plan: Plan) -> None:
    """
    Run the deployment and write the lines.
    """
    with Deployment(log_limit=2**40) as deployment:
        agents = [deployment.add_agent(workspace=f"w{number}") for number in range(plan.agents)]
        pipe.send((deployment.url, deployment.token))
        pipe.recv()
        started = time.monotonic()
        for count in range(int(plan.rate * plan.seconds)):
            agents[count % plan.agents].push_logs(["a line that a script printed"])
            time.sleep(max(0.0, started + count / plan.rate - time.monotonic()))
        pipe.recv()


class Timed:
    """
    Measures the calls of a function.
    """

    def __init__(self, work: Any) -> None:
        self._work = work
        self.calls = 0
        self.seconds = 0.0
        self.processor = 0.0

    def __call__(self, *arguments: Any) -> Any:
        """
        Call the function.
        """
        began, processor = time.perf_counter(), time.thread_time()
        try:
            return self._work(*arguments)
        finally:
            self.calls += 1
            self.seconds += time.perf_counter() - began
            self.processor += time.thread_time() - processor


def follow(client: Client, plan: Plan, path: Path) -> None:
    """
    Follow all agents and print the figures.
    """
    store = FileBookmarks(path, interval=plan.interval)
    with client.follow_logs(client.agents(), bookmarks=store) as stream:
        saver = stream._core.saver
        assert saver is not None
        timed = Timed(saver._save_changed)
        saver._save_changed = timed  # type: ignore[method-assign, assignment]
        lines, began, until = 0, time.process_time(), time.monotonic() + plan.seconds
        while time.monotonic() < until:
            lines += stream.poll(until - time.monotonic()) is not None
        processor = time.process_time() - began
    print(
        f"{plan.agents} agents, {plan.rate:g} lines a second, {plan.seconds:g} s: {lines} lines,"
        f" {processor / lines * 1e6:.0f} µs of CPU a line, of which saving"
        f" {timed.processor / lines * 1e6:.1f} µs; {timed.calls} saves of"
        f" {timed.seconds / timed.calls * 1e3:.1f} ms ({timed.processor / timed.calls * 1e3:.1f} ms"
        f" of CPU); the file has {path.stat().st_size / 1024:.0f} KiB"
    )


def main() -> None:
    """
    Start the deployment and follow it.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--interval", type=float, default=5)
    plan = Plan(**vars(parser.parse_args()))
    with (
        running(serve, plan) as pipe,
        tempfile.TemporaryDirectory() as folder,
        Client(*pipe.recv()) as client,
    ):
        pipe.send("go")
        follow(client, plan, Path(folder, "bookmarks.json"))
        pipe.send("end")


if __name__ == "__main__":
    main()
