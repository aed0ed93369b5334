"""
What was read of a log, and what of it was handed out.
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
    The ledger of a log, the filter, and the position that was made last.

    Args:
        log: whose log it is.
        ledger: where to begin, and what is new.
        log_filter: which lines are wanted; None for all.

    Attributes:
        ledger: as above; another one for each log.
        position: the position that was made last.
        is_open: whether `account` has something to do.
        found_new: whether the message that was taken last had new lines, wanted or not.
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
        # When the request was sent whose answer the position's lines are of.
        self._settles: float | None = None
        self._warned = False
        self.found_new = False
        self._is_accounted = True
        self.is_open = False
        self._next(_NOTHING)

    def account(self) -> LogPosition | None:
        """
        Note that all lines of the position were handed out; return another position where that
        settles ids, so that nobody holds what the ledger drops.
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
        that answer none. With *ids_first* most lines are expected to be known.

        Raises *DecodeError*.
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
            # These were the lines that are there: what comes now is wanted whatever their number.
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
                "%s: more than %d lines within %g s: a line that is committed out of order may"
                " be lost from now on; set a larger `remember`, or a smaller `settle`",
                self._log.what,
                self._options.remember,
                self._options.settle,
            )

    def continue_with(self, log: AgentLogSource) -> None:
        """
        Begin with *log*, whose agent is another; all lines of the log before were handed out.
        """
        before = self.position
        self._newest_before = before.last_id_at(before.size) or 0
        self._late_before = before.late_at(before.size)
        self._log = log
        self.ledger = Ledger(settle=self._options.settle, remember=self._options.remember)
        if self._log_filter is not None:
            self._log_filter = self._log_filter.for_next_build(log.log_sources)
        self._next(_NOTHING)


def _before_tail(kept: Sequence[int], there: Sequence[int], tail: int) -> int:
    """
    Return the id before the tail *kept* of the lines *there*, 0 where the tail may yet grow.
    """
    if len(kept) < tail:
        return 0
    first = min(kept, default=None)
    return max((number for number in there if first is None or number < first), default=0)
