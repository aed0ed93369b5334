"""
The feed of an agent's containers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import attrs

from coder_agents.errors import AgentNotConnectedError, APIError, DecodeError, UnsupportedCallError
from coder_agents.schema import WorkspaceAgentListContainersResponse, from_json
from coder_agents.streams.changes import same_containers
from coder_agents.streams.checks import Check
from coder_agents.streams.engine import Counts
from coder_agents.streams.position import StatePosition
from coder_agents.streams.reconnecting import Broken
from coder_agents.streams.sources import AgentSources
from coder_agents.streams.state_feed import StateFeed
from coder_agents.transport import Interest, Source, lacks_call

Containers = WorkspaceAgentListContainersResponse

_DRY_STEPS = 2  # without a message, after which a watch has been read to its end


@attrs.frozen(kw_only=True)
class Intervals:
    """
    Seconds between two reads of the list of containers.

    Attributes:
        beside: while a watch is open, which does not report every change.
        alone: where the route of the watch is missing.
    """

    beside: float = 30.0
    alone: float = 5.0


@attrs.define
class ContainersRoutes:
    """
    Opens the connections of one stream, over the route that exists, and reads their messages.

    Attributes:
        sources: makes the connections of both kinds.
        interval: seconds between two reads where the watch is missing.
        polls: whether the newest source polls the list.
    """

    sources: AgentSources
    interval: float
    polls: bool = attrs.field(default=False, init=False)

    def new_source(self) -> Source[bytes]:
        """
        Return the next connection, unopened.
        """
        capabilities, agent_id = self.sources.capabilities, self.sources.agent_id
        self.polls = (
            capabilities.containers_watch is False or agent_id in capabilities.agents_without_watch
        )
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
        Whether both states have the same content, in any order.
        """
        return same_containers(before, after)

    def disconnected(self, broken: Broken) -> float | None:
        """
        Return 0, for a try over the other route at once, where this route is missing; else None.
        """
        if isinstance(broken, UnsupportedCallError):
            return None if self.polls else 0.0
        if self.polls:
            self._forget_missing(broken)
            return None
        # An agent without dev containers gives the same answer; the list, which is read next,
        # decides.
        if lacks_call(broken):
            self.sources.capabilities.agents_without_watch |= {self.sources.agent_id}
            return 0.0
        return None

    def _forget_missing(self, broken: Broken) -> None:
        """
        Forget which routes are missing, where *broken* may mean a replaced deployment or agent.
        """
        capabilities = self.sources.capabilities
        # A replaced deployment may have a watch where the old one had none, and the reverse. A
        # deployment that answers was not replaced, but a disconnected agent may return with another
        # release.
        is_same = isinstance(broken, APIError) and broken.by_deployment
        if not is_same:
            capabilities.containers_watch = None
        if not is_same or isinstance(broken, AgentNotConnectedError):
            capabilities.agents_without_watch -= {self.sources.agent_id}


class ContainersFeed:
    """
    Containers over a watch, with reads of the list of containers beside the watch.

    A watch sends the full state whenever a dev container changes. The start or stop of a plain
    container appears in the list alone. The list is read *interval* seconds after the newest state,
    over a kept connection. Where the watch is missing, only the list is read.

    Args:
        states: the feed of the connection's states.
        routes: opens the connections.
        interval: seconds from a state to the next read of the list.
    """

    def __init__(
        self,
        states: StateFeed[bytes, Containers],
        routes: ContainersRoutes,
        *,
        interval: float,
    ) -> None:
        self.what = states.what
        self._states = states
        self._routes = routes
        self._interval = interval
        sources = routes.sources
        self._check = Check(
            sources.check_containers,
            sources.check_would_dial,
            what=self.what,
            connect_timeout=sources.connect_timeout,
            pauses=sources.options._pauses,
        )
        self._checked_at = 0.0
        self._due = math.inf
        self._list: Containers | None = (
            None  # that came, while the watch may still hold an older state
        )
        self._found_dry = 0

    def position(self) -> StatePosition[Containers]:
        """
        Return the position before the first state.
        """
        return self._states.position()

    def open(self) -> bool:
        """
        Take the next step of the first connection; return whether it is open.
        """
        return self._states.open()

    def step(self) -> StatePosition[Containers] | None:
        """
        Return the next position; see `Feed.step`.
        """
        position = self._states.step()
        if position is None:
            position = self._take_list()
        if position is None and time.monotonic() >= self._due:
            self._read_list()
        self._due = self._check.due_at(self._wanted_at())
        return position

    def _wanted_at(self) -> float | None:
        received_at = self._states.received_at
        if self._routes.polls or received_at is None:
            return None
        return max(received_at, self._checked_at) + self._interval

    def _read_list(self) -> None:
        check = self._check
        body = check.receive()
        if body is None:
            return
        try:
            self._list = self._routes.state(body)
        except DecodeError as error:
            check.failed(error)
            return
        check.succeeded()
        self._found_dry = 0
        self._checked_at = time.monotonic()

    def _take_list(self) -> StatePosition[Containers] | None:
        """
        Return the position at the list that came, once the watch has been read to its end; else
        None.

        A message of the watch that comes after the list was requested is a full state, newer or
        older than the list. Then the list is dropped and read again later, so that no state reverts
        to an older one.
        """
        state, received_at = self._list, self._states.received_at
        if state is None:
            return None
        if received_at is None or received_at >= self._check.requested:
            self._list = None
            return None
        # After a read that emptied the connection, the next step does not read it; the one after
        # does.
        self._found_dry += self._states.interests() is not None
        if self._found_dry < _DRY_STEPS:
            return None
        self._list = None
        return self._states.take(state)

    def interests(self) -> Sequence[Interest] | None:
        """
        Return what to wait for before another step; see `Feed.interests`.
        """
        if self._list is not None:
            return None
        return self._check.interests_beside(self._states.interests(), self._due)

    def expect_break(self) -> None:
        """
        Note that no thread has read for a long time.
        """
        self._states.expect_break()

    def counts(self) -> Counts:
        """
        Return the counts of all connections.
        """
        counts, check = self._states.counts(), self._check
        return attrs.evolve(counts, bytes=counts.bytes + check.received, checks=check.count)

    def wake(self) -> None:
        """
        Stop the thread that opens or steps with *ClosedError*; callable from any thread or signal
        handler.
        """
        self._states.wake()
        self._check.wake()

    def free(self) -> None:
        """
        Free all sockets; a second call does nothing.
        """
        self._states.free()
        self._check.free()
