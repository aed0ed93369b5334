"""
The files of the documentation that Prometheus and Grafana read.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from coder_agents.cli.root import root
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
STAT = (
    "orientation justifyMode wideLayout showPercentChange percentChangeColorMode"
    " reduceOptions.calcs colorMode graphMode textMode"
)
LEGEND = "calcs displayMode placement showLegend"
REQUIRED = {
    "stat": STAT.split(),
    "timeseries": [f"legend.{each}" for each in LEGEND.split()] + ["tooltip.mode", "tooltip.sort"],
    "table": ["frameIndex", "showHeader"],
}
"""
The options that each type of panel must have, by the schemas that Grafana publishes (its foundation SDK).
"""


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


def test_each_panel_has_the_options_that_grafana_requires(dashboard: Any) -> None:
    """
    The schema of each type of panel has required fields, and so has the value of a variable.
    """
    for panel in dashboard["panels"]:
        for path in REQUIRED[panel["type"]]:
            found = panel["options"]
            for name in path.split("."):
                assert name in found, f"{panel['title']}: {path}"
                found = found[name]
    for variable in dashboard["templating"]["list"]:
        assert variable["current"].keys() == {"text", "value"}


def test_each_variable_of_the_dashboard_is_defined(dashboard: Any) -> None:
    """
    Grafana would send a name that it does not know to Prometheus as it is.
    """
    defined = {each["name"] for each in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
    assert used <= defined | {"__rate_interval", "__all"}
    for panel in dashboard["panels"]:
        for query in expressions(panel):
            of_agents = re.findall(r"coder_agent_\w+\{([^}]*)\}", query)
            assert all('owner=~"$owner",workspace=~"$workspace"' in each for each in of_agents)


def test_legends_name_labels_that_the_query_keeps(dashboard: Any) -> None:
    """
    A label that a sum has dropped would be empty, and workspaces of two owners may have one name.
    """
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = re.search(r" by \(([\w, ]+)\)", target["expr"])
            assert shown <= (set(kept[1].split(", ")) if kept else LABELS), panel["title"]
            assert "workspace" not in shown or "owner" in shown, panel["title"]


def test_the_units_of_the_dashboard_are_those_of_the_metrics(dashboard: Any) -> None:
    """
    Seconds, bytes and parts of a whole are drawn as such.
    """
    units = {"_seconds": "s", 'unit="bytes"': "bytes", 'unit="ratio"': "percentunit"}
    for panel in dashboard["panels"]:
        first = panel["targets"][0]["expr"]
        expected = [unit for text, unit in units.items() if text in first] or ["short"]
        if "metadata_whole" in first:
            expected = ["percentunit"]
        assert [panel["fieldConfig"]["defaults"]["unit"]] == expected, panel["title"]


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


def test_the_service_runs_the_command() -> None:
    """
    The unit of systemd is one, and its command has the options that it passes.
    """
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((STATIC / "coder-agents-exporter.service").read_text(encoding="utf-8"))
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/bin/coder-agents")
    name, *options = arguments
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.make_context(name, options).params["query"] == "status:running"


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
