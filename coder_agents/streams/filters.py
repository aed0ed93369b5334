"""
The filter of a log.

Pure: no clock, no socket. The same filter serves a log that is read once and a log that is
followed. Each line has to pass every predicate (*since*, *before*, *source*, *level*, *grep*). Of
the lines present at first, *tail* keeps the newest that pass.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

from coder_agents.config import whole_number
from coder_agents.render import escape_controls, without_colours
from coder_agents.schema import LogLevel, WorkspaceAgentLog, WorkspaceAgentLogSource

Sources = Sequence[WorkspaceAgentLogSource]
Since = datetime | timedelta
Source = UUID | str
Grep = str | re.Pattern[str]
Predicate = Callable[[WorkspaceAgentLog], bool]

_EARLIEST = datetime.min.replace(tzinfo=UTC)


def _count_or_none(_: Any, attribute: attrs.Attribute[Any], value: int | None) -> None:
    if value is not None:
        whole_number(attribute.name, value, least=0)


def _time_or_none(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(
                f"since must have a time zone, as datetime.now(UTC) has, but {value} has none"
            )
    elif isinstance(value, timedelta):
        if value < timedelta():
            raise ValueError(f"since must not be negative, not {value}")
    elif value is not None:
        raise TypeError(f"since must be a datetime or a timedelta, not {type(value).__name__}")


def _pattern_or_none(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    text = value.pattern if isinstance(value, re.Pattern) else value
    if text is not None and not isinstance(text, str):
        raise TypeError(
            f"grep must be text or a compiled pattern of text, not {type(value).__name__}"
            + (f" of {type(text).__name__}" if text is not value else "")
        )


def _level_or_none(level: object) -> LogLevel | None:
    if level is None:
        return None
    if not isinstance(level, str):
        raise TypeError(f"level must be a word such as 'warn', not {type(level).__name__}")
    word = LogLevel(level)
    if not word.known:
        raise ValueError(f"level must be one of {', '.join(LogLevel)}, not {str(level)!r}")
    return word


def _named(source: object) -> frozenset[Source] | None:
    if source is None:
        return None
    if isinstance(source, (UUID, str)) or not isinstance(source, Iterable):
        source = (source,)
    wanted = frozenset(_id_or_name(each) for each in source)
    if not wanted:
        raise ValueError("source must name one source at least, or be None for all of them")
    return wanted


def _id_or_name(source: object) -> Source:
    if isinstance(source, UUID):
        return source
    if not isinstance(source, str):
        raise TypeError(f"source must be an id or a display name, not {type(source).__name__}")
    try:
        return UUID(source)
    except ValueError:
        return source


@attrs.frozen(kw_only=True)
class LogFilter:
    """
    A checked filter of log lines.

    A filter is built from the arguments of a user. `bind` returns the filter of one log, in which
    *since* is a time and *source_ids* are known. Only a bound filter takes lines.

    Attributes:
        tail: how many lines of those present at first are wanted, the newest; None for all.
        since: the earliest `WorkspaceAgentLog.created_at`, or its distance from now.
        before: wanted ids are below this one.
        source: the ids and display names of the wanted sources.
        level: the least severe level wanted. An unknown level always passes.
        grep: text that the output contains, with or without its colours, or a pattern that is found
            there.
        source_ids: the ids that *source* stands for; None for any.
    """

    tail: int | None = attrs.field(default=None, validator=_count_or_none)
    since: Since | None = attrs.field(default=None, validator=_time_or_none)
    before: int | None = attrs.field(default=None, validator=_count_or_none)
    source: frozenset[Source] | None = attrs.field(default=None, converter=_named)
    level: LogLevel | None = attrs.field(default=None, converter=_level_or_none)
    grep: Grep | None = attrs.field(default=None, validator=_pattern_or_none)
    source_ids: frozenset[UUID] | None = None
    _predicates: tuple[Predicate, ...] | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """
        The display names among the sources.
        """
        return frozenset(each for each in self.source or () if isinstance(each, str))

    def unknown(self, sources: Sources) -> frozenset[str]:
        """
        Return the names that none of *sources* has.
        """
        return self.names.difference(source.display_name for source in sources)

    def check_names(self, sources: Sources) -> None:
        """
        Raise *ValueError* for a name that none of *sources* has.
        """
        if unknown := self.unknown(sources):
            raise ValueError(_unknown_text(unknown, sources))

    def bind(self, sources: Sources, now: datetime) -> LogFilter | None:
        """
        Return the filter of a log with *sources* that is opened at the time *now*; None where the
        filter skips nothing. A name that none of *sources* has stands for no source.
        """
        if self == LogFilter():
            return None
        ids = None if self.source is None else _ids(self.source, sources)
        return self._bound(since=self._earliest(now), source_ids=ids)

    def _earliest(self, now: datetime) -> datetime | None:
        if not isinstance(self.since, timedelta):
            return self.since
        try:
            return now - self.since
        except OverflowError:
            return _EARLIEST

    def _bound(self, **changes: Any) -> LogFilter:
        changed = attrs.evolve(self, **changes)
        predicates = (changed._by_level(), changed._by_source(), *changed._by_text())
        return attrs.evolve(changed, predicates=tuple(filter(None, predicates)))

    def _by_level(self) -> Predicate | None:
        if self.level is None:
            return None
        least = self.level.severity
        return lambda log: log.level.severity >= least

    def _by_source(self) -> Predicate | None:
        ids = self.source_ids
        return None if ids is None else lambda log: log.source_id in ids

    def _by_text(self) -> Iterable[Predicate | None]:
        since, grep = self.since, self.grep
        if isinstance(since, datetime):
            # A line without a time passes, as a line of an unknown level does: nothing unknown is
            # hidden.
            yield lambda log: log.created_at is None or log.created_at >= since
        if isinstance(grep, str):
            yield _in_output(lambda text: grep in text)
        elif grep is not None:
            yield _in_output(lambda text: grep.search(text) is not None)

    @property
    def by_id_only(self) -> bool:
        """
        Whether the ids alone decide what is wanted.
        """
        return not self._predicates

    def wants(self, log: WorkspaceAgentLog) -> bool:
        """
        Whether *log* passes every predicate.
        """
        predicates = self._predicates
        assert predicates is not None, "the filter is not bound"
        if self.before is not None and log.id >= self.before:
            return False
        return all(predicate(log) for predicate in predicates)

    def select(self, logs: Iterable[WorkspaceAgentLog]) -> list[WorkspaceAgentLog]:
        """
        Return the wanted lines of *logs* in their order: of the lines that pass, *tail* keeps those
        with the highest ids.
        """
        wanted = [log for log in logs if self.wants(log)]
        if self.tail is None or len(wanted) <= self.tail:
            return wanted
        kept = set(heapq.nlargest(self.tail, (log.id for log in wanted)))
        return [log for log in wanted if log.id in kept]

    def among_ids(self, ids: Sequence[int]) -> Sequence[int]:
        """
        Return those of *ids* whose lines can be wanted, in no order.
        """
        before = self.before
        kept = ids if before is None else [number for number in ids if number < before]
        if self.tail is not None and self.by_id_only:
            kept = heapq.nlargest(self.tail, kept)
        return kept

    def without_tail(self) -> LogFilter:
        """
        Return the filter for the lines after the first ones.
        """
        return attrs.evolve(self, tail=None)

    def for_next_build(self, sources: Sources) -> LogFilter:
        """
        Return the filter for the agent of the next build, whose lines are all new.

        A name may mean another id there. A name that *sources* do not have yet stands for the ids
        that it had before.
        """
        ids = self.source_ids
        if ids is not None:
            ids |= _ids(self.names, sources)
        return self._bound(tail=None, source_ids=ids)


def _in_output(is_found: Callable[[str], bool]) -> Predicate:
    def passes(log: WorkspaceAgentLog) -> bool:
        output = log.output
        # A person who searches for "error: x" has seen it on a terminal, where a colour may end within it.
        return is_found(output) or ("\x1b" in output and is_found(without_colours(output)))

    return passes


def _ids(wanted: Iterable[Source], sources: Sources) -> frozenset[UUID]:
    ids = frozenset(each for each in wanted if isinstance(each, UUID))
    return ids.union(source.id for source in sources if source.display_name in wanted)


def _unknown_text(unknown: Iterable[str], sources: Sources) -> str:
    listed = ", ".join(sorted({repr(source.display_name) for source in sources})) or "none"
    missing = ", ".join(sorted(map(repr, unknown)))
    return escape_controls(f"the log has no source {missing}; its sources are: {listed}")
