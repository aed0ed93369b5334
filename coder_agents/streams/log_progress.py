"""
Which lines of a log were read, and which of them were handed out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from coder_agents.streams.filters import LogFilter
from coder_agents.streams.ledger import Ledger
from coder_agents.streams.lines import NewLines, new_lines
from coder_agents.streams.log_source import AgentLogSource
from coder_agents.streams.options import StreamOptions
from coder_agents.streams.position import LogPosition

_NOTHING = NewLines([], (), ())

logger = logging.getLogger("coder_agents")


class LogProgress:
    """
    The ledger of a log, its filter, and its newest position.

    Args:
        log: the log.
        ledger: the id to begin after, and which lines are new.
        log_filter: which lines are wanted; None for all.

    Attributes:
        ledger: as above; each log has its own.
        position: the newest position.
        is_open: whether `account` has work to do.
        found_new: whether the last message had new lines, wanted or not.
    """

    def __init__(
        self,
        log: AgentLogSource,
        ledger: Ledger,
        log_filter: LogFilter | None,
        options: StreamOptions,
    ) -> None:
        self._log = log
        self.ledger = ledger
        self._log_filter = log_filter
        self._options = options
        self._count = 0
        self._newest_before = 0
        self._late_before = 0
        # When the request was sent that the position's lines answer; None where they answer none.
        self._settles: float | None = None
        self._warned = False
        self.found_new = False
        self._is_accounted = True
        self.is_open = False
        self._next(_NOTHING)

    def account(self) -> LogPosition | None:
        """
        Note that all lines of the position were handed out. Where that settles ids, return a new
        position, so that none refers to ids that the ledger drops.
        """
        if not self._is_accounted:
            self._hand_out(self.position)
        self.is_open = False
        if self._settles is None:
            return None
        self.ledger.settled(self._settles)
        self._settles = None
        return self._next(_NOTHING)

    def _hand_out(self, position: LogPosition) -> None:
        self._is_accounted = True
        self._count += position.size
        self.ledger.yielded(position.ids)
        if position.new is not position.ids:
            handed_out = set(position.ids)
            self.ledger.skipped([n for n in position.new if n not in handed_out])
        self._warn_if_forgetful()

    def take(
        self, messages: Sequence[bytes], *, requested: float | None = None, ids_first: bool = False
    ) -> LogPosition:
        """
        Return the position with the lines of *messages* that are new and wanted.

        *requested* is when the request was sent that a single message answers; None for messages
        that answer no request. With *ids_first* most lines are expected to be known.

        Raises *DecodeError* where a message is not a list of lines.
        """
        log_filter, ledger = self._log_filter, self.ledger
        lines = new_lines(messages, ledger.new_among, log_filter, ids_first=ids_first)
        if self._log.source_names.own is not None:
            self._log.source_names.give(lines.logs)
        self._settles = requested
        self.found_new = bool(lines.new)
        if lines.new:
            newest = lines.new[0] if len(lines.new) == 1 else ledger.newest_of(lines.new)
            ledger.saw(newest, time.monotonic())
        if log_filter is not None:
            self._skip(lines, log_filter)
        return self._next(lines)

    def _skip(self, lines: NewLines, log_filter: LogFilter) -> None:
        if log_filter.tail is not None:
            # These were the first lines: the tail does not limit later ones.
            self.ledger.begin_after(_before_tail(lines.ids, lines.new, log_filter.tail))
            self._log_filter = log_filter.without_tail()
        if not lines.ids:
            self.ledger.skipped(lines.new)
            self._warn_if_forgetful()

    def _next(self, lines: NewLines) -> LogPosition:
        self._is_accounted = not lines.ids
        self.is_open = bool(lines.ids) or self._settles is not None
        self.position = self.ledger.position(
            self._log.agent_id,
            lines.logs,
            lines.ids,
            lines.new if lines.ids else lines.ids,
            count_before=self._count,
            newest_before=self._newest_before,
            late_before=self._late_before,
        )
        return self.position

    def _warn_if_forgetful(self) -> None:
        if self.ledger.forgot and not self._warned:
            self._warned = True
            logger.warning(
                "%s: more than %d lines came within %g s: from now on a line that is committed"
                " out of order may be lost; set a larger `remember` or a smaller `settle`",
                self._log.what,
                self._options.remember,
                self._options.settle,
            )

    def continue_with(self, log: AgentLogSource) -> None:
        """
        Begin with *log*, the log of another agent; all lines of the log before were handed out.
        """
        before = self.position
        self._newest_before = before.last_id_at(before.size) or 0
        self._late_before = before.late_at(before.size)
        self._log = log
        self.ledger = Ledger(settle=self._options.settle, remember=self._options.remember)
        if self._log_filter is not None:
            self._log_filter = self._log_filter.for_next_build(log.log_sources)
        self._next(_NOTHING)


def _before_tail(kept: Sequence[int], present: Sequence[int], tail: int) -> int:
    """
    Return the id before the tail *kept* of the *present* lines; 0 where the tail may still grow.
    """
    if len(kept) < tail:
        return 0
    first = min(kept, default=None)
    return max((number for number in present if first is None or number < first), default=0)
