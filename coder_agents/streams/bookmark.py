"""
The bookmark of the log of one agent or one build: text with which another process continues the stream.

For instance ``1:6ba7b810-9dad-11d1-80b4-00c04fd430c8:1042:3-17,20.``: the version of the format,
the agent's or the build's id, the floor, and the ids yielded above the floor, counted from the floor. The final
full stop shows that the text is complete.
"""

from __future__ import annotations

import bisect
import heapq
import operator
import re
import uuid
from collections.abc import Iterable, Iterator

import attrs

from coder_agents.config import whole_number

# Possessive quantifiers: a long hostile text costs neither time nor memory.
_RANGE = r"\d{1,19}+(?:-\d{1,19}+)?+"
_FORM = re.compile(rf"1:([0-9a-f-]{{36}}):(\d{{1,19}}):((?:{_RANGE}(?:,{_RANGE})*+)?+)\.", re.ASCII)
_MAX_ID = 2**63 - 1  # ids are 64 bits wide
_MAX_IDS = 10_000_000  # more than any stream holds; a damaged text may name any range


def check_id(number: int) -> None:
    """
    Raise *ValueError* where *number*, the id to read after, is larger than any id.
    """
    if number > _MAX_ID:
        raise ValueError(f"after must be an id, which is below 2**63, not {number}")


def check_after(after: int | str) -> None:
    """
    Raise *ValueError* or *TypeError* where *after* is neither an id nor the bookmark of any log.
    """
    if isinstance(after, str):
        _parts(after)
    else:
        check_id(whole_number("after", after, least=0))


def _matched(text: str) -> re.Match[str] | None:
    if not isinstance(text, str):
        raise TypeError(f"a bookmark must be text, not {type(text).__name__}")
    return _FORM.fullmatch(text)


def _parts(text: str) -> re.Match[str]:
    found = _matched(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is neither a bookmark nor an id")
    return found


@attrs.frozen
class Bookmark:
    """
    A floor, and ranges of ids above the floor, both ends included.
    """

    agent_id: uuid.UUID
    floor: int = attrs.field(validator=lambda bookmark, field, floor: check_id(floor))
    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, agent_id: uuid.UUID, floor: int, ascending: Iterable[int]) -> Bookmark:
        """
        Return the bookmark for *floor* and the *ascending* ids above it.
        """
        return cls(agent_id, floor, tuple(_ranges(ascending)))

    @classmethod
    def begin(cls, after: int | str, agent_id: uuid.UUID, *, owner: str = "agent") -> Bookmark:
        """
        Return the bookmark of a log that is read *after* an id or the text of a bookmark.

        *owner* is the kind of object that has the log, for messages.

        Raises *ValueError* or *TypeError* where *after* is neither, or is the bookmark of another
        log.
        """
        if isinstance(after, str):
            return cls.read(after, agent_id, owner=owner)
        return cls(agent_id, whole_number("after", after, least=0), ())

    @classmethod
    def read(cls, text: str, agent_id: uuid.UUID, *, owner: str = "agent") -> Bookmark:
        """
        Return the bookmark that *text* holds.

        Raises *ValueError* where *text* is no bookmark, or is the bookmark of another log.
        """
        found = _parts(text)
        if found[1] != str(agent_id):
            raise ValueError(
                f"the bookmark belongs to {owner} {found[1]}, but this is {owner} {agent_id}"
            )
        floor = int(found[2])
        if floor > _MAX_ID:
            raise ValueError(f"the bookmark is damaged: no id is as large as {floor}")
        return cls(agent_id, floor, tuple(_read_ranges(found[3], floor)))

    @classmethod
    def read_any(cls, text: str) -> Bookmark:
        """
        Return the bookmark that *text* holds, of whichever agent.

        Raises *ValueError* where *text* is no bookmark.
        """
        found = _matched(text)
        if found is None:
            raise ValueError(f"{text[:80]!r} is no bookmark")
        return cls.read(text, uuid.UUID(found[1]))

    def __str__(self) -> str:
        parts = (
            f"{first - self.floor}"
            if first == last
            else f"{first - self.floor}-{last - self.floor}"
            for first, last in self.ranges
        )
        return f"1:{self.agent_id}:{self.floor}:{','.join(parts)}."

    def __contains__(self, number: int) -> bool:
        if number <= self.floor:
            return True
        at = bisect.bisect_right(self.ranges, number, key=operator.itemgetter(0))
        return at > 0 and number <= self.ranges[at - 1][1]

    def union(self, other: Bookmark) -> Bookmark:
        """
        Return the bookmark of all ids that this bookmark or *other*, of the same agent, covers.
        """
        floor = max(self.floor, other.floor)
        ranges: list[tuple[int, int]] = []
        for first, last in heapq.merge(self.ranges, other.ranges):
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = ranges[-1][0], max(last, ranges[-1][1])
            elif last > floor:
                ranges.append((max(first, floor + 1), last))
        return Bookmark(self.agent_id, floor, tuple(ranges))

    def ids(self) -> Iterator[int]:
        """
        Return the ids above the floor.
        """
        for first, last in self.ranges:
            yield from range(first, last + 1)


def _ranges(ascending: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for number in ascending:
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last


def _read_ranges(text: str, floor: int) -> Iterator[tuple[int, int]]:
    before, count = 0, 0
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        count += high - low + 1
        if not before < low <= high <= _MAX_ID - floor or count > _MAX_IDS:
            raise ValueError(f"the bookmark is damaged: it has ids from {first} to {last or first}")
        yield floor + low, floor + high
        before = high
