"""
Play every fault against every stream, and count lost items, repeated items and stalls.

``python benchmarks/faults.py`` prints a table; ``--write`` writes it into the documentation.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs
from stage import Stage, staged

from coder_agents import CoderError, Reconnect, StreamEnd, StreamOptions
from coder_agents.streams import Stream

TABLE = Path(__file__).parent.parent / "docs" / "faults_table.rst"
STREAMS = ("logs", "metadata", "containers")
ROUTES = {"logs": "logs_follow", "metadata": "watch_metadata", "containers": "containers_watch"}
EVENTS = 60  # sent while a fault strikes
SETTLE = 0.5
IDLE = 1.0
MAX_DURATION = 40.0  # seconds of one case

Act = Callable[[Stage, str], None]


def fault(kind: str, *, after: int = 3, times: int = 1, **options: Any) -> Act:
    """
    Return an act that adds a fault of *kind*.
    """

    def act(stage: Stage, stream: str) -> None:
        given = {"after": after, "times": times, **options}
        stage.call("fault", kind, ROUTES[stream], given)

    return act


def refused(kind: str = "refuse", *, times: int = 2, **options: Any) -> Act:
    """
    Return an act that drops the connection and then refuses the next *times* connections.
    """

    def act(stage: Stage, stream: str) -> None:
        stage.call("fault", "drop", ROUTES[stream], {"after": 3})
        stage.call("fault", kind, ROUTES[stream], {"times": times, **options})

    return act


def command(name: str, *arguments: Any) -> Act:
    """
    Return an act that sends a command to the deployment.
    """

    def act(stage: Stage, _: str) -> None:
        stage.call(name, *arguments)

    return act


JSON = {"Content-Type": "application/json"}
NO = b'{"message": "no"}'
WEBSOCKETS = ("logs", "containers")


@attrs.frozen
class Case:
    """
    One fault; *begin* acts before the stream opens, *during* while the deployment sends events,
    *afterwards* when all events have been received. *slow_body* is in seconds.
    """

    name: str
    begin: Act | None = None
    during: Act | None = None
    afterwards: Act | None = None
    streams: tuple[str, ...] = STREAMS
    release: str = "2.31"
    options: dict[str, Any] = attrs.field(factory=dict)
    slow_body: float = 0.0


def refusal(status: int) -> Act:
    """
    Return an act that refuses with *status* and Coder's own JSON.
    """
    return refused(status=status, headers=JSON, body=NO)


CASES = [
    Case("none"),
    Case("drop after 3 messages", fault("drop")),
    Case("drop of each of 5 connections", fault("drop", after=1, times=5)),
    Case("cut inside a message", fault("cut")),
    Case("cut after 7 bytes of a message", fault("cut", at=7)),
    Case("cut inside a message, reset", fault("cut", reset=True)),
    Case("reset", fault("reset")),
    Case("silence without pings", fault("silence")),
    Case("drip, byte by byte", fault("drip", after=0)),
    Case("message in two parts", fault("split", times=3)),
    Case("late headers", refused("delay", seconds=0.3)),
    Case(
        "429 with Retry-After: 1",
        refused(status=429, headers={**JSON, "Retry-After": "1"}, body=NO),
    ),
    Case("500", refusal(500)),
    Case("502, page of a proxy", refused("html", status=502)),
    Case("503", refusal(503)),
    Case("504", refusal(504)),
    Case("403, page of a proxy", refused("html", status=403)),
    Case("404, page of a proxy", refused("html", status=404)),
    Case("400, agent not connected", refused("not_connected")),
    Case("400", refusal(400)),
    Case("401, token revoked", refusal(401)),
    Case("403", refusal(403)),
    Case("404", refusal(404)),
    Case("redirect to another host", refused("redirect", url="https://other.example.com/")),
    Case("close code 1001", fault("close", code=1001), streams=WEBSOCKETS),
    Case("close code 1002", fault("close", code=1002), streams=WEBSOCKETS),
    Case("close code 1008", fault("close", code=1008), streams=WEBSOCKETS),
    Case("close code 1011", fault("close", code=1011), streams=WEBSOCKETS),
    Case("close code 1012", fault("close", code=1012), streams=WEBSOCKETS),
    Case("close code 1013", fault("close", code=1013), streams=WEBSOCKETS),
    Case("1000 twice, a rolling restart", fault("rolling_restart", times=2), streams=WEBSOCKETS),
    Case("restart on the same port", during=command("restart", 0.5)),
    Case("invalid UTF-8", fault("invalid_utf8")),
    Case("invalid JSON", fault("invalid_json")),
    Case("message above the size limit", fault("oversize", size=3_000_000)),
    Case("error event of the server", fault("error", message="no"), streams=("metadata",)),
    Case("late commits of 3 writers", during=command("write_late", 3, 20, 0.3), streams=("logs",)),
    Case("purge of old logs", during=command("purge"), streams=("logs",)),
    Case("newer build, pending", afterwards=command("new_build", "pending"), streams=("logs",)),
    Case("newer build, failed", afterwards=command("new_build", "failed"), streams=("logs",)),
    Case("newer build, complete", afterwards=command("new_build", "done"), streams=("logs",)),
    Case(
        "404 after a rebuild",
        afterwards=command("new_build", "done"),
        streams=("logs",),
        release="2.35",
    ),
    Case("clock 5 hours back", during=command("jump", -5.0)),
    Case("clock 5 hours forward", during=command("jump", 5.0)),
    Case("pings not answered, 2.31", slow_body=1.5, options={"pong_timeout": 0.5}),
    Case("pings not answered, 2.35", slow_body=1.5, options={"pong_timeout": 0.5}, release="2.35"),
]


@attrs.frozen
class Outcome:
    """
    The result of one case for one stream.
    """

    drops: int = 0
    lost: int = 0
    repeated: int = 0
    last_state: bool | None = None
    stall: float = 0.0
    peak: float = 0.0
    error: str = ""
    end: StreamEnd | None = None


def run(case: Case, stream: str) -> Outcome:
    """
    Play *case* against *stream* and return the outcome.
    """
    settings = {"metadata_interval": 0.02, "ping_interval": 0.2, **case.options}
    with staged(release=case.release, **settings) as stage:
        if case.begin is not None:
            case.begin(stage, stream)
        tracemalloc.start()
        try:
            return Watch(stage, case, stream).outcome()
        finally:
            tracemalloc.stop()


class Watch:
    """
    Reads one stream through one case.
    """

    def __init__(self, stage: Stage, case: Case, stream: str) -> None:
        self._stage, self._case, self._kind = stage, case, stream
        self._numbers: list[int] = []
        self._stall = 0.0

    def outcome(self) -> Outcome:
        """
        Read until all events have been received, or the stream has ended.
        """
        stream = self._open()
        error = ""
        try:
            with stream:
                self._read(stream)
        except CoderError as raised:
            error = type(raised).__name__
        happened = self._stage.call("happened")
        return Outcome(
            drops=stream.stats.reconnects,
            lost=len(set(happened) - set(self._numbers)) if self._kind == "logs" else 0,
            repeated=self._repeated(),
            last_state=None if self._kind == "logs" else EVENTS - 1 in self._numbers,
            stall=self._stall,
            peak=tracemalloc.get_traced_memory()[1] / 1_048_576,
            error=error,
            end=stream.end,
        )

    def _repeated(self) -> int:
        return len(self._numbers) - len(set(self._numbers)) if self._kind == "logs" else 0

    def _open(self) -> Stream[Any]:
        options = StreamOptions(
            reconnect=Reconnect(initial=0.05, maximum=0.5, give_up_after=20),
            settle=SETTLE,
            idle_timeout=IDLE,
            max_message_size=1_000_000,
        )
        agent = self._stage.client.agent(self._stage.agent_id)
        opened: dict[str, Callable[..., Stream[Any]]] = {
            "logs": agent.follow_logs,
            "metadata": agent.watch_metadata,
            "containers": agent.watch_containers,
        }
        return opened[self._kind](options=options)

    def _read(self, stream: Stream[Any]) -> None:
        self._stage.call("happen", self._kind, EVENTS)
        if self._case.during is not None:
            time.sleep(0.2)
            self._case.during(self._stage, self._kind)
        if self._case.slow_body:
            self._take(stream.poll(5))
            time.sleep(self._case.slow_body)
        begun = last = time.monotonic()
        ending = self._case.afterwards
        while stream.end is None and time.monotonic() - begun < MAX_DURATION:
            item = stream.poll(0.1)
            now = time.monotonic()
            if item is not None:
                self._stall, last = max(self._stall, now - last), now
                self._take(item)
            elif ending is None and self._is_complete(now - last):
                return
            elif ending is not None and self._is_complete(now - last):
                ending(self._stage, self._kind)
                ending, last = None, now + MAX_DURATION  # until the stream ends

    def _take(self, item: Any) -> None:
        if item is None:
            return
        if self._kind == "logs":
            self._numbers.append(item.id)
        elif self._kind == "metadata":
            value = item[0].result.value
            self._numbers += [int(value)] if value.isdigit() else []
        else:
            self._numbers += [int(container.name) for container in item.containers]

    def _is_complete(self, idle: float) -> bool:
        if self._kind != "logs":
            return EVENTS - 1 in self._numbers
        if idle < 3 * SETTLE:
            return False
        return set(self._stage.call("happened")) <= set(self._numbers)


def result(outcome: Outcome) -> str:
    """
    Return how the stream ended, or that it continued.
    """
    if outcome.error:
        return outcome.error
    if outcome.end is not None and outcome.end is not StreamEnd.CLOSED:
        return f"ended: {outcome.end.name}"
    return "continued"


def row(case: Case, outcome: Outcome) -> list[str]:
    """
    Return the cells of one case.
    """
    state = {None: "", True: "delivered", False: "MISSED"}[outcome.last_state]
    is_counted = not outcome.error
    return [
        case.name,
        str(outcome.drops),
        (state or str(outcome.lost)) if is_counted else "",
        str(outcome.repeated) if is_counted and outcome.last_state is None else "",
        f"{outcome.stall:.1f}",
        f"{outcome.peak:.1f}",
        result(outcome),
    ]


def table(stream: str, rows: Iterable[list[str]]) -> str:
    """
    Return the rows of one stream as a table of reStructuredText.
    """
    last = "lines lost" if stream == "logs" else "last state"
    head = [
        "fault",
        "drops survived",
        last,
        "repeated",
        "longest stall, s",
        "peak, MiB",
        "result",
    ]
    lines = [f".. list-table:: {stream}", "   :header-rows: 1", ""]
    for cells in ([*head], *rows):
        lines += [f"   {'*' if not n else ' '} - {cell}".rstrip() for n, cell in enumerate(cells)]
    return "\n".join([*lines, ""])


def failed(outcome: Outcome) -> bool:
    """
    Whether a stream without an error lost or repeated an item, or missed the last state.
    """
    if outcome.error:
        return False
    return bool(outcome.lost or outcome.repeated or outcome.last_state is False)


def main(arguments: list[str]) -> int:
    """
    Run the cases that the arguments name and print the tables.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name} in docs/")
    parser.add_argument("--only", default="", help="only cases whose name contains this text")
    given = parser.parse_args(arguments)
    tables, bad = [], 0
    for stream in STREAMS:
        rows = []
        for case in CASES:
            if stream in case.streams and given.only in case.name:
                outcome = run(case, stream)
                rows.append(row(case, outcome))
                bad += failed(outcome)
                print(f"{stream:10}", " | ".join(rows[-1]), flush=True)
        tables.append(table(stream, rows))
    if given.write:
        TABLE.write_text(".. Written by `make faults`.\n\n" + "\n".join(tables), encoding="utf-8")
    print(f"{bad} cases lost or repeated items" if bad else "no item lost, none repeated")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
