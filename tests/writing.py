"""
Agents whose logs are written all the time.
"""

from __future__ import annotations

import itertools
import threading
from typing import Self

from coder_agents.testing import EmbeddedAgent

_PAUSE = 0.001  # seconds


class Writing:
    """
    Writes lines to agents' logs all through a ``with`` statement.

    Attributes:
        ids: the ids of the lines.
    """

    def __init__(self, agents: list[EmbeddedAgent]) -> None:
        self.ids: list[int] = []
        self._agents = agents
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        for number in itertools.count():
            if self._stop.wait(_PAUSE):
                return
            self.ids += self._agents[number % len(self._agents)].push_logs(["line"] * 3)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


class WritingToTheEnd(Writing):
    """
    Writes lines to agents' logs all through a ``with`` statement; then their logs end.
    """

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for each in self._agents:
            each.new_build()
