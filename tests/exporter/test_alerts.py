"""
The alerts of the documentation: when they fire, by Prometheus' own test of rules.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from .test_documents import STATIC, promtool

AGENT = 'workspace="dev",owner="alice",agent="main",job="j",instance="i"'
UP = 'coder_deployment_up{job="j",instance="i"}'
CONNECTED = f'coder_agent_status{{coder_agent_status="connected",{AGENT}}}'
DISCONNECTED = f'coder_agent_status{{coder_agent_status="disconnected",{AGENT}}}'
AGE = f'coder_agent_metadata_age_seconds{{key="cpu",{AGENT}}}'
INTERVAL = f'coder_agent_metadata_interval_seconds{{key="cpu",{AGENT}}}'
TO_READY = f"coder_agent_time_to_ready_seconds{{{AGENT}}}"
THERE = {UP: "1x300", CONNECTED: "1x300"}


def check(folder: Path, alert: str, series: Mapping[str, str], firing: Mapping[str, bool]) -> None:
    """
    Fail unless *alert* fires as *firing* has it at each time, with a sample of *series* each minute.
    """
    shutil.copy(STATIC / "prometheus_alerts.yml", folder)
    # ALERTS is the series that Prometheus itself writes.
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    expected = [
        {
            "expr": query,
            "eval_time": time,
            "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
        }
        for time, fires in firing.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": expected}
    rules = {"rule_files": ["prometheus_alerts.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(json.dumps(rules), encoding="utf-8")
    promtool("test", "rules", str(folder / "test.yml"))


@pytest.mark.parametrize(
    ("series", "fires"),
    [
        ({**THERE, AGE: "1000x300", INTERVAL: "10x300"}, True),
        ({**THERE, AGE: "100000x300", INTERVAL: "86400x300"}, False),  # collected once a day
        ({**THERE, AGE: "300000x300", INTERVAL: "86400x300"}, True),
        ({**THERE, AGE: "300000x300"}, False),  # collected only once
        ({**THERE, AGE: "800x300", INTERVAL: "10x300"}, False),
        ({UP: "0x300", CONNECTED: "1x300", AGE: "1000x300", INTERVAL: "10x300"}, False),
        ({UP: "1x300", CONNECTED: "0x300", AGE: "1000x300", INTERVAL: "10x300"}, False),
    ],
)
def test_metadata_is_old_by_its_own_interval(
    series: dict[str, str], fires: bool, tmp_path: Path
) -> None:
    """
    Neither rare items nor the items of what is away raise an alert.
    """
    check(tmp_path, "CoderAgentMetadataOld", series, {"30m": fires})


def test_metadata_may_catch_up_after_an_outage(tmp_path: Path) -> None:
    """
    In the first minutes after an outage, the ages are still those of the outage.
    """
    series = {
        UP: "0x60 1x240",
        CONNECTED: "1x300",
        AGE: "0+60x62 5x240",
        INTERVAL: "10x300",
    }
    check(tmp_path, "CoderAgentMetadataOld", series, dict.fromkeys(("59m", "62m", "90m"), False))


@pytest.mark.parametrize(("up", "fires"), [("1x300", True), ("0x300", False)])
def test_an_agent_is_disconnected_while_the_deployment_is_up(
    up: str, fires: bool, tmp_path: Path
) -> None:
    """
    Another deployment that is up is no reason for an alert.
    """
    series = {UP: up, DISCONNECTED: "1x300", UP.replace('"i"', '"other"'): "1x300"}
    check(tmp_path, "CoderAgentDisconnected", series, {"4m": False, "6m": fires})


def test_a_slow_start_is_over_after_an_hour(tmp_path: Path) -> None:
    """
    The next slow start is one more alert, and a quick one is none.
    """
    series = {TO_READY: "_x10 700x99 _x20 900x100 60x50"}
    firing = {"20m": True, "100m": False, "140m": True, "220m": False, "240m": False}
    check(tmp_path, "CoderAgentSlowStart", series, firing)


def test_a_deployment_is_down_where_nothing_is_exported(tmp_path: Path) -> None:
    """
    An exporter that is away is one, too.
    """
    firing = {"5m": False, "20m": True, "40m": False}
    check(tmp_path, "CoderDeploymentDown", {UP: "1x10 0x20 1x50"}, firing)
    check(tmp_path, "CoderDeploymentDown", {UP: "1x10"}, {"20m": True})
