"""
Metadata of an agent: small values that scripts of the template collect again and again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from coder_agents.schema.fields import Age

if TYPE_CHECKING:
    from coder_agents.schema.numbers import Number

_ALWAYS_FRESH = 5


@attrs.frozen(kw_only=True)
class WorkspaceAgentMetadataResult:
    """
    What came of the last run of a metadata script.

    Attributes:
        collected_at: when it ran; None while it never has.
        age: whole seconds from then to when the deployment sent this, by the deployment's clock;
            None while it never ran, which is 9223372036 on the wire.
        value: what the script printed, usually with a newline at the end; cut at 2,048 bytes.
        error: why there is no good value, also that it was cut; or empty.
    """

    collected_at: datetime | None = None
    age: Age = None
    value: str = ""
    error: str = ""


@attrs.frozen(kw_only=True)
class WorkspaceAgentMetadataDescription:
    """
    How the template has one item of metadata collected.

    Attributes:
        display_name: its name for people.
        key: its name for programs, unique in the agent.
        script: what is run.
        interval: whole seconds from one run to the next; 0 for a script that is run but once.
        timeout: whole seconds a run may take.
    """

    display_name: str = ""
    key: str = ""
    script: str = ""
    interval: int = 0
    timeout: int = 0


@attrs.frozen(kw_only=True)
class WorkspaceAgentMetadata:
    """
    One item of metadata: what is collected, and what was last found.
    """

    result: WorkspaceAgentMetadataResult = WorkspaceAgentMetadataResult()
    description: WorkspaceAgentMetadataDescription = WorkspaceAgentMetadataDescription()

    @property
    def stale(self) -> bool:
        """
        Whether a newer value is overdue, by the rule of the deployment's own dashboard.

        That is when the item is collected regularly and its age passes an interval and two
        time-outs, and 5 seconds, or when it was never collected.
        """
        description, age = self.description, self.result.age
        if description.interval <= 0 or age is None:
            return description.interval > 0
        return age > max(description.interval + 2 * description.timeout, _ALWAYS_FRESH)

    @property
    def pending(self) -> bool:
        """
        Whether nothing was collected yet.
        """
        return self.result.collected_at is None

    @property
    def number(self) -> Number | None:
        """
        The number that the script printed, as ``coder stat`` and common scripts do: ``28%``,
        ``3.2/16 GiB``, ``1.5``.

        None where it printed anything else, or where the run went wrong: then ``result.error`` says
        why its value is not to be trusted.
        """
        from coder_agents.schema.numbers import Number

        return None if self.result.error else Number.parse(self.result.value)
