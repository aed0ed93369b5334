"""
The log of a build.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime

from coder_agents.schema import LogLevel, LogSource, ProvisionerJobLog
from coder_agents.testing.notices import Notices

_MILLISECOND = 1000  # microseconds


class BuildLog:
    """
    The lines of the log of one build.

    Arguments:
        take_id: returns the next id of the deployment's one sequence.
        now: returns the deployment's time.

    Attributes:
        notices: notifies of every new line.
    """

    def __init__(self, take_id: Callable[[], int], *, now: Callable[[], datetime]) -> None:
        self._take_id = take_id
        self._now = now
        self._lock = threading.Lock()
        self._lines: list[ProvisionerJobLog] = []
        self.notices = Notices()

    def append(
        self, source: LogSource, stage: str, output: str = "", level: LogLevel = LogLevel.INFO
    ) -> int:
        """
        Store a line, and return its id. A line without *output* begins a *stage*.
        """
        with self._lock:
            now = self._now()
            line = ProvisionerJobLog(
                id=self._take_id(),
                created_at=now.replace(microsecond=now.microsecond // _MILLISECOND * _MILLISECOND),
                log_source=source,
                log_level=level,
                stage=stage,
                output=output,
            )
            self._lines.append(line)
        self.notices.notify()
        return line.id

    def after(self, last_id: int) -> list[ProvisionerJobLog]:
        """
        Return the lines with ids above *last_id*, by id.
        """
        with self._lock:
            return self._lines[bisect_right(self._lines, last_id, key=lambda line: line.id) :]
