"""
The new and wanted lines in the messages of a log.

In a message that repeats known lines, ids are read first, and only pieces with a new line are
decoded: a resume may bring a megabyte of lines for one new line.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence

import attrs

from coder_agents.errors import DecodeError
from coder_agents.schema import WorkspaceAgentLog
from coder_agents.schema.reading import log_ids, logs_of, pieces
from coder_agents.streams.filters import LogFilter

Marks = Sequence[bool] | None
"""
For each of several lines whether it is new; None where all are new.
"""
_ID = operator.attrgetter("id")

NewAmong = Callable[[Sequence[int]], Marks]


@attrs.frozen(eq=False)
class NewLines:
    """
    The new lines in some messages.

    Attributes:
        logs: the new lines that are wanted.
        ids: the ids of *logs*.
        new: the ids of all new lines, in their order; the same object as *ids* without a filter.
    """

    logs: list[WorkspaceAgentLog]
    ids: Sequence[int]
    new: Sequence[int]


def new_lines(
    messages: Sequence[bytes], new_among: NewAmong, log_filter: LogFilter | None, *, ids_first: bool
) -> NewLines:
    """
    Return the lines of *messages* that *new_among* marks as new and that pass *log_filter*; None
    passes every line.

    Raises *DecodeError* where a message is not a list of lines.
    """
    if ids_first or (log_filter is not None and log_filter.by_id_only):
        return _by_ids(messages, new_among, log_filter)
    logs = logs_of(messages)
    ids = list(map(_ID, logs))
    marks = new_among(ids)
    if marks is not None:
        logs = list(itertools.compress(logs, marks))
        ids = list(itertools.compress(ids, marks))
    return NewLines(logs, ids, ids) if log_filter is None else _filtered(logs, ids, log_filter)


def _filtered(
    logs: list[WorkspaceAgentLog], new: Sequence[int], log_filter: LogFilter | None
) -> NewLines:
    if log_filter is None:
        return NewLines(logs, new, new)
    wanted = log_filter.select(logs)
    return NewLines(wanted, [log.id for log in wanted], new)


def _by_ids(
    messages: Sequence[bytes], new_among: NewAmong, log_filter: LogFilter | None
) -> NewLines:
    parts: Sequence[bytes] = [part for message in messages for part in pieces(message)]
    try:
        ids_of_parts = [log_ids(part) for part in parts]
    except DecodeError:
        # A piece was cut inside a line, or a message is not a list of lines.
        parts, ids_of_parts = messages, [log_ids(message) for message in messages]
    ids = list(itertools.chain.from_iterable(ids_of_parts))
    marks = new_among(ids)
    new = ids if marks is None else list(itertools.compress(ids, marks))
    kept = new if log_filter is None else log_filter.among_ids(new)
    if len(kept) < len(ids):
        wanted = set(kept)
        # A line that a message repeats is new only the first time.
        marks = [
            number in wanted and is_new
            for number, is_new in zip(ids, marks or itertools.repeat(True), strict=False)
        ]
    return _filtered(_marked(messages, parts, ids_of_parts, marks), new, log_filter)


def _marked(
    messages: Sequence[bytes],
    parts: Sequence[bytes],
    ids_of_parts: Sequence[Sequence[int]],
    marks: Marks,
) -> list[WorkspaceAgentLog]:
    """
    Return the marked lines of *messages*, whose pieces are *parts*.
    """
    if marks is None:
        return logs_of(messages)
    try:
        return list(_marked_of_parts(parts, ids_of_parts, marks))
    except DecodeError:
        # Raises the same error, with its path in the whole message.
        return logs_of(messages)


def _marked_of_parts(
    parts: Sequence[bytes], ids_of_parts: Sequence[Sequence[int]], marks: Sequence[bool]
) -> Iterator[WorkspaceAgentLog]:
    begin = 0
    for part, ids in zip(parts, ids_of_parts, strict=True):
        part_marks = marks[begin : begin + len(ids)]
        begin += len(ids)
        if any(part_marks):
            yield from itertools.compress(logs_of([part]), part_marks)
