"""
The log of an agent, followed.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Callable, Sequence

import attrs

from coder_agents.config import whole_number
from coder_agents.errors import CoderError
from coder_agents.schema import Workspace, WorkspaceAgentLog, from_json
from coder_agents.schema.reading import chosen_logs
from coder_agents.streams.bookmark import Bookmark
from coder_agents.streams.filters import Choice, Sieve
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.link import Broken, EndedError
from coder_agents.streams.options import StreamEnd, StreamOptions
from coder_agents.streams.stream import Stream
from coder_agents.transport import DroppedError, Source, Wait, is_gone

logger = logging.getLogger("coder_agents")

_NORMAL = 1000  # RFC 6455, section 7.4.1
_SECOND_LOOK = 0.5  # seconds after the first 1000
_THIRD_LOOK = 5.0  # seconds after the second
_LATEST_END = 8.0  # seconds after the first 1000 that late lines are waited for
_SOON = 0.05  # seconds within which a check counts as due for who wants no dial

LogSource = Callable[[int], Source[bytes]]
"""
Makes a source of the lines behind an id.
"""


def _all() -> None:
    """
    Leave nothing out.
    """


class LogStream(Stream[bytes, WorkspaceAgentLog]):
    """
    The lines of an agent's log, the ones it has first, then the new ones as they come.

    None comes twice, and none is lost that is committed within `StreamOptions.settle` of
    taking its id, through any number of broken connections. A line that is
    committed late comes late, out of the order of its id. It ends when the server says
    that no more will come.

    What a filter leaves out is done as soon as it is passed by: it is neither yielded nor asked
    for again, and the bookmark counts it.

    Args:
        connect: makes a source of the lines behind an id.
        after: the id or the bookmark to begin behind.
        choose: tells what is wanted, None for all; called when *after* has proved good.
        workspace: makes a source of the agent's workspace; None where that is not known.
        overflowed: whether the agent's log was full when it was last read.
    """

    def __init__(
        self,
        connect: LogSource,
        *,
        agent_id: uuid.UUID,
        after: int | str,
        options: StreamOptions,
        choose: Callable[[], Choice | None] = _all,
        workspace: Callable[[], Source[bytes]] | None = None,
        overflowed: Callable[[], bool] = bool,
    ) -> None:
        self._workspace = workspace
        self._late = 0
        self._warned = False
        self._begin(connect, _ledger(agent_id, after, options), agent_id, overflowed)
        self._choice = choose()
        super().__init__(what=f"the log of agent {agent_id}", options=options)

    def _begin(
        self,
        connect: LogSource,
        ledger: Ledger,
        agent_id: uuid.UUID,
        overflowed: Callable[[], bool],
    ) -> None:
        """
        Begin with the log of an agent, whose *ledger* says where.
        """
        self._received = _Received((), ())
        self._owed: float | None = None
        self._connect = connect
        self._agent_id = agent_id
        self._overflowed = overflowed
        self._ledger = ledger
        # In one, for those who ask for the bookmark from elsewhere.
        self._place = (agent_id, ledger)
        self._check_again_at = 0.0
        self._normal_closes = 0
        self._first_normal_close = 0.0
        self._ending: StreamEnd | None = None

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was yielded; None before the first.
        """
        return max([*self._handed_out(), self._ledger.last_id or 0]) or None

    @property
    def bookmark(self) -> str:
        """
        What another process passes as ``after=`` to go on with nothing lost or twice.
        """
        agent_id, ledger = self._place
        floor = ledger.floor
        known = {*ledger.known, *self._received.done(len(self._held.handed_out()))}
        above = sorted(number for number in known if number > floor)
        return str(Bookmark.of(agent_id, floor, above))

    def _handed_out(self) -> Sequence[int]:
        """
        Return the ids of the lines that were handed out and that the ledger was not told of yet.
        """
        return self._received.held[: len(self._held.handed_out())]

    def _count_late(self) -> int:
        return self._late + self._ledger.late_among(self._handed_out())

    def _is_overflowed(self) -> bool:
        return self._overflowed()

    def _new_source(self) -> Source[bytes]:
        return self._connect(self._ledger.floor)

    def waits_for(self) -> Wait | None:
        """
        Return what to wait for before another `look`; None where it may find something now.
        """
        wait, check_at = super().waits_for(), self._check_at()
        if wait is None or check_at is None:
            return wait
        return attrs.evolve(wait, until=min(wait.until, check_at))

    def may_dial(self) -> bool:
        """
        Whether another `look` may connect: again, for a check, or to read the workspace.
        """
        check_at = self._check_at()
        return (
            super().may_dial()
            or (check_at is not None and check_at <= time.monotonic() + _SOON)
            or (self._normal_closes > 0 and self._workspace is not None and not self._went_on())
        )

    def _check_at(self) -> float | None:
        # A connection that has not answered yet is a check itself.
        check_at = self._ledger.check_at() if self._link.messages else None
        return None if check_at is None else max(check_at, self._check_again_at)

    def _receive(self, deadline: float | None) -> bytes | None:
        check_at = self._check_at()
        if check_at is None:
            return self._link.receive(deadline)
        if time.monotonic() >= check_at:
            self._check()
            return None
        return self._link.receive(check_at if deadline is None else min(deadline, check_at))

    def _check(self) -> None:
        """
        Look for late lines: connect behind the floor, and leave the old connection for it.
        """
        try:
            self._link.dial()
        except CoderError as error:
            # The old connection is whole: it stays, and the check is made later.
            logger.debug("%s: no check for late lines now: %s", self._what, error)
            self._check_again_at = time.monotonic() + max(1.0, self._options.settle)
        else:
            self._checks += 1

    def _items(self, message: bytes) -> list[WorkspaceAgentLog]:
        logs = self._take_all_new(message) if self._choice is None else self._take_wanted(message)
        if self._link.messages == 1:
            # The answer to what was asked behind the floor: it settles, once it is yielded.
            self._owed = self._link.asked
        if self._received.new:
            self._ledger.saw(self._ledger.newest_of(self._received.new), time.monotonic())
            self._link.progress()
        return logs

    def _take_all_new(self, message: bytes) -> list[WorkspaceAgentLog]:
        # Known ids are left out before objects are made: a resume may bring many.
        new = chosen_logs(message, self._ledger.new_among)
        self._received = _Received(new.ids, new.ids)
        return new.logs

    def _take_wanted(self, message: bytes) -> list[WorkspaceAgentLog]:
        assert self._choice is not None
        sieve = Sieve(self._choice, self._ledger.new_among)
        logs = sieve.sift(message)
        held, new = [log.id for log in logs], sieve.new_ids
        self._received = _Received(held, new)
        if self._choice.tail is not None:
            # These were the lines that are there: what comes now is wanted whatever their number.
            self._ledger.begin_behind(_before_tail(held, new, self._choice.tail))
            self._choice = self._choice.without_tail()
        if not held:
            self._ledger.left_out(new)
            self._warn_if_forgetful()
        return logs

    def _account(self, items: list[WorkspaceAgentLog]) -> None:
        count, held = len(items), self._received.held
        self._late += self._ledger.yielded(held if count == len(held) else held[:count])
        if self._choice is not None:
            self._ledger.left_out(self._received.left_out(count))
        self._warn_if_forgetful()

    def _warn_if_forgetful(self) -> None:
        if self._ledger.forgot and not self._warned:
            self._warned = True
            logger.warning(
                "%s: more than %d lines within %g s: a line that is committed out of order may"
                " be lost from now on; set a larger `remember`, or a smaller `settle`",
                self._what,
                self._options.remember,
                self._options.settle,
            )

    def _drained(self) -> None:
        if self._owed is not None:
            self._ledger.settled(self._owed)
            self._owed = None

    def _went_on(self) -> bool:
        """
        Whether the connection gave more than its backlog, or lived to see a ping.
        """
        return self._link.messages > 1 or self._link.pinged

    def _judge(self, broken: Broken) -> float | None:
        if self._went_on():  # whatever was said before
            self._normal_closes = 0
            self._ending = None
        if self._ending is not None:
            raise EndedError(self._ending)
        if isinstance(broken, DroppedError) and broken.code == _NORMAL:
            return self._judge_normal_close()
        if self._normal_closes and is_gone(broken):
            raise EndedError(StreamEnd.AGENT_GONE)
        return None

    def _judge_normal_close(self) -> float | None:
        """
        Tell the end from a restart of the server: both say 1000.

        An agent that is superseded is told so again after nothing but its backlog.
        """
        if self._options.reconnect is None:
            raise EndedError(StreamEnd.SERVER_CLOSED)
        self._normal_closes += 1
        if self._normal_closes == 1:
            self._first_normal_close = time.monotonic()
            return _SECOND_LOOK
        if self._workspace is not None:
            return self._judge_by_build(self._workspace())
        if self._normal_closes == 2:
            return _THIRD_LOOK
        return self._last_look(StreamEnd.SERVER_CLOSED)

    def _judge_by_build(self, workspace: Source[bytes]) -> float | None:
        try:
            current = self._is_listed(self._link.fetch(workspace))
        except CoderError as error:
            if is_gone(error):
                raise EndedError(StreamEnd.AGENT_GONE) from None
            logger.debug("%s: the latest build cannot be read: %s", self._what, error)
            self._normal_closes = 1
            return None
        if current:
            self._normal_closes = 0
            return None
        return self._last_look(StreamEnd.NOT_IN_LATEST_BUILD)

    def _is_listed(self, workspace: bytes | None) -> bool:
        agents = from_json(workspace or b"", Workspace).latest_build.agents
        return any(agent.id == self._agent_id for agent in agents)

    def _last_look(self, end: StreamEnd) -> float:
        """
        Return the seconds until the late lines of an ended log are asked for, once more.
        """
        settled_at = self._ledger.settled_at()
        if settled_at is None:
            raise EndedError(end)
        self._ending = end
        look_at = min(settled_at, self._first_normal_close + _LATEST_END)
        return max(0.0, look_at - time.monotonic())


