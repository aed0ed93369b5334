"""
What a screen shows of one agent, followed while the screen is open.
"""

from __future__ import annotations

import abc
import collections
import threading
from typing import Any

from coder_agents.agent import Agent
from coder_agents.cli.top.board import Board
from coder_agents.cli.top.reasons import described
from coder_agents.errors import CoderError
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.streams import Stream

MAX_LINES = 5000
"""
The lines of a log that are kept.
"""


class Followed(abc.ABC):
    """
    A stream that one thread opens and reads, and another one closes.

    Attributes:
        ending: why nothing more comes; empty while the stream is followed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream: Stream[Any] | None = None
        self._is_closed = False
        self.ending = ""

    def follow(self) -> None:
        """
        Follow the stream to its end; called by a thread.
        """
        try:
            with self._open() as stream:
                with self._lock:
                    self._stream = stream
                    is_closed = self._is_closed
                if not is_closed:
                    self._read(stream)
            self.ending = str(stream.end)
        except CoderError as error:
            self.ending = described(error)

    @abc.abstractmethod
    def _open(self) -> Stream[Any]:
        """
        Return the stream, connected.
        """

    @abc.abstractmethod
    def _read(self, stream: Stream[Any]) -> None:
        """
        Read *stream* to its end.
        """

    def close(self) -> None:
        """
        End the thread that calls `follow`; returns at once.
        """
        with self._lock:
            self._is_closed = True
            stream = self._stream
        if stream is not None:
            stream.close()


class FollowedLog(Followed):
    """
    One agent's log.

    Args:
        agent: the agent.
        tail: with how many stored lines the log begins.
    """

    def __init__(self, agent: Agent, *, tail: int) -> None:
        super().__init__()
        self._agent = agent
        self._tail = tail
        self._lines: collections.deque[WorkspaceAgentLog] = collections.deque(maxlen=MAX_LINES)

    def _open(self) -> Stream[Any]:
        return self._agent.follow_logs(tail=self._tail)

    def _read(self, stream: Stream[WorkspaceAgentLog]) -> None:
        for batch in stream.batches():
            with self._lock:
                self._lines.extend(batch)

    def take(self, most: int) -> list[WorkspaceAgentLog]:
        """
        Return the next lines, *most* at most. Of lines that nobody takes, the newest `MAX_LINES`
        are kept.
        """
        with self._lock:
            return [self._lines.popleft() for _ in range(min(most, len(self._lines)))]


class FollowedMetadata(Followed):
    """
    One agent's metadata, which is noted on *board* each time that it is collected.
    """

    def __init__(self, agent: Agent, board: Board) -> None:
        super().__init__()
        self._agent = agent
        self._board = board

    def _open(self) -> Stream[Any]:
        return self._agent.watch_metadata()

    def _read(self, stream: Stream[Any]) -> None:
        for items in stream:
            self._board.put_metadata(self._agent.id, items)
