"""
The containers and devcontainers of an agent, watched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from coder_agents.errors import APIError, UnsupportedError
from coder_agents.releases import Capabilities
from coder_agents.schema import WorkspaceAgentListContainersResponse, from_json
from coder_agents.streams.changes import ContainerChange, container_changes, same_containers
from coder_agents.streams.link import Broken
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.watched import WatchedStream
from coder_agents.transport import Source

Containers = WorkspaceAgentListContainersResponse


@attrs.define
class ContainersRoutes:
    """
    Makes the connections of one stream, over the route that is there.

    Attributes:
        watch: makes a source that is told of changes.
        poll: makes one that asks again and again.
        capabilities: what was learnt of the deployment, and is learnt by opening the first.
        polls: whether the last source that was made is one that asks.
    """

    watch: Callable[[], Source[bytes]]
    poll: Callable[[], Source[bytes]]
    capabilities: Capabilities
    polls: bool = attrs.field(default=False, init=False)

    def new_source(self) -> Source[bytes]:
        """
        Return the next connection, unopened.
        """
        self.polls = self.capabilities.containers_watch is False
        return self.poll() if self.polls else self.watch()

    def doubt(self) -> None:
        """
        Have a watch that was missing asked for again.
        """
        if self.polls:
            self.capabilities.containers_watch = None


class ContainersStream(WatchedStream[Containers, ContainerChange]):
    """
    All containers and devcontainers that the agent sees, again after each change.

    The first state comes at once. It never ends by itself: a close by the server means
    that its connection to the agent ended, and the stream waits for the agent to come back.
    """

    def __init__(self, routes: ContainersRoutes, *, what: str, options: StreamOptions) -> None:
        self._routes = routes
        super().__init__(routes.new_source, what=what, options=options)

    def _judge(self, broken: Broken) -> float | None:
        # A deployment that was replaced may have lost the watch, or have one now. One that
        # answers was not.
        if isinstance(broken, UnsupportedError):
            return None if self._routes.polls else 0.0
        if not (isinstance(broken, APIError) and broken.by_deployment):
            self._routes.doubt()
        return None

    def _state(self, message: bytes) -> Containers:
        return from_json(message, WorkspaceAgentListContainersResponse)

    def _are_same(self, before: Containers, after: Containers) -> bool:
        return same_containers(before, after)

    def _changes(self, before: Containers | None, after: Containers) -> Sequence[ContainerChange]:
        return container_changes(before or WorkspaceAgentListContainersResponse(), after)


def watch_containers(
    routes: ContainersRoutes, *, what: str, options: StreamOptions
) -> ContainersStream:
    """
    Return a stream over the route that the deployment has.
    """
    try:
        return ContainersStream(routes, what=what, options=options).open()
    except UnsupportedError:
        if routes.polls:
            raise
    return ContainersStream(routes, what=what, options=options).open()