@attrs.define
class _Received:
    """
    The ids of one message.

    Attributes:
        held: of the lines that are held to be handed out.
        new: of all that were new, in the order in which they came; without a filter the same.
    """

    held: Sequence[int]
    new: Sequence[int]

    def done(self, count: int) -> Sequence[int]:
        """
        Return the ids that are done when *count* lines were handed out: these, and what was
        left out before the last of them; all with the last line that is held.
        """
        if self.new is self.held:
            return self.held[:count]
        if count == len(self.held):
            return self.new
        return self.new[: self.new.index(self.held[count - 1]) + 1] if count else ()

    def left_out(self, count: int) -> Sequence[int]:
        """
        Return those of the ids that are done that were not handed out.
        """
        handed_out = set(self.held[:count])
        return [number for number in self.done(count) if number not in handed_out]


def _before_tail(kept: Sequence[int], there: Sequence[int], tail: int) -> int:
    """
    Return the id before the tail *kept* of the lines *there*, 0 where the tail may yet grow.
    """
    if len(kept) < tail:
        return 0
    first = min(kept, default=math.inf)
    return max((number for number in there if number < first), default=0)


def _ledger(agent_id: uuid.UUID, after: int | str, options: StreamOptions) -> Ledger:
    bookmark = (
        Bookmark.read(after, agent_id)
        if isinstance(after, str)
        else Bookmark(agent_id, whole_number("after", after, least=0), ())
    )
    ledger = Ledger(bookmark.floor, settle=options.settle, remember=options.remember)
    ledger.restore(bookmark.ids(), time.monotonic())
    return ledger
