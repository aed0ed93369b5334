"""
The states of agents that are watched: their streams, and the outages of these.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from coder_agents.cli.failures import one_line, report
from coder_agents.errors import CoderError

if TYPE_CHECKING:
    from coder_agents import Agent, StreamOptions
    from coder_agents.streams import Stream

S = TypeVar("S")

_POLL = 0.25  # seconds between two polls of streams
_SHORT = 1.0  # seconds within which most streams have connected again


@attrs.frozen
class WatchOutage:
    """
    A stream that has no connection.

    Attributes:
        since: when the connection was dropped.
        reason: why, as an error reports it.
        attempt: the number of the try to connect again.
        connections: how often the stream had connected again before.
        began: since when, by `time.monotonic`.
    """

    since: datetime
    reason: str
    attempt: int
    connections: int
    began: float

    def __str__(self) -> str:
        return (
            f"disconnected since {self.since:%H:%M:%S}; connecting again, try {self.attempt}:"
            f" {self.reason}"
        )


@attrs.define(eq=False)
class Watched(Generic[S]):
    """
    One agent, and the stream of its states.

    Attributes:
        agent: the agent.
        state: the newest state; None before the first one.
        received_at: when it came, by `time.monotonic`.
        outage: the outage of the stream; None while it is connected.
    """

    agent: Agent
    state: S | None = None
    received_at: float = 0.0
    outage: WatchOutage | None = None
    stream: Stream[S] | None = None
    is_reported: bool = False

    def open(self, watch: Callable[[Agent, StreamOptions], Stream[S]]) -> Stream[S]:
        """
        Return the stream of the agent's states, connected.
        """
        options = attrs.evolve(self.agent._chosen(None), on_reconnect=self._note_break)
        self.stream = watch(self.agent, options)
        return self.stream

    def _note_break(self, reason: str, attempt: int, seconds: float) -> None:
        before = self.outage
        if before is not None and attempt > 1:
            self.outage = attrs.evolve(before, reason=reason, attempt=attempt)
        else:
            now = datetime.now()  # noqa: DTZ005 (for a person at this machine)
            self.outage = WatchOutage(now, reason, attempt, self._connections, time.monotonic())

    @property
    def _connections(self) -> int:
        return 0 if self.stream is None else self.stream.stats.reconnects

    @property
    def has_ended(self) -> bool:
        """
        Whether no state will come any more.
        """
        return self.stream is None or self.stream.end is not None

    def poll(self, timeout: float) -> S | None:
        """
        Return the next state, None where none comes within *timeout* seconds.
        """
        assert self.stream is not None
        state = self.stream.poll(timeout)
        if state is not None:
            self.state, self.received_at = state, time.monotonic()
        outage = self.outage
        # The state may be the same as before, and is not returned again then.
        if outage is not None and (state is not None or self._connections > outage.connections):
            self.outage = None
        return state


class Watch(Generic[S]):
    """
    The states of several agents. An agent whose stream fails is reported, and the others continue.

    Args:
        agents: the agents.
        watch: returns the stream of an agent's states.

    Attributes:
        members: the agents whose streams have not failed.
        failures: how many streams have failed.
    """

    def __init__(
        self, agents: Sequence[Agent], watch: Callable[[Agent, StreamOptions], Stream[S]]
    ) -> None:
        self.members: Sequence[Watched[S]] = [Watched(agent) for agent in agents]
        self.failures = 0
        self._watch = watch
        self._is_single = len(agents) == 1

    def updates(self) -> Generator[Mapping[Agent, tuple[S | None, S]], None, None]:
        """
        Yield the states of agents before and after, whenever states have come; else an empty mapping, several
        times a second. It ends with the last stream.

        Raises *CoderError* where the stream of a single agent fails.
        """
        with contextlib.ExitStack() as opened:
            for member in self.members:
                with self._reported(member):
                    opened.enter_context(member.open(self._watch))
            while any(not member.has_ended for member in self.members):
                found = self._polled()
                yield found
                if not found and len(self.members) > 1:
                    time.sleep(_POLL)

    def _polled(self) -> Mapping[Agent, tuple[S | None, S]]:
        members = self.members
        timeout = _POLL if len(members) == 1 else 0
        found: dict[Agent, tuple[S | None, S]] = {}
        for member in members:
            before = member.state
            with self._reported(member):
                state = member.poll(timeout)
                if state is not None:
                    found[member.agent] = before, state
        return found

    @contextlib.contextmanager
    def _reported(self, member: Watched[S]) -> Generator[None, None, None]:
        """
        Report that the stream of *member* fails in the block, and drop it; of a single agent, raise that error.
        """
        try:
            yield
        except CoderError as error:
            if self._is_single:
                raise
            self.failures += 1
            # Another list: a thread may be drawing the members.
            self.members = [each for each in self.members if each is not member]
            report(f"{member.agent.label}: {one_line(error)}")

    def report_outages(self) -> None:
        """
        Report outages that begin and end, on standard error, but no short ones.
        """
        for member in self.members:
            outage = member.outage
            if outage is None and member.is_reported:
                member.is_reported = False
                report(f"{member.agent.label}: connected again")
            elif outage is not None and not member.is_reported:
                member.is_reported = time.monotonic() - outage.began >= _SHORT
                if member.is_reported:
                    report(f"{member.agent.label}: {outage}")
