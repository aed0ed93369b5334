"""
The log of an agent, followed.
"""

from __future__ import annotations

from collections.abc import Callable

from coder_agents.schema import WorkspaceAgentLog, from_json
from coder_agents.streams.stream import Stream
from coder_agents.transport import DroppedError, Source

_NORMAL = 1000  # RFC 6455, section 7.4.1


class LogStream(Stream[bytes, WorkspaceAgentLog]):
    """
    The lines of an agent's log, the ones it has first, then the new ones as they come.

    It ends when the server closes it, which it does for a newer build of the
    workspace, for a deleted agent, and for its own restart.
    """

    def __init__(self, connect: Callable[[], Source[bytes]], *, what: str) -> None:
        self._last_id: int | None = None
        super().__init__(connect, what=what)

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was yielded; None before the first.
        """
        return self._last_id

    def _items(self, message: bytes) -> list[WorkspaceAgentLog]:
        return from_json(message, list[WorkspaceAgentLog])

    def _yielded(self, item: WorkspaceAgentLog) -> WorkspaceAgentLog:
        self._last_id = max(item.id, self._last_id or 0)
        return item

    def _is_end(self, drop: DroppedError) -> bool:
        return drop.code == _NORMAL
