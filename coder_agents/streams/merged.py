"""
The logs of several agents, followed together.
"""

from __future__ import annotations

import collections
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, cast

import attrs

from coder_agents.errors import CoderError
from coder_agents.streams.by_agent import ByAgent
from coder_agents.streams.log_feed import LogFeed
from coder_agents.streams.member import Member
from coder_agents.streams.merged_engine import MergedEngine
from coder_agents.streams.merged_position import A, AgentLog
from coder_agents.streams.options import StreamEnd, StreamOptions
from coder_agents.streams.stream import Stream, opened


class MergedLogStream(Stream[AgentLog[A]], Generic[A]):
    """
    The lines of several agents' logs.

    What is there comes first, in the order of the ids, whichever agent a line is of; then
    the new lines as they come. Of each agent no line comes twice, and none is lost, as
    in a `LogStream`. An agent whose log fails is reported to *on_failure*, and the others continue.
    """

    __slots__ = ()

    @property
    def _engine(self) -> MergedEngine[A]:
        return cast("MergedEngine[A]", self._core.engine)

    @property
    def failures(self) -> ByAgent[A, CoderError]:
        """
        The errors that agents' logs ended with so far, by agent.
        """
        failures = ((member.agent, member.failure) for member in self._engine.members)
        return ByAgent((agent, error) for agent, error in failures if error is not None)

    @property
    def ends(self) -> ByAgent[A, StreamEnd]:
        """
        Why agents' logs ended so far, by agent; all of them once the stream has ended.
        """
        own = self._core.end
        if own is StreamEnd.ALL_ENDED:
            own = None
        ends = ((member.agent, member.end or own) for member in self._engine.members)
        return ByAgent((agent, end) for agent, end in ends if end is not None)

    @property
    def bookmarks(self) -> Mapping[uuid.UUID, str]:
        """
        For each agent's id, what continues after its lines that were yielded, as ``after=``.
        """
        bookmarks: Mapping[uuid.UUID, str] = self._core.position.bookmark
        return bookmarks


def follow_merged(
    agents: Sequence[A],
    new_feed: Callable[[A, StreamOptions], LogFeed],
    *,
    options: StreamOptions,
    on_failure: Callable[[A, CoderError], object] | None = None,
) -> MergedLogStream[A]:
    """
    Return the stream of the logs of *agents*, connected.

    Args:
        agents: each once.
        new_feed: makes the feed of an agent's log with these options.
        options: for each of the feeds.
        on_failure: called with the agent and the error, by the thread that reads.
    """
    # Reported by the thread that reads, not by one that connects.
    reported: collections.deque[Any] = collections.deque()
    chosen = attrs.evolve(options, on_reconnect=lambda *words: reported.append(words))
    members = [
        Member(agent, number, new_feed(agent, chosen)) for number, agent in enumerate(agents)
    ]
    engine = MergedEngine(
        members,
        on_failure=on_failure,
        on_reconnect=options.on_reconnect,
        reported=reported,
        pauses=options._pauses,
    )
    return opened(MergedLogStream, engine)
