"""
The walk that a newcomer sees: an agent starts, tells what it does, and is looked at.

    python -m coder_agents.demo [--seconds N] [AGENT]

Without AGENT it needs no deployment: it makes a small one on this machine. With the UUID
of an agent it looks at that one, in the deployment that `Client.from_env` finds.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TextIO

import attrs

from coder_agents import Agent, Client, CoderError, PermissionDeniedError
from coder_agents.render import cut_to_width, escape_controls, render_table
from coder_agents.resolve import parse_reference
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentContainerPort,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
)

# The walk, as a user would write it.

FIRST_STATE = 5.0  # seconds that the first metadata is waited for


def walk(agent: Agent, screen: Screen, seconds: float) -> None:
    """
    Show what there is to see of *agent*; its metadata for *seconds*.
    """
    began = time.monotonic()
    lines = follow_startup(agent, screen)
    updates = watch_metadata(agent, screen, seconds)
    show_ports(agent, screen)
    show_containers(agent, screen)
    screen.heading("That was it")
    screen.line(
        f"{lines} lines of log and {updates} updates of the metadata,"
        f" in {time.monotonic() - began:.1f} seconds."
    )


def follow_startup(agent: Agent, screen: Screen) -> int:
    """
    Follow the log of *agent* until it is ready, and return how many lines there were.
    """
    screen.heading("The log of its startup scripts, as they run")
    lines, settled = 0, False
    with agent.follow_logs() as stream:
        while stream.end is None:
            log = stream.poll(0.25)
            if log is not None:
                lines += 1
                show_log(log, agent, screen)
            elif settled:
                break
            else:
                # One more quiet moment after this: the last lines may be on their way.
                settled = not is_starting(agent)
            screen.progress(f"{agent.data.lifecycle_state}, {lines} lines")
    screen.line(f"The agent is {escape_controls(agent.data.lifecycle_state)}.")
    return lines


def is_starting(agent: Agent) -> bool:
    """
    Ask whether *agent* may still get ready.
    """
    data = agent.refresh()
    return data.lifecycle_state.starting and data.status in ("connecting", "connected")


def show_log(log: WorkspaceAgentLog, agent: Agent, screen: Screen) -> None:
    """
    Show one line of the log of *agent*; ``str(log)`` makes safe what a script wrote.
    """
    sources = {source.id: source.display_name for source in agent.data.log_sources}
    width = max(map(len, sources.values()), default=0)
    moment = f"{log.created_at.astimezone():%H:%M:%S}" if log.created_at else ""
    about = escape_controls(f"{moment}  {log.level:5}  {sources.get(log.source_id, ''):{width}}")
    screen.line(f"{screen.red(about) if log.level == 'error' else about}  {log}")


def watch_metadata(agent: Agent, screen: Screen, seconds: float) -> int:
    """
    Watch the metadata of *agent* for *seconds*, and return how many updates there were.
    """
    screen.heading(f"Its metadata, for {seconds:g} seconds")
    updates, before = 0, dict[str, str]()
    with agent.watch_metadata() as stream:
        # The first state is on its way: the seconds begin with it.
        items = stream.poll(FIRST_STATE)
        deadline = time.monotonic() + seconds
        while items is not None:
            updates += 1
            values = {name_of(item): value_of(item) for item in items}
            show_metadata(before, values, screen)
            before = values
            items = stream.poll(max(0.0, deadline - time.monotonic()))
    return updates


def name_of(item: WorkspaceAgentMetadata) -> str:
    """
    Return what an item is called.
    """
    return item.description.display_name or item.description.key


def value_of(item: WorkspaceAgentMetadata) -> str:
    """
    Return an item's value, or what is wrong with it, as one line.
    """
    if item.result.collected_at is None:
        return "(not collected yet)"
    error = f" ({item.result.error})" if item.result.error else ""
    return " ".join(f"{item.result.value}{error}".split())


def show_metadata(before: dict[str, str], values: dict[str, str], screen: Screen) -> None:
    """
    Show *values*: all of them in place on a terminal, elsewhere those that are new.
    """
    if screen.live:
        screen.in_place(render_table(["Name", "Value"], values.items()))
        return
    changed = [f"{name}: {value}" for name, value in values.items() if before.get(name) != value]
    if changed:
        screen.line(escape_controls(", ".join(changed)))


def show_ports(agent: Agent, screen: Screen) -> None:
    """
    Show on which ports something listens.
    """
    screen.heading("Ports on which something listens")
    ports = agent.listening_ports()
    rows = [(port.port, port.network, port.process_name or "(not told)") for port in ports]
    screen.table(["Port", "Network", "Process"], rows, empty="None, or the agent cannot tell.")


def show_containers(agent: Agent, screen: Screen) -> None:
    """
    Show the containers and dev containers.
    """
    screen.heading("Containers")
    try:
        found = agent.containers()
    except PermissionDeniedError as error:
        # The deployment's way to say that they are switched off for this agent.
        screen.line(escape_controls(error.message))
        return
    screen.table(
        ["Name", "Image", "Status", "Ports"],
        [(each.name, each.image, each.status, ports_of(each)) for each in found.containers],
        empty="None.",
    )
    screen.heading("Dev containers")
    screen.table(
        ["Name", "Folder", "Status"],
        [(each.name, each.workspace_folder, each.status) for each in found.devcontainers],
        empty="None.",
    )


def ports_of(container: WorkspaceAgentContainer) -> str:
    """
    Return the ports of *container*, as ``outside -> inside``.
    """
    return ", ".join(
        f"{port.host_port} -> {port.port}" if port.host_port else str(port.port)
        for port in container.ports
    )


# What it is shown on.


@attrs.define
class Screen:
    """
    A terminal, or what stands in for it: a file, a pipe.

    Attributes:
        out: what is written to.
        live: whether lines can be written again in place.
        colour: whether colours are welcome.
    """

    out: TextIO
    live: bool
    colour: bool
    _written: int = 0
    _spins: int = 0

    @classmethod
    def of(cls, out: TextIO) -> Screen:
        """
        Return what *out* and the environment allow.
        """
        live = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        return cls(out, live=live, colour=live and not os.environ.get("NO_COLOR"))

    @property
    def clear(self) -> str:
        """
        What empties the line that the cursor is in.
        """
        return "\r\x1b[K" if self.live else ""

    def heading(self, text: str) -> None:
        """
        Begin a new part.
        """
        self.line()
        self.line(f"\x1b[1m{text}\x1b[m" if self.colour else f"{text}\n{'-' * len(text)}")

    def line(self, text: str = "") -> None:
        """
        Write a line, over what tells of progress.
        """
        self._write(f"{self.clear}{self._coloured(text)}\n")
        self._written = 0

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str
    ) -> None:
        """
        Write a table, or *empty* where it has no rows.
        """
        for line in render_table(columns, rows) if rows else [empty]:
            self.line(line)

    def in_place(self, lines: Sequence[str]) -> None:
        """
        Write *lines* in place of those that were the last to be written so.
        """
        columns, rows = shutil.get_terminal_size()
        up = f"\x1b[{self._written}A" if self._written else ""
        shown = [f"{cut_to_width(line, columns - 1)}\x1b[K\n" for line in lines[: rows - 2]]
        self._write(up + "".join(shown))
        self._written = len(shown)

    def progress(self, text: str) -> None:
        """
        Say on a terminal that something goes on, in a line that the next one replaces.
        """
        if not self.live:
            return
        self._spins += 1
        spinner = "|/-\\"[self._spins % 4]
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r{cut_to_width(f'{spinner} {escape_controls(text)}', width)}\x1b[K")

    def red(self, text: str) -> str:
        """
        Return *text* in red, where colours are welcome.
        """
        return f"\x1b[31m{text}\x1b[m" if self.colour else text

    def _coloured(self, text: str) -> str:
        if not self.colour:
            return COLOUR.sub("", text)
        # A script may have left a colour switched on.
        return f"{text}\x1b[m" if "\x1b" in text else text

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


# The deployment that it needs: a small one on this machine.

TOOLS = r"""
echo "Looking for tools on this machine"
for tool in git make python3 node docker; do
    sleep 0.5
    if command -v $tool >/dev/null; then
        printf '\033[32m%s\033[0m is %s\n' $tool "$(command -v $tool)"
    else
        printf '\033[33m%s\033[0m is not here\n' $tool
    fi
