"""
Metadata of an agent: small values that scripts of the template collect at intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from coder_agents.render.html import dot
from coder_agents.representation.cells import output, problem, status
from coder_agents.representation.objects import Represented
from coder_agents.schema.fields import Age

if TYPE_CHECKING:
    from coder_agents.schema.numbers import Number

_MIN_STALE_AGE = 5


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentMetadataResult(Represented):
    """
    The result of the last run of a metadata script.

    Attributes:
        collected_at: when the script ran; None before the first run.
        age: whole seconds from that run until the deployment sent the result, by the deployment's
            clock; None before the first run, which is 9223372036 on the wire.
        value: the script's output, usually with a newline at the end; cut at 2,048 bytes.
        error: why there is no valid value, or that the value was cut; otherwise empty.
    """

    collected_at: datetime | None = None
    age: Age = None
    value: str = ""
    error: str = ""


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentMetadataDescription(Represented):
    """
    The template's definition of one item of metadata.

    Attributes:
        display_name: its name for people.
        key: its name for programs, unique in the agent.
        script: the text of the script.
        interval: whole seconds from one run to the next; 0 for a script that runs only once.
        timeout: the time limit of a run, in whole seconds.
    """

    display_name: str = ""
    key: str = ""
    script: str = ""
    interval: int = 0
    timeout: int = 0


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentMetadata(Represented):
    """
    One item of metadata: its description and its last result.
    """

    result: WorkspaceAgentMetadataResult = WorkspaceAgentMetadataResult()
    description: WorkspaceAgentMetadataDescription = WorkspaceAgentMetadataDescription()

    _first_fields = ("description",)
    _columns = ("Name", "Value", "Age", "Error")
    _noun = "metadata item"

    def _cells(self) -> Sequence[object]:
        name = self.description.display_name or self.description.key
        return name, output(self.result.value.strip()), self._age(), problem(self.result.error)

    def _age(self) -> object:
        age = self.result.age
        if self.pending or age is None:
            return status("pending") if self.pending else None
        return dot(f"{age:,} s, stale", "busy") if self.stale else f"{age:,} s"

    def _title(self) -> str:
        return self.description.display_name or self.description.key

    def _facts(self) -> Iterable[tuple[str, object]]:
        description = self.description
        _, *shown = zip(self._columns, self._cells(), strict=True)
        return (
            *shown,
            ("Collected", self.result.collected_at),
            ("Key", description.key),
            ("Interval", f"{description.interval:,} s" if description.interval else "once"),
        )

    @property
    def stale(self) -> bool:
        """
        Whether a newer value is overdue, by the rule of the deployment's own dashboard.

        The rule is about items that are collected at intervals. Such an item is stale when it was
        never collected, or when its age is more than an interval and two time-outs, and more than
        5 seconds.
        """
        description, age = self.description, self.result.age
        if description.interval <= 0 or age is None:
            return description.interval > 0
        return age > max(description.interval + 2 * description.timeout, _MIN_STALE_AGE)

    @property
    def pending(self) -> bool:
        """
        Whether the item was never collected.
        """
        return self.result.collected_at is None

    @property
    def number(self) -> Number | None:
        """
        The number that the script printed, in the forms of ``coder stat`` and common scripts:
        ``28%``, ``3.2/16 GiB``, ``1.5``.

        None where the script printed anything else, or where ``result.error`` is not empty.
        """
        from coder_agents.schema.numbers import Number

        return None if self.result.error else Number.parse(self.result.value)
