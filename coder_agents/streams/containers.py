"""
The containers and devcontainers of an agent, watched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from coder_agents.errors import APIError, UnsupportedError
from coder_agents.schema import WorkspaceAgentListContainersResponse, from_json
from coder_agents.streams.changes import ContainerChange, container_changes, same_containers
from coder_agents.streams.engine import FeedEngine
from coder_agents.streams.reconnecting import Broken
from coder_agents.streams.sources import AgentSources
from coder_agents.streams.state_feed import StateFeed
from coder_agents.streams.stream import Stream, opened
from coder_agents.streams.watched import Changes
from coder_agents.transport import Source

Containers = WorkspaceAgentListContainersResponse


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


@attrs.define
class ContainersRoutes:
    """
    Makes the connections of one stream, over the route that is there, and reads them.

    Attributes:
        sources: makes the connections of either kind.
        interval: seconds between two reads where there is no watch.
        polls: whether the last source that was made is one that polls.
    """

    sources: AgentSources
    interval: float
    polls: bool = attrs.field(default=False, init=False)

    def new_source(self) -> Source[bytes]:
        """
        Return the next connection, unopened.
        """
        self.polls = self.sources.capabilities.containers_watch is False
        if self.polls:
            return self.sources.poll("containers", interval=self.interval)
        return self.sources.watch_containers()

    def state(self, message: bytes) -> Containers:
        """
        Return the containers that *message* lists.
        """
        return from_json(message, WorkspaceAgentListContainersResponse)

    def are_same(self, before: Containers, after: Containers) -> bool:
        """
        Whether both lists say the same.
        """
        return same_containers(before, after)

    def broke(self, broken: Broken) -> float | None:
        """
        Turn to the other route at once where this one is missing.
        """
        # A deployment that was replaced may have lost the watch, or have one now. One that
        # answers was not.
        if isinstance(broken, UnsupportedError):
            return None if self.polls else 0.0
        if self.polls and not (isinstance(broken, APIError) and broken.by_deployment):
            self.sources.capabilities.containers_watch = None
        return None


def watch_containers(sources: AgentSources, *, interval: float) -> ContainersStream:
    """
    Return the stream of an agent's containers, over the route that the deployment has.
    """
    what = f"the containers of agent {sources.agent_id}"
    routes = ContainersRoutes(sources, interval)
    feed = StateFeed(
        routes.new_source,
        routes,
        what=what,
        options=sources.options,
        connect_timeout=sources.connect_timeout,
    )
    return opened(ContainersStream, FeedEngine(feed, pauses=sources.options._pauses))


def _changes(before: Containers | None, after: Containers) -> Sequence[ContainerChange]:
    return container_changes(before or Containers(), after)
