"""
Follow one log through thousands of forced drops while several writers commit late.

``python benchmarks/soak.py`` prints how many lines were lost or repeated, and the memory of the
client. The deployment and its writers run in another process.
"""

from __future__ import annotations

import argparse
import array
import heapq
import itertools
import multiprocessing.connection
import random
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import attrs
from stage import running

from coder_agents import Client, LogStream, Reconnect, StreamOptions
from coder_agents.streams.position import LogPosition
from coder_agents.testing import Deployment, EmbeddedAgent, PendingLogs

REPORT = Path(__file__).parent.parent / "docs" / "soak_report.rst"
KINDS = ("drop", "reset", "cut", "close")
MAX_IDLE = 2.0  # times *settle* without a new line: after that no line is repeated
LOST = 30.0  # seconds without a new line: after that the missing lines count as lost


@attrs.frozen
class Plan:
    """
    What a soak does; times are in seconds, *rate* is lines a second of all writers together.
    """

    lines: int = 1_000_000
    drops: int = 10_000
    writers: int = 3
    rate: float = 3_000
    settle: float = 1.0
    late: float = 0.9
    seed: int = 0


@attrs.frozen
class Report:
    """
    The result of a soak.

    Attributes:
        committed: lines that the deployment has.
        lost: lines of these that were never yielded.
        repeated: lines that were yielded more than once.
        latest: the longest time, in seconds, from taking an id to committing its line.
        late: lines that came out of the order of their ids.
        reconnects: reconnects after a drop.
        checks: requests for late lines.
        held: the maximum number of ids that the ledger held.
        memory: the maximum memory of the client's process in each tenth of the lines, in MiB.
        seconds: the duration.
    """

    committed: int
    lost: int
    repeated: int
    latest: float
    late: int
    reconnects: int
    checks: int
    held: int
    memory: list[float]
    seconds: float


LABELS = {
    "committed": "lines committed",
    "lost": "lines lost",
    "repeated": "lines repeated",
    "latest": "latest commit after the id, s",
    "late": "lines out of order",
    "reconnects": "reconnects",
    "checks": "checks for late lines",
    "held": "ids held, maximum",
    "memory": "memory in each tenth, MiB",
    "seconds": "duration, s",
}
"""
The labels of a report's figures.
"""


def soak(plan: Plan) -> Report:
    """
    Carry *plan* out.
    """
    with running(serve, plan) as pipe:
        url, token, agent_id = pipe.recv()
        return follow(plan, Client(url, token), agent_id, pipe)


