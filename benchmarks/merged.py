"""
Follow the logs of many agents in one loop, and compare with one thread for each agent.

``python benchmarks/merged.py`` prints lines per second, and the client's processor time per line,
for the lines that the logs have at first and for new lines. The deployment runs in a process of its
own on the same machine, so new lines come no faster than it writes them. The defaults are
``--agents 50 --lines 2000``, the lines of each agent, and ``--rate 5000``, the lines per second of
all agents together.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing.connection
import queue
import threading
import time
from collections.abc import Callable, Iterator

import attrs
from stage import running

from coder_agents import Agent, Client, StreamOptions
from coder_agents.testing import Deployment

BATCH = 10  # lines that an agent sends at a time
# No line is late here, and checks would count as work.
OPTIONS = StreamOptions(settle=0)
Followed = Callable[[Client, list[Agent]], contextlib.AbstractContextManager[Iterator[object]]]


@attrs.frozen
class Plan:
    """
    The number of agents, of lines for each agent, and of lines per second of all agents.
    """

    agents: int
    lines: int
    rate: float


def serve(pipe: multiprocessing.connection.Connection, plan: Plan) -> None:
    """
    Run the deployment: half of the lines are in the logs, the other half follows a "go" over
    *pipe*.
    """
    with Deployment(log_limit=2**40) as deployment:
        agents = [deployment.add_agent(workspace=f"w{number}") for number in range(plan.agents)]
        for _ in range(plan.lines // BATCH):
            for agent in agents:
                agent.push_logs(["a line of some length, as logs have them"] * BATCH)
        pipe.send((deployment.url, deployment.token))
        while pipe.recv() == "go":
            started = time.monotonic()
            for count in range(plan.lines // BATCH * plan.agents):
                agents[count % plan.agents].push_logs(["a line that comes"] * BATCH)
                time.sleep(max(0.0, started + count * BATCH / plan.rate - time.monotonic()))


@contextlib.contextmanager
def merged(client: Client, agents: list[Agent]) -> Iterator[Iterator[object]]:
    """
    Follow in one loop over `Client.follow_logs`.
    """
    with client.follow_logs(agents) as stream:
        yield stream


@contextlib.contextmanager
def threaded(client: Client, agents: list[Agent]) -> Iterator[Iterator[object]]:
    """
    Follow with a thread for each agent, and a queue.
    """
    lines: queue.SimpleQueue[object] = queue.SimpleQueue()
    streams = [agent.follow_logs() for agent in agents]

    def follow(index: int) -> None:
        for log in streams[index]:
            lines.put((agents[index], log))

    threads = [threading.Thread(target=follow, args=(index,)) for index in range(len(agents))]
    for thread in threads:
        thread.start()
    yield iter(lines.get, None)
    for stream in streams:
        stream.close()
    for thread in threads:
        thread.join()


@attrs.define
class Lap:
    """
    The start of a measurement, as wall-clock time and as processor time.
    """

    wall: float = attrs.field(factory=time.perf_counter)
    processor: float = attrs.field(factory=time.process_time)


def measured(lines: Iterator[object], count: int, lap: Lap) -> str:
    """
    Read *count* lines and return the cost since *lap* as text.
    """
    for _ in itertools.islice(lines, count):
        pass
    wall, processor = time.perf_counter() - lap.wall, time.process_time() - lap.processor
    return f"{count / wall:9,.0f} lines/s  {processor / count * 1e6:6.2f} µs of CPU a line"


def run(plan: Plan, name: str, follow: Followed) -> None:
    """
    Follow the logs with *follow* and print the figures.
    """
    with running(serve, plan) as pipe:
        client = Client(*pipe.recv(), stream_options=OPTIONS)
        agents = list(client.agents())
        count = plan.agents * plan.lines
        lap = Lap()
        with follow(client, agents) as lines:
            print(f"{name}: opened in {time.perf_counter() - lap.wall:.2f} s")
            print("  opened, and first lines   ", measured(lines, count, lap))
            pipe.send("go")
            print("  new lines                 ", measured(lines, count, Lap()))
        pipe.send("end")


def main() -> None:
    """
    Measure both ways.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=5000)
    options = parser.parse_args()
    plan = Plan(options.agents, options.lines, options.rate)
    run(plan, f"{plan.agents} agents in one loop", merged)
    run(plan, f"{plan.agents} agents, a thread each", threaded)


if __name__ == "__main__":
    main()
