"""
The log of a build.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from coder_agents.render.escape import escape_controls, last_state, terminal_safe
from coder_agents.representation import Represented
from coder_agents.representation.cells import level
from coder_agents.schema.enumerations import LogLevel, LogSource
from coder_agents.schema.fields import Int64, identifying
from coder_agents.schema.times import format_time


@attrs.frozen(kw_only=True, repr=False)
class ProvisionerJobLog(Represented):
    """
    One line of the log of a build.

    A line without output marks the beginning of a stage. ``str(log)`` is one line, safe for a
    terminal: the output, or ``==> STAGE`` where there is none. Colours and tabs stay; every other
    character that could move, break or reorder the line is shown by its code.

    Attributes:
        id: the line's id, which orders the lines. All builds of a deployment share one sequence of
            ids, so the ids of one build have gaps.
        created_at: when the line was written.
        log_source: the provisioner, such as Terraform, or its daemon.
        log_level: the level.
        stage: the stage of the build, such as ``Starting workspace``.
        output: the text, unchanged; empty where a stage begins.
    """

    id: Int64 = identifying(0)
    created_at: datetime | None = None
    log_source: LogSource = LogSource("")
    log_level: LogLevel = LogLevel("")
    stage: str = ""
    output: str = ""

    _columns = ("Time", "Level", "Stage", "Output")
    _noun = "log line"

    def _cells(self) -> Sequence[object]:
        return self.created_at, level(self.log_level), self.stage, [self.output]

    def _facts(self) -> Iterable[tuple[str, object]]:
        return (("Id", str(self.id)), *zip(self._columns, self._cells(), strict=True))

    def __str__(self) -> str:
        return terminal_safe(last_state(self.output) if self.output else f"==> {self.stage}")

    def text(self, *, raw: bool = False) -> str:
        """
        Return the line in the form of the deployment's plain text logs, without a newline.

        An example is ``2026-11-28T04:04:20Z [info] [provisioner|Starting workspace] Apply
        complete!``. The text is one line, as ``str(log)`` is, but it shows colours by their codes,
        too. With *raw*, every character stays as it is; that is not safe for a terminal.
        """
        moment = format_time(self.created_at, "seconds")
        output = self.output if raw else last_state(self.output)
        line = f"{moment} [{self.log_level}] [{self.log_source}|{self.stage}] {output}"
        return line if raw else escape_controls(line)
