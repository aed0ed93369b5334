"""
The feed of an agent's containers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import attrs

from coder_agents.errors import AgentNotConnectedError, APIError, DecodeError, UnsupportedError
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

_DRY_STEPS = 2  # in which a watch gives nothing until it has been read to its end


@attrs.frozen(kw_only=True)
class Intervals:
    """
    Seconds between two reads of the list of containers.

    Attributes:
        beside: where there is a watch, which does not report all.
        alone: where there is none.
    """

    beside: float = 30.0
    alone: float = 5.0


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
        Whether both lists say the same.
        """
        return same_containers(before, after)

    def broke(self, broken: Broken) -> float | None:
        """
        Turn to the other route at once where this one is missing.
        """
        if isinstance(broken, UnsupportedError):
            return None if self.polls else 0.0
        if self.polls:
            self._expect_another(broken)
            return None
        # An agent without dev containers answers alike; its list, which is read next, tells.
        if lacks_call(broken):
            self.sources.capabilities.agents_without_watch |= {self.sources.agent_id}
            return 0.0
        return None

    def _expect_another(self, broken: Broken) -> None:
        """
        Forget what is missing, where *broken* may mean that it was replaced.
        """
        capabilities = self.sources.capabilities
        # A deployment that was replaced may have lost the watch, or have one now. One that
        # answers was not; but an agent that is away may come back with another release.
        is_same = isinstance(broken, APIError) and broken.by_deployment
        if not is_same:
            capabilities.containers_watch = None
        if not is_same or isinstance(broken, AgentNotConnectedError):
            capabilities.agents_without_watch -= {self.sources.agent_id}


class ContainersFeed:
    """
    Containers over a watch, and the list of them beside it.

    A watch sends the full state whenever a dev container changes; that another container starts or
    stops is in the list alone. The list is read *interval* seconds after the newest state, over
    a connection that is kept. Where there is no watch, it is all that is read.

    Args:
        states: what the connection reports.
        routes: makes its connections.
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
            what=self.what,
            connect_timeout=sources.connect_timeout,
            pauses=sources.options._pauses,
        )
        self._checked_at = 0.0
        self._due = math.inf
        self._list: Containers | None = None  # that came, while the watch may have something older
        self._found_dry = 0

    def position(self) -> StatePosition[Containers]:
        """
        Return the position before the first state.
        """
        return self._states.position()

    def open(self) -> bool:
        """
        Take the next step of the first connection; return whether it is there.
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
        Return the position at the list that came, once the watch has been read to its end; None where
        none came.

        What the watch gives after the list was requested may be newer or older than the list, and is
        a full state: the list is dropped then, and read again later. Nothing goes back to what it was.
        """
        state, received_at = self._list, self._states.received_at
        if state is None:
            return None
        if received_at is None or received_at >= self._check.requested:
            self._list = None
            return None
        # A connection whose last read has emptied it is not read by the next step, but by the one
        # after that.
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
        Note that nobody has read for long.
        """
        self._states.expect_break()

    def counts(self) -> Counts:
        """
        Return what the connections have counted.
        """
        counts, check = self._states.counts(), self._check
        return attrs.evolve(counts, bytes=counts.bytes + check.received, checks=check.count)

    def wake(self) -> None:
        """
        Make whoever opens or steps stop with *ClosedError*; from any thread or signal handler.
        """
        self._states.wake()
        self._check.wake()

    def free(self) -> None:
        """
        Free all sockets, also twice.
        """
        self._states.free()
        self._check.free()
