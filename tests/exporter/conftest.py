"""
What the tests of the exporter share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from scheduled import PACE, deployment, threads_end

from coder_agents import Client, StreamOptions
from coder_agents.exporter import AgentCollector
from coder_agents.exporter.pace import ExporterPace
from coder_agents.testing import Deployment

__all__ = ["deployment", "threads_end"]

QUICK = ExporterPace(interval=0.05, metadata_threads=2, again=0.05, **PACE)
"""
A pace for the embedded deployment alone: another one would refuse so many requests.
"""

Labels = frozenset[tuple[str, str]]


class Scrape:
    """
    What a page has.
    """

    def __init__(self, page: str) -> None:
        self.page = page
        self.families = {each.name: each for each in text_string_to_metric_families(page)}
        self._values: dict[tuple[str, Labels], float] = {}
        for family in self.families.values():
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self._values, f"two series {key}"
                self._values[key] = sample.value

    def of(self, name: str, **labels: str) -> list[float]:
        """
        Return the values of the series *name* that have these *labels* among theirs.
        """
        wanted = labels.items()
        return [
            value
            for (found, has), value in self._values.items()
            if found == name and wanted <= dict(has).items()
        ]

    def labels(self, name: str, label: str) -> set[str]:
        """
        Return the values that *label* has in the series *name*.
        """
        return {dict(has)[label] for found, has in self._values if found == name}


def scraped(collector: Any) -> Scrape:
    """
    Return what OpenMetrics' own parser reads in the page of *collector*.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    return Scrape(generate_latest(registry).decode())


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client(stream_options=StreamOptions(settle=0.2)) as made:
        yield made


Running = Callable[..., AgentCollector]


@pytest.fixture
def running(client: Client) -> Running:
    """
    Returns a collector that runs at a quick pace.
    """

    def run(pace: ExporterPace = QUICK, **options: Any) -> AgentCollector:
        collector = AgentCollector(client, **options)
        collector._pace = pace
        return collector

    return run