def follow(
    plan: Plan,
    client: Client,
    agent_id: uuid.UUID,
    pipe: multiprocessing.connection.Connection,
) -> Report:
    """
    Follow the log until all lines are written and no more come, and count.
    """
    options = StreamOptions(
        reconnect=Reconnect(initial=0.001, maximum=0.02, give_up_after=60), settle=plan.settle
    )
    started = time.monotonic()
    seen = bytearray(plan.lines + 1)
    held, memory = 0, [0.0] * 10
    with client.agent(agent_id).follow_logs(options=options) as stream:
        pipe.send("go")
        for count, number in enumerate(numbers(stream, plan, pipe), 1):
            seen[number] = min(seen[number] + 1, 255)
            if count % max(1, plan.lines // 200) == 0:
                held = max(held, sum(1 for _ in cast("LogPosition", stream._core.position).known))
                tenth = min(9, count * 10 // plan.lines)
                memory[tenth] = max(memory[tenth], resident())
        stats = stream.stats
    committed = array.array("q", pipe.recv_bytes())
    latest = pipe.recv()
    return Report(
        committed=len(committed),
        lost=sum(1 for number in committed if not seen[number]),
        repeated=sum(1 for times in seen if times > 1),
        latest=latest,
        late=stats.late,
        reconnects=stats.reconnects,
        checks=stats.checks,
        held=held,
        memory=memory,
        seconds=time.monotonic() - started,
    )


def numbers(
    stream: LogStream, plan: Plan, pipe: multiprocessing.connection.Connection
) -> Iterator[int]:
    """
    Yield the ids of the lines, until the writers are done and no more lines come.
    """
    came, written = 0, False
    while True:
        log = stream.poll(MAX_IDLE * plan.settle if came >= plan.lines or not written else LOST)
        if log is not None:
            came += 1
            yield log.id
        elif written:
            return
        else:
            written = pipe.poll(0)


def resident() -> float:
    """
    Return the MiB of memory that this process holds.
    """
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * 4096 / 1_048_576


def serve(pipe: multiprocessing.connection.Connection, plan: Plan) -> None:
    """
    Run the deployment, its writers and its faults; send the committed ids at the end.
    """
    with Deployment(log_limit=1 << 50, seed=plan.seed) as deployment:
        agent = deployment.add_agent()
        agent.wait_started()
        chance = random.Random(plan.seed)
        for number in range(plan.drops):
            kind = KINDS[number % len(KINDS)]
            code = {"code": 1001} if kind == "close" else {}
            after = chance.choice((1, 1, 1, 2))
            deployment.faults.add(kind, route="logs_follow", after=after, **code)
        # The drops continue to the end of the run, so that no part of it is easier.
        deployment.faults.add("drop", route="logs_follow", after=2, times=None)
        pipe.send((deployment.url, deployment.token, agent.id))
        pipe.recv()
        committed, latest = write(agent, plan)
        pipe.send_bytes(committed.tobytes())
        pipe.send(latest)
        # Until the client has gone.
        pipe.poll(None)


def write(agent: EmbeddedAgent, plan: Plan) -> tuple[array.array[int], float]:
    """
    Let the writers write all lines; return the committed ids and the latest commit.
    """
    shares = [len(range(n, plan.lines, plan.writers)) for n in range(plan.writers)]
    writers = [Writer(agent, plan, number, share) for number, share in enumerate(shares)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    committed = array.array("q", itertools.chain(*(writer.committed for writer in writers)))
    return committed, max(writer.latest for writer in writers)


class Writer(threading.Thread):
    """
    Takes ids for *share* lines, and commits each batch at once or up to *late* seconds later.
    """

    def __init__(self, agent: EmbeddedAgent, plan: Plan, number: int, share: int) -> None:
        super().__init__(daemon=True)
        self._agent, self._plan, self._number, self._share = agent, plan, number, share
        self._chance = random.Random(f"{plan.seed}/{number}")
        self._waiting: list[tuple[float, float, int, PendingLogs]] = []
        self._taken = 0
        self.committed: list[int] = []
        self.latest = 0.0

    def run(self) -> None:
        """
        Write the share at the plan's rate.
        """
        started = time.monotonic()
        while self._taken < self._share or self._waiting:
            self._commit()
            due = started + self._taken * self._plan.writers / self._plan.rate
            if self._taken < self._share and time.monotonic() >= due:
                self._take(min(self._share - self._taken, self._chance.randint(1, 60)))
            else:
                time.sleep(0.002)

    def _take(self, size: int) -> None:
        lines = [f"writer {self._number}, line {self._taken + n}" for n in range(size)]
        now = time.monotonic()
        batch = self._agent.begin_logs(lines)
        delay = self._chance.choice((0.0, self._chance.uniform(0, self._plan.late)))
        heapq.heappush(self._waiting, (now + delay, now, self._taken, batch))
        self._taken += size

    def _commit(self) -> None:
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, taken, _, batch = heapq.heappop(self._waiting)
            if batch.commit():
                self.committed += batch.ids
            self.latest = max(self.latest, time.monotonic() - taken)


def described(plan: Plan, report: Report) -> str:
    """
    Return *report* as text, one figure in each line.
    """
    lines = [
        f"{plan.lines:,} lines, {plan.drops:,} drops, {plan.writers} writers, settle {plan.settle} s"
    ]
    for name, value in attrs.asdict(report).items():
        values = value if isinstance(value, list) else [value]
        figures = (f"{one:,.1f}" if isinstance(one, float) else f"{one:,}" for one in values)
        lines.append(f"{LABELS[name]:34}" + " ".join(figures))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """
    Run a soak as the arguments say and print its report.
    """
    plan = Plan()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=plan.lines)
    parser.add_argument("--drops", type=int, default=plan.drops)
    parser.add_argument("--rate", type=float, default=plan.rate, help="lines a second")
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--write", action="store_true", help=f"write {REPORT.name} in docs/")
    given = vars(parser.parse_args(arguments))
    write_report = given.pop("write")
    plan = attrs.evolve(plan, **given)
    report = soak(plan)
    text = described(plan, report)
    print(text)
    if write_report:
        lines = [".. code-block:: text", "", *(f"   {line}" for line in text.splitlines()), ""]
        REPORT.write_text("\n".join(lines), encoding="utf-8")
    return 1 if report.lost or report.repeated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
