"""
Follow the logs of many agents with workers of Dask, and kill one of them in the middle.

``python benchmarks/dask_split.py`` splits the agents into one group for each worker of a local
cluster of processes. Each worker appends the lines of its group to a file. In the middle one worker
is killed; Dask runs its group again on another one. It prints how many lines were written, lost and
repeated, and how long the group of the killed worker stood still. The deployment runs in a process
of its own on the same machine. The defaults are ``--agents 200 --workers 4 --rate 200 --seconds
30``, where *rate* is the lines per second of all agents.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing.connection
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs
import distributed
from stage import running

from coder_agents import AgentGroup, Client, export
from coder_agents.testing import Deployment

PAUSE = 0.02  # seconds between two reads of the files' sizes


@attrs.frozen
class Plan:
    """
    The number of agents and of workers, the lines per second of all agents, and the seconds.
    """

    agents: int
    workers: int
    rate: float
    seconds: float


def serve(pipe: multiprocessing.connection.Connection, plan: Plan) -> None:
    """
    Run the deployment: write the lines, end all logs, and send the ids of the lines.
    """
    with Deployment(log_limit=2**40) as deployment:
        agents = [deployment.add_agent(workspace=f"w{number}") for number in range(plan.agents)]
        pipe.send((deployment.url, deployment.token))
        pipe.recv()
        ids, started = [], time.monotonic()
        for count in range(int(plan.rate * plan.seconds)):
            ids += agents[count % plan.agents].push_logs([f"line {count}"])
            time.sleep(max(0.0, started + count / plan.rate - time.monotonic()))
        for agent in agents:
            agent.new_build()
        pipe.send(ids)
        pipe.recv()


def ship(group: AgentGroup, folder: str) -> int:
    """
    Append the lines of a group to its file until the logs end; return the worker's process.
    """
    with group.follow_logs() as stream:
        export.write(stream, Path(folder, f"group-{group.number}.jsonl"), append=True)
    return os.getpid()


def sizes(folder: Path) -> dict[str, int]:
    """
    Return the sizes of the groups' files.
    """
    return {path.name: path.stat().st_size for path in folder.glob("*.jsonl")}


def kill_one(dask: distributed.Client, folder: Path) -> tuple[int, float]:
    """
    Kill a worker; return its process, and after how many seconds every group's file has grown.
    """
    [killed, *_] = dask.run(os.getpid).values()
    os.kill(killed, signal.SIGKILL)
    started, before = time.monotonic(), sizes(folder)
    while any(size <= before[name] for name, size in sizes(folder).items()):
        time.sleep(PAUSE)
    return killed, time.monotonic() - started


def count_lines(folder: Path) -> collections.Counter[int]:
    """
    Count the lines in the groups' files by their ids.
    """
    return collections.Counter(
        json.loads(line)["id"]
        for path in folder.glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    )


def follow(plan: Plan, folder: Path, pipe: multiprocessing.connection.Connection) -> None:
    """
    Follow all agents while they write, and print the figures.
    """
    library: Any = distributed  # its classes have no types
    with (
        library.LocalCluster(
            n_workers=plan.workers,
            threads_per_worker=2,
            processes=True,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        library.Client(cluster) as dask,
        Client.from_env() as client,
    ):
        groups = client.split(client.agents(), plan.workers, bookmarks=folder / "bookmarks")
        started = time.monotonic()
        shipped = [dask.submit(ship, group, str(folder), pure=False) for group in groups]
        pipe.send("go")
        time.sleep(plan.seconds / 2)
        killed, pause = kill_one(dask, folder)
        written = pipe.recv()
        ended_in = dask.gather(shipped)
        seconds = time.monotonic() - started
    pipe.send("end")
    counts = count_lines(folder)
    print(f"{plan.agents} agents in {len(groups)} groups, {plan.rate:g} lines a second")
    print(f"process {killed} was killed; its group was continued after {pause:.1f} s")
    print(
        f"{len(written)} lines in {seconds:.1f} s: {len(set(written) - counts.keys())} lost,"
        f" {sum(counts.values()) - len(counts)} repeated after it was replaced"
        f" ({len(set(ended_in))} processes at the end, without {killed}: {killed not in ended_in})"
    )


def main() -> None:
    """
    Start the deployment and follow it.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    plan = Plan(**vars(parser.parse_args()))
    with running(serve, plan) as pipe, tempfile.TemporaryDirectory() as folder:
        # The workers get their settings from the environment, not from here.
        os.environ["CODER_URL"], os.environ["CODER_SESSION_TOKEN"] = pipe.recv()
        follow(plan, Path(folder), pipe)


if __name__ == "__main__":
    main()
