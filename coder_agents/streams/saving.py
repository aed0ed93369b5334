"""
When the bookmarks of a stream are saved, and which lines they count.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from coder_agents.streams.position import LogPosition, Position
from coder_agents.streams.stores import BookmarkStore, check_store

if TYPE_CHECKING:
    from coder_agents.streams.core import Core

_MIN_WAIT = 1.0  # seconds before lines that were only skipped, or settled, are saved

logger = logging.getLogger("coder_agents")


class Saver:
    """
    Saves the bookmarks of a stream to its store, in the thread that reads the stream.

    A line is confirmed, which means that the caller is done with it, when the caller asks for the
    next one or leaves the ``with`` statement without an exception. Only confirmed lines are counted:
    a process that is killed repeats lines, and loses none.

    It is a part of the core, which passes itself to each method: no part refers upwards.

    Args:
        store: the store.
        position: the position before the first line.

    Attributes:
        due: when the next save is due, by `time.monotonic`.
        is_entered: whether the stream is in a ``with`` statement, whose end is waited for.
    """

    def __init__(self, store: BookmarkStore, position: Position[Any]) -> None:
        self._store = store
        self._interval = check_store(store)
        self._is_transactional = bool(getattr(store, "transactional", False))
        # What was saved last: the positions, and the bookmark of each log.
        self._positions = position.each_at(0)
        self._bookmarks = {at.agent_id: at.bookmark_at(done) for at, done in self._positions}
        self._confirmed = 0
        self._reader: int | None = None
        self._is_final = False
        self.due = time.monotonic() + self._interval
        self.is_entered = False

    def confirm(self, core: Core[Any]) -> None:
        """
        Note that the caller is done with all lines that were handed out, and save where that is due.

        Raises what the store raises; then the stream is as whole as before.
        """
        self._confirm(core)
        if time.monotonic() >= self.due:
            self._save(core)

    def _confirm(self, core: Core[Any]) -> None:
        if not self._is_final:
            self._confirmed = core.position.count
            self._reader = threading.get_ident()

    def fill(self, core: Core[Any], deadline: float) -> bool:
        """
        Wait as `Core.fill` does, and save whenever that is due, and at the end.

        Raises what the store raises, too; then the stream is as whole as before.
        """
        while True:
            until = max(self.due, time.monotonic() + _MIN_WAIT)
            try:
                done = core.advance(min(deadline, until))
            except Exception as error:
                if core.closed:
                    self.save_at_end(core, error)
                raise
            if core.closed:
                self._save(core)
                return False
            if done or time.monotonic() >= deadline:
                return done
            self._save(core)

    def save_at_close(self, core: Core[Any]) -> None:
        """
        Save after the caller has closed the stream.

        In a ``with`` statement, its end saves; where another thread reads, that thread does.
        """
        if not self.is_entered and self._is_read_here():
            self.save_at_exit(core, sys.exception())

    def _is_read_here(self) -> bool:
        """
        Whether this thread has read last, or the thread that did has ended.
        """
        if self._reader == threading.get_ident():
            return True
        return self._reader not in {thread.ident for thread in threading.enumerate()}

    def save_at_exit(self, core: Core[Any], error: BaseException | None) -> None:
        """
        Save at the end of what the caller does with the stream, which *error* has ended.

        Raises what the store raises, where there is no *error*.
        """
        if error is None:
            self._confirm(core)
            self._save(core)
        else:
            self.save_at_end(core, error)

    def save_at_end(self, core: Core[Any], error: BaseException) -> None:
        """
        Save at the end, with *error*, of a stream. No further line is confirmed. An error of the
        store is a note of *error*.
        """
        self._is_final = True
        try:
            self._save(core)
        except Exception as failure:
            error.add_note(f"The bookmarks were not saved: {_text(failure)}")

    def save_forgotten(self, core: Core[Any]) -> None:
        """
        Save for a stream without references. An error of the store is logged.
        """
        try:
            self._save(core)
        except Exception as failure:
            # As text: a log record that keeps the exception keeps the frames with the stream.
            logger.warning("the bookmarks of a stream were not saved: %s", _text(failure))

    def _save(self, core: Core[Any]) -> None:
        core.run_aside(functools.partial(self._save_changed, core))

    def _save_changed(self, core: Core[Any]) -> None:
        """
        Save the bookmarks that have changed, for the confirmed lines.

        Where the store raises, the next save is due after the interval, as after a save.
        """
        position = core.position
        self.due = time.monotonic() + self._interval
        if core.saver is not self:  # in a process that was forked meanwhile
            return
        if self._is_transactional and self._confirmed != position.count:
            return
        each = position.each_at(max(0, self._confirmed - position.count_before))
        if changed := self._changed(each):
            self._store.save(changed)
        self._positions = each
        self._bookmarks |= changed

    def _changed(self, each: Sequence[tuple[LogPosition, int]]) -> dict[uuid.UUID, str]:
        moved = (
            (at.agent_id, at.bookmark_at(done))
            for (at, done), (before, done_before) in zip(each, self._positions, strict=True)
            if at is not before or done != done_before
        )
        return {each: bookmark for each, bookmark in moved if self._bookmarks.get(each) != bookmark}


def _text(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}"
