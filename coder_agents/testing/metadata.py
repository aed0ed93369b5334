"""
The metadata of one agent: its items and their newest values.
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

MAX_BYTES = 2_048


@attrs.frozen
class Metadata:
    """
    An item of metadata, as in a template.

    Attributes:
        display_name: its name for people.
        key: its name in the agent.
        script: the script that ``/bin/sh`` runs to collect it; empty where a test sets the values.
        interval: seconds from one run to the next; 0 for a single run. The API reports whole
            seconds, rounded up.
        timeout: the maximum duration of a run, in seconds. The API reports whole seconds,
            rounded up.
    """

    display_name: str
    key: str
    script: str = ""
    interval: float = 10
    timeout: float = 5

    @property
    def description(self) -> WorkspaceAgentMetadataDescription:
        """
        The description of the item in the API.
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
        version: a number that increases with each change.
    """

    def __init__(self, items: Iterable[Metadata], *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._items = {item.key: item.description for item in items}
        self._results: dict[str, WorkspaceAgentMetadataResult] = {}
        self.version = 0

    def set(self, key: str, value: str, error: str = "") -> None:
        """
        Store the value for *key*, truncated as in a deployment.

        An unknown key becomes a new item of that name, without a script.
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
        Return all items in the order of the template, with their current ages.
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
    if len(data) <= MAX_BYTES:
        return text, ""
    problem = f"{name} of {len(data)} bytes exceeded {MAX_BYTES} bytes"
    return data[:MAX_BYTES].decode(errors="replace"), problem
