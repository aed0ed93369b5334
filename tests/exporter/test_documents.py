"""
The files of the documentation that Prometheus and Grafana read.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from coder_agents.exporter import AgentCollector
from coder_agents.exporter.metrics import METRICS
from coder_agents.testing import Deployment

STATIC = Path(__file__).parents[2] / "docs" / "_static"
NAMES = re.compile(r"\bcoder_(?:agent|deployment|exporter)_\w+")
SERIES = {each.name for each in METRICS} | {
    f"{each.name}_{suffix}"
    for each in METRICS
    if each.type == "histogram"
    for suffix in ("bucket", "count", "sum")
}
LABELS = {label for each in METRICS for label in each.labels} | {
    "coder_agent_status",
    "coder_agent_lifecycle",
}


def expressions(panel: Any) -> Iterator[str]:
    """
    Yield the queries of *panel*.
    """
    for target in panel["targets"]:
        yield target["expr"]


@pytest.fixture
def dashboard() -> Any:
    """
    The dashboard of Grafana.
    """
    return json.loads((STATIC / "grafana.json").read_text(encoding="utf-8"))


def test_each_metric_of_the_dashboard_exists(dashboard: Any) -> None:
    """
    A query that names a metric which the exporter does not have would draw nothing.
    """
    found = set(NAMES.findall(json.dumps(dashboard)))
    assert found <= SERIES | LABELS
    drawn = {
        name
        for panel in dashboard["panels"]
        for text in expressions(panel)
        for name in NAMES.findall(text)
    }
    # What has no panel is known: the dashboard shows all the rest.
    assert {each.name for each in METRICS} - {
        name.removesuffix("_bucket") for name in drawn
    } == set()


def test_each_alert_is_about_a_metric() -> None:
    """
    The rules name metrics and labels of the exporter alone.
    """
    text = (STATIC / "prometheus_alerts.yml").read_text(encoding="utf-8")
    assert set(NAMES.findall(text)) <= SERIES | LABELS
    labels = set(re.findall(r"\$labels\.(\w+)", text))
    assert labels <= LABELS | {"reason", "key"}


def test_the_dashboard_has_the_form_of_grafana(dashboard: Any) -> None:
    """
    The panels have numbers of their own, lie on the grid beside each other, and use the variable for
    the data source.
    """
    assert dashboard["schemaVersion"] >= 39
    assert [each["name"] for each in dashboard["templating"]["list"]] == [
        "datasource",
        "owner",
        "workspace",
    ]
    panels = dashboard["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & own, panel["title"]
        cells |= own
        assert all(each["datasource"]["uid"] == "${datasource}" for each in panel["targets"])


def test_metrics_follow_the_conventions() -> None:
    """
    Names have the prefix, counters alone end with total, and no name contains its type.
    """
    for each in METRICS:
        assert re.fullmatch(r"coder_(agent|deployment|exporter)_[a-z_]+", each.name)
        assert each.name.endswith("_total") == (each.type == "counter")
        assert each.type not in each.name or each.type == "info"
        assert each.help.endswith(".")
    assert len({each.name for each in METRICS}) == len(METRICS)


def promtool(*arguments: str, input: bytes = b"") -> None:
    """
    Run promtool, and fail where it finds fault with anything.
    """
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool, of Debian's package prometheus, is not installed")
    done = subprocess.run(
        [program, *arguments], check=False, input=input, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"error" not in done.stderr.lower(), done.stderr


def test_promtool_accepts_the_configuration() -> None:
    """
    Prometheus itself accepts the configuration and the rules of the documentation.
    """
    promtool("check", "config", str(STATIC / "prometheus.yml"))


def test_promtool_finds_no_fault_with_a_page() -> None:
    """
    The linter of Prometheus accepts names, types and descriptions of a page.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    with Deployment() as deployment:
        deployment.add_agent().set_metadata("mem", "3/16 GiB")
        registry = CollectorRegistry()
        with deployment.client() as client, AgentCollector(client) as collector:
            registry.register(collector)
            page = generate_latest(registry)
            assert openmetrics(registry).endswith(b"# EOF\n")
    promtool("check", "metrics", input=page)
