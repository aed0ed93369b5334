"""
Log lines of an agent, and their sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from coder_agents.render.escape import escape_controls, last_state, terminal_safe
from coder_agents.representation.cells import level
from coder_agents.representation.objects import Represented
from coder_agents.schema.enumerations import LogLevel
from coder_agents.schema.fields import NIL_UUID, Int64
from coder_agents.schema.source_names import HasSource, name_of_source, restore_name
from coder_agents.schema.times import format_time

_MAX_OUTPUT = 1024  # code points
_NAME = "source_name"  # the key in the state of a pickled or copied line


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentLog(Represented, HasSource):
    """
    One line that a script of an agent printed.

    ``str(log)`` is one line, safe for a terminal. Colours and tabs stay. Every other character that
    could move, break or reorder the line is shown by its code, as ``\\xNN`` or ``\\uNNNN``. A
    progress bar, which is drawn with carriage returns, shows its last state.

    Attributes:
        id: the line's id, which orders the lines. All agents of a deployment share one sequence of
            ids, so the ids of one agent have gaps.
        created_at: when the deployment stored the line; the same for all lines of a batch.
        output: the script's output without the newline at its end, otherwise unchanged.
        level: the level; error for a line of standard error.
        source_id: the id of its `WorkspaceAgentLogSource`.
    """

    id: Int64 = 0
    created_at: datetime | None = None
    output: str = ""
    level: LogLevel = LogLevel("")
    source_id: UUID = NIL_UUID

    _columns = ("Time", "Level", "Source", "Output")
    _noun = "log line"

    def _cells(self) -> Sequence[object]:
        return self.created_at, level(self.level), self.source_name, [self.output]

    def _facts(self) -> Iterable[tuple[str, object]]:
        return (("Id", str(self.id)), *zip(self._columns, self._cells(), strict=True))

    @property
    def source_name(self) -> str:
        """
        The display name of the line's source, for instance of a script.

        It is empty where the name is not known: for a line that no method of an agent returned, and
        while `Agent.data` of its agent does not list the source.
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
        Whether the deployment may have cut the line.

        The line then has exactly 1,024 code points, the limit of a deployment on PostgreSQL.
        """
        return len(self.output) == _MAX_OUTPUT

    def __str__(self) -> str:
        return terminal_safe(last_state(self.output))

    def text(
        self, agent_name: str = "", source_name: str | None = None, *, raw: bool = False
    ) -> str:
        """
        Return the line in the form of the deployment's plain text logs, without a newline.

        An example is ``2026-11-22T08:36:52Z [info] [agent.main|Startup] hello``. Where *agent_name*
        or *source_name* is empty, ``.main`` or ``|Startup`` is skipped; None as *source_name* means
        the line's own `source_name`. The text is one line, as ``str(log)`` is, but it shows colours
        by their codes, too. With *raw*, every character stays as it is, as in the deployment's
        logs; that is not safe for a terminal.
        """
        moment = format_time(self.created_at, "seconds")
        agent = f".{agent_name}" if agent_name else ""
        name = self.source_name if source_name is None else source_name
        source = f"|{name}" if name else ""
        output = self.output if raw else last_state(self.output)
        line = f"{moment} [{self.level}] [agent{agent}{source}] {output}"
        return line if raw else escape_controls(line)


@attrs.frozen(kw_only=True, repr=False)
class WorkspaceAgentLogSource(Represented):
    """
    A source of log lines: a script, or a part of the agent itself.

    Attributes:
        workspace_agent_id: the id of the agent.
        id: the source's id, which is `WorkspaceAgentLog.source_id` of its lines.
        created_at: when the deployment first stored it.
        display_name: its name for people.
        icon: a URL or a path on the deployment, or empty.
    """

    workspace_agent_id: UUID = NIL_UUID
    id: UUID = NIL_UUID
    created_at: datetime | None = None
    display_name: str = ""
    icon: str = ""

    _first_fields = ("display_name",)
    _columns = ("Source", "Id", "Created")
    _noun = "log source"

    def _cells(self) -> Sequence[object]:
        return self.display_name, self.id, self.created_at


@attrs.frozen(kw_only=True, repr=False)
class LogLineID(Represented):
    """
    The id of a log line, without the other fields of the line.
    """

    id: Int64 = 0
