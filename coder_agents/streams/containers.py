"""
The containers and devcontainers of an agent, watched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coder_agents.streams.changes import ContainerChange, container_changes
from coder_agents.streams.containers_feed import (
    Containers,
    ContainersFeed,
    ContainersRoutes,
    Intervals,
)
from coder_agents.streams.engine import FeedEngine
from coder_agents.streams.sources import AgentSources
from coder_agents.streams.state_feed import StateFeed
from coder_agents.streams.stream import Stream, opened
from coder_agents.streams.watched import Changes


class ContainersStream(Stream[Containers]):
    """
    All containers and devcontainers that the agent sees, again after each change.

    The first state comes at once. What the deployment repeats, or lists in another order, is skipped.
    The stream never ends without being closed: a close by the server means that its connection to
    the agent ended, and the stream waits for the agent to come back.
    """

    __slots__ = ()

    def changes(self) -> Iterator[ContainerChange]:
        """
        Return an iterator over what happens, in place of the states.

        It begins with all that is in the first state; after a state that was read already, with what
        is different from that. It reads this stream, so it ends and raises as the stream
        does: close the stream to end it.
        """
        return Changes(self, _changes)


def watch_containers(sources: AgentSources, intervals: Intervals) -> ContainersStream:
    """
    Return the stream of an agent's containers, over the route that deployment and agent have.
    """
    routes = ContainersRoutes(sources, intervals.alone)
    states = StateFeed(
        routes.new_source,
        routes,
        what=f"the containers of agent {sources.agent_id}",
        options=sources.options,
        connect_timeout=sources.connect_timeout,
    )
    feed = ContainersFeed(states, routes, interval=intervals.beside)
    return opened(ContainersStream, FeedEngine(feed, pauses=sources.options._pauses))


def _changes(before: Containers | None, after: Containers) -> Sequence[ContainerChange]:
    return container_changes(before or Containers(), after)
