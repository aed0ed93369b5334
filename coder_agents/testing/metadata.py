"""
The metadata of one agent: what is collected, and what was found last.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

import attrs

from coder_agents.schema import (
    WorkspaceAgentMetadata,
    WorkspaceAgentMetadataDescription,
    WorkspaceAgentMetadataResult,
)

MAXIMUM_BYTES = 2_048


@attrs.frozen
class Metadata:
    """
    An item of metadata, as a template describes it.

    Attributes:
        display_name: its name for people.
        key: its name in the agent.
        script: what ``/bin/sh`` runs to collect it; empty where values are set by hand.
        interval: seconds from one run to the next; 0 for once. The API tells whole
            seconds, rounded up.
        timeout: seconds a run may take. The API tells whole seconds, rounded up.
    """

    display_name: str
    key: str
    script: str = ""
    interval: float = 10
    timeout: float = 5

    @property
    def description(self) -> WorkspaceAgentMetadataDescription:
        """
        What the API tells of it.
        """
        return WorkspaceAgentMetadataDescription(
            display_name=self.display_name,
            key=self.key,
            script=self.script,
            interval=math.ceil(self.interval),
            timeout=math.ceil(self.timeout),
        )


class MetadataBoard:
    """
    The newest value of each item.

    Attributes:
        version: a number that grows with each change.
    """

    def __init__(self, items: Iterable[Metadata], *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._items = {item.key: item.description for item in items}
        self._results: dict[str, WorkspaceAgentMetadataResult] = {}
        self.version = 0

    def set(self, key: str, value: str, error: str = "") -> None:
        """
        Store what was found for *key*, cut as the deployment cuts it.

        A key that nobody described becomes an item of its own name, without a script.
        """
        value, value_problem = _cut("value", value)
        error, error_problem = _cut("error", error)
        with self._lock:
            self._items.setdefault(key, Metadata(key, key).description)
            self._results[key] = WorkspaceAgentMetadataResult(
                collected_at=self._now(),
                value=value,
                error=error_problem or value_problem or error,
            )
            self.version += 1

    def snapshot(self) -> list[WorkspaceAgentMetadata]:
        """
        All items in the order of the template, with their ages as of now.
        """
        with self._lock:
            return [
                WorkspaceAgentMetadata(description=description, result=self._result(key))
                for key, description in self._items.items()
            ]

    def _result(self, key: str) -> WorkspaceAgentMetadataResult:
        result = self._results.get(key)
        if result is None or result.collected_at is None:
            return WorkspaceAgentMetadataResult()
        age = self._now() - result.collected_at
        return attrs.evolve(result, age=int(age.total_seconds()))


def _cut(name: str, text: str) -> tuple[str, str]:
    data = text.encode()
    if len(data) <= MAXIMUM_BYTES:
        return text, ""
    problem = f"{name} of {len(data)} bytes exceeded {MAXIMUM_BYTES} bytes"
    return data[:MAXIMUM_BYTES].decode(errors="replace"), problem
