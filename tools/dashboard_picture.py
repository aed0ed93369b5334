"""
Draw the dashboard of ``coder-agents top``, as SVG.

    python tools/dashboard_picture.py docs/_static/dashboard.svg docs/_static/dashboard_agent.svg

The script runs the dashboard without a terminal, on an embedded deployment with some agents, and draws the
table and the screen of one agent.
"""

from __future__ import annotations

import asyncio
import math
import re
import sys
import threading
from pathlib import Path

import attrs

from coder_agents.cli.top.app import Dashboard
from coder_agents.cli.top.pace import DashboardPace
from coder_agents.cli.top.selection import Selection
from coder_agents.cli.top.session import dashboard
from coder_agents.schema import LogLevelName, WorkspaceAgentListeningPort
from coder_agents.testing import Deployment, EmbeddedAgent, Metadata

COLUMNS, ROWS = 112, 18
SECONDS = 6.0  # for which the numbers change, so that there are bars
STEP = 0.2
NAMES = ("api", "billing", "data-1", "data-2", "docs", "ml-gpu", "search", "web")
ITEMS = [
    Metadata("CPU", "cpu", interval=1),
    Metadata("Memory", "memory", interval=1),
    Metadata("Load", "load", interval=1),
    Metadata("Branch", "branch", interval=60),
]
LINES = (
    "Listening on port 3000",
    "\x1b[32m✓\x1b[0m 214 tests passed",
    "Loaded 1,204 rows in 0.8 s",
    "Loaded 977 rows in 0.6 s",
    "Installing dependencies",
    "epoch 12, loss 0.183",
    "error: address already in use",
    "Compiled successfully",
)
# The terminal's fonts come from a server; every machine has another one.
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def populate(deployment: Deployment) -> list[EmbeddedAgent]:
    """
    Add the agents, each with a line, ports and a branch.
    """
    agents = []
    for number, (name, line) in enumerate(zip(NAMES, LINES, strict=True)):
        agent = deployment.add_agent(workspace=name, metadata=ITEMS)
        agent.wait_started()
        ports = (3000, 8080)[: number % 3]
        agent.set_ports(
            WorkspaceAgentListeningPort(process_name="node", network="tcp", port=port)
            for port in ports
        )
        agent.push_logs(["Starting", line], level_of(line))
        agent.set_metadata("branch", "main\n")
        agents.append(agent)
    agents[4].set_lifecycle("starting")
    agents[6].set_lifecycle("start_error")
    agents[3].disconnect()
    return agents


def level_of(line: str) -> LogLevelName:
    """
    Return the level of *line*.
    """
    return "error" if line.startswith("error") else "info"


def change(agents: list[EmbeddedAgent], stop: threading.Event) -> None:
    """
    Change the numbers until *stop* is set.
    """
    step = 0
    while not stop.wait(STEP):
        step += 1
        for number, agent in enumerate(agents):
            wave = math.sin(step / 6 + number * 1.3)
            agent.set_metadata("cpu", f"{48 + 42 * wave:.0f}%\n")
            agent.set_metadata("memory", f"{7 + 3 * math.sin(step / 14 + number):.1f}/16 GiB\n")
            agent.set_metadata("load", f"{1.6 + 1.4 * wave:.2f}\n")


async def draw(app: Dashboard, table: Path, agent: Path) -> None:
    """
    Draw the table and the screen of the first agent.
    """
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        await pilot.pause(SECONDS)
        table.write_text(picture(app), encoding="utf-8")
        await pilot.press("enter")
        await pilot.pause(SECONDS)
        agent.write_text(picture(app), encoding="utf-8")


def picture(app: Dashboard) -> str:
    """
    Return what is on the screen, as SVG.
    """
    return FONT_FACE.sub("", app.export_screenshot())


def main() -> None:
    """
    Draw both pictures.
    """
    table, agent = map(Path, sys.argv[1:])
    pace = attrs.evolve(DashboardPace(), metadata=STEP, max_metadata_rate=100, redraw=STEP)
    stop = threading.Event()
    with Deployment(metadata_interval=STEP) as deployment, deployment.client() as client:
        changing = threading.Thread(target=change, args=(populate(deployment), stop))
        changing.start()
        try:
            with dashboard(client, Selection(), pace) as app:
                asyncio.run(draw(app, table, agent))
        finally:
            stop.set()
            changing.join()


if __name__ == "__main__":
    main()
