"""
The metrics: names, types, labels and what they mean.

The names follow the conventions of Prometheus: base units, and ``_total`` for counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)

from coder_agents.exporter.labels import AGENT_LABELS

_FAMILIES: dict[str, Any] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
    "stateset": StateSetMetricFamily,
}


@attrs.frozen
class Definition:
    """
    One metric.

    Attributes:
        name: its name on the page.
        type: its type in OpenMetrics.
        labels: the names of its labels, except those that its type adds.
        help: its description.
        is_of_logs: whether the metric exists only where the logs are followed.
    """

    name: str
    type: str
    labels: Sequence[str]
    help: str
    is_of_logs: bool = False

    def family(self) -> Any:
        """
        Return the metric for one scrape, without samples.
        """
        name = self.name.removesuffix("_info") if self.type == "info" else self.name
        return _FAMILIES[self.type](name, self.help, labels=self.labels)


STATUS = Definition(
    "coder_agent_status",
    "stateset",
    AGENT_LABELS,
    "The state of the agent's connection to the deployment.",
)
LIFECYCLE = Definition(
    "coder_agent_lifecycle",
    "stateset",
    AGENT_LABELS,
    "The agent's progress with its startup or shutdown scripts.",
)
INFO = Definition(
    "coder_agent_info",
    "info",
    AGENT_LABELS,
    "The id, the version and the system of the agent. A restarted workspace has a new agent.",
)
TIME_TO_READY = Definition(
    "coder_agent_time_to_ready_seconds",
    "gauge",
    AGENT_LABELS,
    "From the request for the last start of the workspace until the startup scripts had ended.",
)
LOG_LINES = Definition(
    "coder_agent_log_lines_total",
    "counter",
    (*AGENT_LABELS, "level"),
    "Lines of the agent's log since the exporter follows it.",
    is_of_logs=True,
)
METADATA_FAILING = Definition(
    "coder_agent_metadata_failing_items",
    "gauge",
    AGENT_LABELS,
    "Exported items of metadata whose last run reported an error.",
)
METADATA_VALUE = Definition(
    "coder_agent_metadata_value",
    "gauge",
    (*AGENT_LABELS, "key", "unit"),
    "The number that the script of an item of metadata printed, in base units.",
)
METADATA_WHOLE = Definition(
    "coder_agent_metadata_whole",
    "gauge",
    (*AGENT_LABELS, "key", "unit"),
    "The whole of which the number is a part, such as 16 GiB of 3.2/16 GiB, in base units.",
)
METADATA_AGE = Definition(
    "coder_agent_metadata_age_seconds",
    "gauge",
    (*AGENT_LABELS, "key"),
    "Time since the script of an item of metadata last ran.",
)
METADATA_INTERVAL = Definition(
    "coder_agent_metadata_interval_seconds",
    "gauge",
    (*AGENT_LABELS, "key"),
    "From one run of the script of an item of metadata to the next, as the template defines it. A"
    " script that runs only once has none.",
)
AGENTS = Definition("coder_exporter_agents", "gauge", (), "Agents that the deployment listed last.")
UP = Definition(
    "coder_deployment_up", "gauge", (), "1 if the last request for the list of agents succeeded."
)
LAST_SUCCESS = Definition(
    "coder_deployment_last_success_timestamp_seconds",
    "gauge",
    (),
    "When the list of agents was last read, in seconds since 1970.",
)
ERRORS = Definition(
    "coder_exporter_errors_total",
    "counter",
    ("operation", "kind"),
    "Errors by operation (list, metadata or logs) and class.",
)
DROPPED = Definition(
    "coder_exporter_dropped_series",
    "gauge",
    ("reason",),
    "Series that this page lacks: above max_series (limit), or with the labels of another one"
    " (duplicate).",
)
FOLLOWED = Definition(
    "coder_exporter_followed_logs", "gauge", (), "Logs that are followed now.", is_of_logs=True
)
RECONNECTS = Definition(
    "coder_exporter_log_reconnects_total",
    "counter",
    (),
    "Connections to logs that were made after an earlier one broke.",
    is_of_logs=True,
)
LATE_LINES = Definition(
    "coder_exporter_late_log_lines_total",
    "counter",
    (),
    "Log lines that came out of the order of their ids.",
    is_of_logs=True,
)
LAG = Definition(
    "coder_exporter_log_lag_seconds",
    "histogram",
    (),
    "From the moment at which the deployment stored a log line until the line arrived, by the"
    " clocks of both machines.",
    is_of_logs=True,
)

METRICS: Sequence[Definition] = (
    UP,
    LAST_SUCCESS,
    AGENTS,
    STATUS,
    LIFECYCLE,
    INFO,
    TIME_TO_READY,
    METADATA_VALUE,
    METADATA_WHOLE,
    METADATA_AGE,
    METADATA_INTERVAL,
    METADATA_FAILING,
    LOG_LINES,
    FOLLOWED,
    RECONNECTS,
    LATE_LINES,
    LAG,
    ERRORS,
    DROPPED,
)
"""
All metrics, in the order of the page.
"""
