"""
The collector of prometheus-client.
"""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections.abc import Callable, Iterable
from typing import Self

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from coder_agents.client import Client
from coder_agents.config import positive_seconds, whole_number
from coder_agents.exporter.feeds import Feeds
from coder_agents.exporter.metrics import METRICS
from coder_agents.exporter.observed import Observed
from coder_agents.exporter.pace import ExporterPace
from coder_agents.exporter.page import Page


class AgentCollector(Collector):
    """
    The agents that a query finds, as metrics of Prometheus.

    Threads read the deployment from `start` to `close`; `collect` sends nothing and returns what
    they read last. A collector is also a context manager that starts and closes it.

    One thread reads the list of agents, eight read metadata, and a few follow the logs: at most 2 +
    log2(n) for n agents. A forked process has none of these threads, and the collector has no
    samples there: start a collector in the process that serves its metrics.

    Args:
        client: whose settings are used; it stays open.
        query: a search for workspaces, as in `Client.workspaces`; None finds your own.
        keys: globs such as ``cpu*``: metadata is exported whose key matches one of them, with the
            same case; None exports all numbers.
        interval: seconds from one read of the list of agents, and of each agent's metadata, to the
            next.
        logs: whether logs are followed, and their lines counted. Each agent has a connection then.
        max_series: how many series the agents may have, all together.

    Raises *ValueError* or *TypeError* for arguments that cannot work, before any request.
    """

    def __init__(
        self,
        client: Client,
        *,
        query: str | None = None,
        keys: Iterable[str] | None = None,
        interval: float = 15.0,
        logs: bool = True,
        max_series: int = 100_000,
    ) -> None:
        if not isinstance(client, Client):
            raise TypeError(f"client must be a Client, not {type(client).__name__}")
        if query is not None and not isinstance(query, str):
            raise TypeError(f"query must be text such as 'owner:me', not {type(query).__name__}")
        positive_seconds("interval", interval)
        self._client = client
        self._query = query
        self._is_wanted = _matcher(keys)
        self._pace = ExporterPace(interval=float(interval))
        self._logs = bool(logs)
        self._max_series = whole_number("max_series", max_series, least=1)
        self._observed = Observed(forget=self._pace.forget)
        self._feeds: Feeds | None = None
        self._process = 0

    def __repr__(self) -> str:
        query = "your own workspaces" if self._query is None else f"query {self._query!r}"
        state = "not running" if self._feeds is None else "running"
        return f"<AgentCollector of {query}, {state}>"

    def start(self) -> Self:
        """
        Read the list of agents once, start the threads, and return this collector.

        A deployment that cannot be reached is no error: ``coder_deployment_up`` is 0 until it
        answers. Raises *CoderError* where another try cannot succeed, such as
        *AuthenticationError* for a wrong token and *BadRequestError* for a wrong query; *ValueError*
        where the collector is running.
        """
        if self._feeds is not None:
            raise ValueError("the collector is running: close() ends it")
        feeds = Feeds(self._client, self._query, self._observed, self._pace, logs=self._logs)
        self._feeds, self._process = feeds, os.getpid()
        try:
            feeds.list_first()
            feeds.start()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """
        End the threads and their connections, and wait for the threads for at most 5 seconds.

        The collector has no agents any more; it may be started again. A second call does nothing.
        """
        feeds, self._feeds = self._feeds, None
        if feeds is not None:
            feeds.close()
            self._observed.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def describe(self) -> list[Metric]:
        """
        Return the metrics without samples, as a registry requests them.
        """
        return self._page().families

    def collect(self) -> list[Metric]:
        """
        Return the metrics as they were last read. Nothing is sent.
        """
        feeds = self._feeds
        page = self._page()
        if feeds is not None and self._process == os.getpid():
            page.add(self._observed.snapshot(), feeds.health)
        return page.families

    def _page(self) -> Page:
        definitions = [each for each in METRICS if self._logs or not each.is_of_logs]
        return Page(
            definitions,
            max_series=self._max_series,
            is_wanted=self._is_wanted,
            clock=time.monotonic(),
        )


def _matcher(keys: Iterable[str] | None) -> Callable[[str], bool]:
    """
    Return a function that reports whether a key matches one of the globs *keys*.
    """
    if keys is None:
        return lambda _: True
    if isinstance(keys, str) or not isinstance(keys, Iterable):
        raise TypeError(f"keys must be globs such as ['cpu*', 'mem*'], not {type(keys).__name__}")
    globs = list(keys)
    for glob in globs:
        if not isinstance(glob, str):
            raise TypeError(f"a glob in keys must be text, not {type(glob).__name__}")
        if not glob:  # as of a variable of a shell that is not set
            raise ValueError("a glob in keys must not be empty; '*' matches each key")
    if not globs:
        raise ValueError("keys must have one glob at least, or be None for all keys")
    pattern = re.compile("|".join(f"(?:{fnmatch.translate(glob)})" for glob in globs))
    return lambda key: pattern.fullmatch(key) is not None
