"""
Log lines of an agent, and the sources they come from.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from coder_agents.render.escape import escape_controls, last_state, terminal_safe
from coder_agents.schema.enumerations import LogLevel
from coder_agents.schema.fields import NIL_UUID, Int64
from coder_agents.schema.source_names import HasSource, name_of_source, restore_name
from coder_agents.schema.times import format_time

_LONGEST_OUTPUT = 1024  # code points
_NAME = "source_name"  # in the state of a line that is pickled or copied


@attrs.frozen(kw_only=True)
class WorkspaceAgentLog(HasSource):
    """
    One line that a script of an agent printed.

    ``str(log)`` is one line, made safe for a terminal. Colours and tabs stay. Every other
    character that could move, break or reorder the line is shown by its code, as ``\\xNN`` or
    ``\\uNNNN``. A progress bar, which is drawn with carriage returns, shows its last state.

    Attributes:
        id: from one sequence of the whole deployment, so ids of one agent have gaps. Sort by it.
        created_at: when the deployment stored the line; the same for all lines of a batch.
        output: what the script wrote, untouched, without the newline that ended it.
        level: error for what came on standard error.
        source_id: the `WorkspaceAgentLogSource` it came from.
    """

    id: Int64 = 0
    created_at: datetime | None = None
    output: str = ""
    level: LogLevel = LogLevel("")
    source_id: UUID = NIL_UUID

    @property
    def source_name(self) -> str:
        """
        The display name of the source that the line came from, for instance of a script.

        Empty where it is not known: of a line that no agent's method returned, and while the
        `Agent.data` of its agent does not list the source.
        """
        return name_of_source(self, self.source_id)

    def __getstate__(self) -> dict[str, Any]:
        return {**attrs.asdict(self, recurse=False), _NAME: self.source_name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for field in attrs.fields(type(self)):
            object.__setattr__(self, field.name, state[field.name])
        restore_name(self, self.source_id, state[_NAME])

    @property
    def truncated(self) -> bool:
        """
        Whether the deployment may have cut the line: it has exactly 1,024 code points, the
        most that a deployment on PostgreSQL keeps.
        """
        return len(self.output) == _LONGEST_OUTPUT

    def __str__(self) -> str:
        return terminal_safe(last_state(self.output))

    def text(
        self, agent_name: str = "", source_name: str | None = None, *, raw: bool = False
    ) -> str:
        """
        The line as the deployment writes it in a plain text log, without a newline.

        For instance ``2026-11-22T08:36:52Z [info] [agent.main|Startup] hello``; ``.main`` and
        ``|Startup`` are left out where *agent_name* and *source_name* are empty; without
        *source_name* it is `source_name`. It is one line, as ``str(log)``
        is, but colours are shown by their codes too. With *raw* every character stays as it is, which
        is what the deployment does, and not safe for a terminal.
        """
        moment = format_time(self.created_at, "seconds")
        agent = f".{agent_name}" if agent_name else ""
        name = self.source_name if source_name is None else source_name
        source = f"|{name}" if name else ""
        output = self.output if raw else last_state(self.output)
        line = f"{moment} [{self.level}] [agent{agent}{source}] {output}"
        return line if raw else escape_controls(line)


@attrs.frozen(kw_only=True)
class WorkspaceAgentLogSource:
    """
    What log lines come from: a script, or a part of the agent itself.

    Attributes:
        workspace_agent_id: the agent.
        id: what `WorkspaceAgentLog.source_id` says.
        created_at: when the deployment first heard of it.
        display_name: its name for people.
        icon: a URL or a path on the deployment, or empty.
    """

    workspace_agent_id: UUID = NIL_UUID
    id: UUID = NIL_UUID
    created_at: datetime | None = None
    display_name: str = ""
    icon: str = ""


@attrs.frozen(kw_only=True)
class LogLineID:
    """
    The id of a log line, where the rest of the line does not matter.
    """

    id: Int64 = 0
