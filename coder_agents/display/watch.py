"""
The metadata of several agents, watched together.

A few threads read all streams in turn, without waiting for a single one. A thread that connects again
delays the agents of its own share only.
"""

from __future__ import annotations

import collections
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs

from coder_agents.agent import Agent
from coder_agents.errors import CoderError
from coder_agents.schema import WorkspaceAgentMetadata
from coder_agents.streams import MetadataStream, StreamOptions
from coder_agents.streams.reconnect import without_frames

Items = list[WorkspaceAgentMetadata]
OnItems = Callable[[Agent, Items], object]
OnFailure = Callable[[Agent, Exception], object]

_MAX_THREADS = 8
_PAUSE = 0.25  # seconds between two reads of a stream: a deployment sends at most once a second
_MAX_LEAVING = 2.0  # seconds that `close` waits for a thread that is connecting


@attrs.define(eq=False)
class _WatchMember:
    """
    One agent, and the stream of its metadata; None before it is opened.
    """

    agent: Agent
    stream: MetadataStream | None
    is_over: bool = False

    def close(self) -> None:
        """
        End the stream. Callable from any thread.
        """
        self.is_over = True
        if self.stream is not None:
            self.stream.close()


@attrs.define(eq=False)
class _Reader:
    """
    The share of one thread.

    It refers to nothing that a user holds, so that an object that is forgotten does not live on in its
    thread.
    """

    on_items: OnItems
    on_failure: OnFailure
    options: StreamOptions | None
    stop: threading.Event
    members: collections.deque[_WatchMember] = attrs.field(factory=collections.deque)

    def run(self) -> None:
        """
        Read all streams of the share in turn, until `stop` is set.
        """
        try:
            while not self.stop.is_set():
                for _ in range(len(self.members)):
                    self._read(self.members.popleft())
                self.stop.wait(_PAUSE)
        finally:
            for member in self.members:
                member.close()

    def _read(self, member: _WatchMember) -> None:
        try:
            if member.stream is None and not self.stop.is_set():
                member.stream = member.agent.watch_metadata(options=self.options)
            if member.stream is not None and not member.is_over:
                items = member.stream.poll(0)
                if items is not None:
                    self.on_items(member.agent, items)
        except Exception as error:  # also one of the user's own on_reconnect
            member.close()
            if not self.stop.is_set():
                known = isinstance(error, CoderError)
                self.on_failure(member.agent, without_frames(error) if known else error)
        if member.is_over:
            member.close()
        else:
            self.members.append(member)


class MetadataWatch:
    """
    Watches the metadata of agents, which can be added and dropped meanwhile.

    Args:
        on_items: called with an agent and its full list, by one of the threads.
        on_failure: called with an agent and the error that ended its stream, by one of the threads.
        options: the options of the streams; None for those of the agents' client.
    """

    def __init__(
        self, *, on_items: OnItems, on_failure: OnFailure, options: StreamOptions | None = None
    ) -> None:
        self._stop = threading.Event()
        self._readers: list[_Reader] = []
        self._threads: list[threading.Thread] = []
        self._members: dict[Any, _WatchMember] = {}
        self._new_reader = functools.partial(_Reader, on_items, on_failure, options, self._stop)

    def add(self, agent: Agent, stream: MetadataStream | None = None) -> None:
        """
        Watch *agent*, over *stream* where it is open already.
        """
        member = self._members[agent.id] = _WatchMember(agent, stream)
        if len(self._readers) < _MAX_THREADS:
            self._start_thread(member)
        else:
            min(self._readers, key=lambda reader: len(reader.members)).members.append(member)

    def _start_thread(self, member: _WatchMember) -> None:
        reader = self._new_reader()
        reader.members.append(member)
        # Daemons: an interpreter that ends does not wait for a watch that nobody closed.
        thread = threading.Thread(target=reader.run, name="coder-agents-watch", daemon=True)
        self._readers.append(reader)
        self._threads.append(thread)
        thread.start()

    def drop(self, agent: Agent) -> None:
        """
        Stop watching *agent*, where it is watched.
        """
        member = self._members.pop(agent.id, None)
        if member is not None:
            member.close()

    def stop(self) -> None:
        """
        Let all threads end, without waiting for them. Callable from any thread or finaliser.
        """
        self._stop.set()
        for member in list(self._members.values()):
            member.close()

    def close(self) -> None:
        """
        End all streams and threads. A thread that is connecting may end a moment later, with its
        connection.
        """
        self.stop()
        until = time.monotonic() + _MAX_LEAVING
        for thread in self._threads:
            if thread.is_alive():  # an interrupt may have come before the start
                thread.join(max(0.0, until - time.monotonic()))
