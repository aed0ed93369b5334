"""
The demo's own deployment: a small one on this machine.
"""

from __future__ import annotations

import contextlib
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from coder_agents import Agent
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentContainerPort,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
)

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

COMMAND = "for n in 1 2 3; do echo step $n; done; echo 'to standard error' >&2; exit 7"


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
    Yield an agent that starts now, in a deployment on this machine that stops after the block.
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
    Delay Ctrl-C until the end of the block, so that the block is always completed.
    """
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt
