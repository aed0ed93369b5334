"""
The stream of an agent's containers and devcontainers.
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
from coder_agents.streams.watched import StateChanges


class ContainersStream(Stream[Containers]):
    """
    All containers and dev containers that the agent sees, again after each change.

    The first state comes at once. States that only repeat the last one, in any order, are skipped.
    The stream ends only when it is closed. Where the server closes the connection, its own
    connection to the agent has ended, and the stream waits until the agent is back.
    """

    __slots__ = ()

    def changes(self) -> Iterator[ContainerChange]:
        """
        Return an iterator over the changes between the states.

        The first changes are the whole first state or, where a state was read before, the
        difference from that state. The iterator reads this stream: it ends and raises as the stream
        does. Close the stream to end it.
        """
        return StateChanges(self, _changes)


def watch_containers(sources: AgentSources, intervals: Intervals) -> ContainersStream:
    """
    Return the stream of an agent's containers, over the route that the deployment and the agent
    have.
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
