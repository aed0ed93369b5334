"""
The stream of several agents' logs.
"""

from __future__ import annotations

import collections
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, cast

import attrs

from coder_agents.errors import CoderError
from coder_agents.streams.by_agent import ByAgent
from coder_agents.streams.log_feed import LogFeed
from coder_agents.streams.member import Member
from coder_agents.streams.merged_engine import MergedEngine
from coder_agents.streams.merged_position import A, AgentLog, Labelled
from coder_agents.streams.options import StreamEnd, StreamOptions
from coder_agents.streams.stores import BookmarkStore
from coder_agents.streams.stream import Stream, opened

logger = logging.getLogger("coder_agents")


class MergedLogStream(Stream[AgentLog[A]], Generic[A]):
    """
    The lines of several agents' logs.

    The lines that the logs have come first, in the order of their ids across all agents; then new
    lines as they come. No line of an agent comes twice, and none is lost, as in a `LogStream`. An
    agent whose log fails is reported to *on_failure*; the other logs continue.
    """

    __slots__ = ()

    @property
    def _engine(self) -> MergedEngine[A]:
        return cast("MergedEngine[A]", self._core.engine)

    @property
    def failures(self) -> ByAgent[A, CoderError]:
        """
        The errors with which agents' logs have ended so far, by agent.
        """
        failures = ((member.agent, member.failure) for member in self._engine.members)
        return ByAgent((agent, error) for agent, error in failures if error is not None)

    @property
    def ends(self) -> ByAgent[A, StreamEnd]:
        """
        Why agents' logs have ended so far, by agent. After the end of the stream, every agent is
        listed.
        """
        own = self._core.end
        if own is StreamEnd.ALL_ENDED:
            own = None
        ends = ((member.agent, member.end or own) for member in self._engine.members)
        return ByAgent((agent, end) for agent, end in ends if end is not None)

    @property
    def bookmarks(self) -> Mapping[uuid.UUID, str]:
        """
        For each agent's id, the bookmark that continues after the agent's yielded lines, as
        ``after=``.
        """
        bookmarks: Mapping[uuid.UUID, str] = self._core.position.bookmark
        return bookmarks


def follow_merged(
    agents: Sequence[A],
    new_feed: Callable[[A, StreamOptions], LogFeed],
    *,
    options: StreamOptions,
    on_failure: Callable[[A, CoderError], object] | None = None,
    store: BookmarkStore | None = None,
) -> MergedLogStream[A]:
    """
    Return the stream of the logs of *agents*, connected.

    Args:
        agents: the agents, without repetition.
        new_feed: returns the feed of an agent's log with these options.
        options: the options of every feed.
        on_failure: called with the agent and the error, by the thread that reads; without it a
            warning is logged.
        store: where the bookmarks are saved; None where they are not.
    """
    # The thread that reads calls `on_reconnect`, not a thread that connects.
    reported: collections.deque[Any] = collections.deque()
    feed_options = attrs.evolve(options, on_reconnect=lambda *arguments: reported.append(arguments))
    members = [
        Member(agent, number, new_feed(agent, feed_options)) for number, agent in enumerate(agents)
    ]
    engine = MergedEngine(
        members,
        on_failure=on_failure or _warn,
        on_reconnect=options.on_reconnect,
        reported=reported,
        pauses=options._pauses,
    )
    return opened(MergedLogStream, engine, store)


def _warn(agent: Labelled, error: CoderError) -> None:
    # Or a loop would just end, without a word, once the last log has failed.
    logger.warning("the log of agent %s is not followed any more: %s", agent.label, error)
