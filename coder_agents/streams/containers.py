"""
The containers and devcontainers of an agent, watched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from coder_agents.errors import UnsupportedError
from coder_agents.releases import Capabilities
from coder_agents.schema import WorkspaceAgentListContainersResponse, from_json
from coder_agents.streams.changes import ContainerChange, container_changes, same_containers
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.watched import WatchedStream
from coder_agents.transport import Source

Containers = WorkspaceAgentListContainersResponse


class ContainersStream(WatchedStream[Containers, ContainerChange]):
    """
    All containers and devcontainers that the agent sees, again after each change.

    The first state comes at once. It never ends by itself: a close by the server means
    that its connection to the agent ended, and the stream waits for the agent to come back.
    """

    def _state(self, message: bytes) -> Containers:
        return from_json(message, WorkspaceAgentListContainersResponse)

    def _are_same(self, before: Containers, after: Containers) -> bool:
        return same_containers(before, after)

    def _changes(self, before: Containers | None, after: Containers) -> Sequence[ContainerChange]:
        return container_changes(before or WorkspaceAgentListContainersResponse(), after)


def watch_containers(
    watch: Callable[[], Source[bytes]],
    poll: Callable[[], Source[bytes]],
    capabilities: Capabilities,
    *,
    what: str,
    options: StreamOptions,
) -> ContainersStream:
    """
    Return a stream over what *watch* makes, or *poll* where the deployment has no watch; which
    is learnt when what *watch* makes is opened.
    """
    if capabilities.containers_watch is not False:
        with suppress(UnsupportedError):
            return ContainersStream(watch, what=what, options=options).open()
    return ContainersStream(poll, what=what, options=options).open()
