"""
Check the exporter with a real Prometheus: ``python tools/prometheus.py``, or ``make exporter-check``.

Prometheus scrapes the command ``coder-agents exporter`` of an embedded deployment. The check compares what Prometheus
stored with the deployment, runs each query of the documentation's dashboard and alerts, and lints the page with
promtool. Both programs are those of Debian's package ``prometheus``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from coder_agents.testing import Deployment

STATIC = Path(__file__).parents[1] / "docs" / "_static"
LIMIT = 60.0  # seconds
AGENTS = 20
VARIABLES = {"$owner": ".*", "$workspace": ".*", "$__rate_interval": "10s"}


class Prometheus:
    """
    A running Prometheus.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str) -> list[Any]:
        """
        Return the result of *expression* now.

        Raises *RuntimeError* where Prometheus does not accept it.
        """
        answer = requests.get(
            f"{self._url}/api/v1/query", params={"query": expression}, timeout=LIMIT
        ).json()
        if answer["status"] != "success":
            raise RuntimeError(f"{expression}: {answer['error']}")
        result: list[Any] = answer["data"]["result"]
        return result

    def values(self, expression: str) -> list[float]:
        """
        Return the values of the series of *expression* now.
        """
        return [float(each["value"][1]) for each in self.query(expression)]

    def rules(self) -> list[Any]:
        """
        Return the rules for alerts that were loaded.
        """
        groups = requests.get(f"{self._url}/api/v1/rules", timeout=LIMIT).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def is_ready(self) -> bool:
        """
        Whether it answers.
        """
        try:
            return requests.get(f"{self._url}/-/ready", timeout=LIMIT).ok
        except requests.ConnectionError:
            return False


def until(what: str, condition: Callable[[], object]) -> None:
    """
    Wait until *condition* holds.

    Raises *RuntimeError* where it does not in time.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > LIMIT:
            raise RuntimeError(f"not in {LIMIT:g} s: {what}")
        time.sleep(0.2)
    print(f"{what}: after {time.monotonic() - begin:.1f} s")


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """
    End *process* with the ``with`` block.
    """
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextlib.contextmanager
def exporter(deployment: Deployment) -> Iterator[str]:
    """
    Run the command for *deployment*; return the URL of its page.
    """
    environment = {
        **os.environ,
        "CODER_URL": deployment.url,
        "CODER_SESSION_TOKEN": deployment.token,
    }
    command = [sys.executable, "-m", "coder_agents", "exporter", "--port", "0", "--interval", "1"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    with ended(process):
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@contextlib.contextmanager
def prometheus(page: str, folder: Path) -> Iterator[Prometheus]:
    """
    Run Prometheus with the configuration of the documentation, and *page* as its target.
    """
    target = page.removeprefix("http://").removesuffix("/metrics")
    text = (STATIC / "prometheus.yml").read_text(encoding="utf-8")
    text = text.replace("localhost:9464", target).replace("15s", "1s")
    (folder / "prometheus.yml").write_text(text, encoding="utf-8")
    shutil.copy(STATIC / "prometheus_alerts.yml", folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True)
        with ended(process):
            running = Prometheus(f"http://127.0.0.1:{port}")
            until("Prometheus is ready", running.is_ready)
            yield running


def check(deployment: Deployment, page: str, stored: Prometheus) -> None:
    """
    Compare what Prometheus has *stored* with *deployment*.
    """
    agents = deployment.agents
    until("the target is up", lambda: stored.values("up") == [1.0])
    until("all agents are stored", lambda: stored.values("count(coder_agent_info)") == [AGENTS])
    numbers = 'sum(coder_agent_metadata_value{key="number"})'
    until("all numbers are stored", lambda: stored.values(numbers) == [sum(range(AGENTS))])
    followed = "coder_exporter_followed_logs"
    until("all logs are followed", lambda: stored.values(followed) == [AGENTS])
    for agent in agents:
        agent.push_logs(["a", "b"], level="error")
    errors = 'sum(coder_agent_log_lines_total{level="error"})'
    until("all lines are counted", lambda: stored.values(errors) == [2 * AGENTS])
    agents[0].new_build()
    until("a new build has a new id", lambda: _ids(stored) == {str(a.id) for a in _latest(agents)})
    for name in ("w1", "w2"):
        deployment.workspace(name).start_build("stop").complete()
    gone = "count(coder_agent_info)"
    until("gone agents have no series", lambda: stored.values(gone) == [AGENTS - 2])
    deployment.restart(down=3.0)
    until(
        "the outage is stored",
        lambda: 0.0 in stored.values("min_over_time(coder_deployment_up[10s])"),
    )
    until("the deployment is back", lambda: stored.values("coder_deployment_up") == [1.0])
    dashboard = json.loads((STATIC / "grafana.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for query in queries:
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        assert stored.query(query), f"no series: {query}"
    healthy = [rule["health"] for rule in stored.rules()]
    assert "err" not in healthy, stored.rules()
    text = requests.get(page, timeout=LIMIT).text
    assert deployment.token not in text
    subprocess.run(["promtool", "check", "metrics"], input=text.encode(), check=True)
    print(f"{len(queries)} queries of the dashboard and {len(healthy)} rules are accepted")
    print(f"the page has {len(text.splitlines())} lines; promtool finds no fault with it")


def _ids(stored: Prometheus) -> set[str]:
    return {each["metric"]["id"] for each in stored.query("coder_agent_info")}


def _latest(agents: list[Any]) -> list[Any]:
    return [agent for each in agents for agent in each.build.workspace.latest_build.agents]


def main() -> int:
    """
    Run the check, and return the exit code.
    """
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            print(f"skipped: {program}, of Debian's package prometheus, is not installed")
            return 0
    with tempfile.TemporaryDirectory() as folder, Deployment() as deployment:
        for number in range(AGENTS):
            agent = deployment.add_agent(workspace=f"w{number}")
            agent.set_metadata("number", f"{number}")
            agent.set_metadata("cpu", "12%")
            agent.set_metadata("memory", "3/16 GiB")
        with exporter(deployment) as page, prometheus(page, Path(folder)) as stored:
            check(deployment, page, stored)
    return 0


if __name__ == "__main__":
    sys.exit(main())