done
"""

SYSTEM = r"""
echo "This is $(uname -s) $(uname -r) on $(uname -m)"
sleep 1
echo "What a script writes to standard error has the level error" >&2
sleep 1.4
printf '\033[1;36mReady to work\033[0m in %s\n' "$PWD"
"""

LOAD = r"""
if [ -r /proc/loadavg ]; then cut -d ' ' -f 1-3 /proc/loadavg
else LC_ALL=C uptime | sed 's/.*load averages*: *//'; fi
"""

MEMORY = r"""
if [ -r /proc/meminfo ]; then
    awk '/^MemTotal:/ {total = $2} /^MemAvailable:/ {free = $2} END {
        printf "%.1f of %.1f GiB\n", (total - free) / 2^20, total / 2^20}' /proc/meminfo
else
    vm_stat | awk -v total="$(sysctl -n hw.memsize)" '
        /page size of/ {size = $8} /^Pages (free|inactive)/ {free += $3} END {
        printf "%.1f of %.1f GiB\n", (total - free * size) / 2^30, total / 2^30}'
fi
"""

DISK = r"""
df -Pk . | awk 'NR == 2 {printf "%.1f of %.1f GiB\n", $3 / 2^20, $2 / 2^20}'
"""

CLOCK = "date +%H:%M:%S"


CONTAINER = WorkspaceAgentContainer(
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    id="7d1f0c5a9b3e",
    name="web",
    image="nginx:1.27",
    running=True,
    status="running",
    ports=(
        WorkspaceAgentContainerPort(port=80, network="tcp", host_ip="127.0.0.1", host_port=8080),
        WorkspaceAgentContainerPort(port=443, network="tcp"),
    ),
)

DEVCONTAINER = WorkspaceAgentDevcontainer(
    id=uuid.UUID("5d3c1f5e-8f1c-4d7a-9a53-0c2b7e1f6a10"),
    name="api",
    workspace_folder="/home/coder/api",
    status=WorkspaceAgentDevcontainerStatus.STOPPED,
)


@contextlib.contextmanager
def embedded_agent() -> Iterator[Agent]:
    """
    An agent that starts now, in a deployment on this machine that ends with the block.
    """
    from coder_agents.testing import Deployment, Metadata, Script

    stack = contextlib.ExitStack()
    try:
        with uninterrupted():
            deployment = stack.enter_context(Deployment())
            client = stack.enter_context(deployment.client())
            embedded = deployment.add_agent(
                scripts=[Script(TOOLS, "Tools"), Script(SYSTEM, "System")],
                metadata=[
                    Metadata("Load", "load", LOAD, interval=1),
                    Metadata("Memory", "memory", MEMORY, interval=1),
                    Metadata("Disk", "disk", DISK, interval=5),
                    Metadata("Clock", "clock", CLOCK, interval=1),
                ],
            )
            embedded.set_containers([CONTAINER])
            embedded.set_devcontainers([DEVCONTAINER])
        yield client.agent(embedded.id)
    finally:
        with uninterrupted():
            stack.close()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """
    Put Ctrl-C off until the end of the block, so that nothing is left half made.
    """
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt


# The command.


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the demo and return its exit status.
    """
    options = parse(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    screen = Screen.of(sys.stdout)
    try:
        with chosen_agent(options.agent, screen) as agent:
            walk(agent, screen, options.seconds)
        read_on(screen)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"{screen.clear}Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Nobody reads on. What is still to be flushed at the exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        return fail(f"{error}: the demo needs pip install 'coder-agents[testing]'")
    except CoderError as error:
        return fail("; ".join(part.strip() for part in str(error).splitlines()))
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """
    Return the options that *arguments* name.
    """
    parser = argparse.ArgumentParser(
        prog="python -m coder_agents.demo",
        description="Watch a workspace agent start, its log and its metadata.",
        epilog="A real deployment is found as Coder's command does: CODER_URL and"
        " CODER_SESSION_TOKEN, or what `coder login` stored.",
    )
    parser.add_argument(
        "agent",
        nargs="?",
        type=reference,
        metavar="AGENT",
        help="[owner/]workspace[.agent] of a real deployment, or a UUID; without it, a small"
        " deployment is made on this machine",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=8.0,
        metavar="N",
        help="how long the metadata is watched (8)",
    )
    return parser.parse_args(arguments)


def reference(text: str) -> str:
    """
    Return *text* where it can name an agent; raise *ArgumentTypeError* where it cannot.
    """
    try:
        parse_reference(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def seconds(text: str) -> float:
    """
    Return *text* as a number of seconds; raise *ValueError* where it is none.
    """
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(text)
    return number


@contextlib.contextmanager
def chosen_agent(ref: str | None, screen: Screen) -> Iterator[Agent]:
    """
    The agent *ref* of a real deployment, or one of this machine's own.
    """
    if ref is not None:
        with Client.from_env() as client:
            agent = client.agent(ref)
            screen.line(f"The agent {escape_controls(agent.data.name)}, {agent.id}")
            yield agent
        return
    if os.environ.get("CODER_URL"):
        screen.line("CODER_URL is set, but no agent is named: see --help.")
    with embedded_agent() as agent:
        screen.line("A small Coder deployment runs on this machine now, and an agent starts in it.")
        screen.line("Scripts, metadata and ports are real; its containers are only examples.")
        yield agent


def read_on(screen: Screen) -> None:
    """
    Say where there is more.
    """
    screen.line(f"How it is written: {__file__}")
    screen.line("Read on: README.md and the pages in docs/, which `make docs` builds.")


def fail(text: str) -> int:
    """
    Say in one line what went wrong, and return the exit status for it.
    """
    print(f"demo: {escape_controls(text)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # there is nothing left to interrupt
    sys.exit(status)
