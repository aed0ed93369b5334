"""
Where a stream of one agent's log stands, as text that another process can go on from.

For instance ``1:6ba7b810-9dad-11d1-80b4-00c04fd430c8:1042:3-17,20.``: the form's version, the
agent, the floor, and the ids yielded above it, counted from the floor. The full stop tells a
whole text from one that was cut off.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator

import attrs

from coder_agents.config import whole_number

# Possessive, so that a long hostile text costs neither time nor memory.
_RANGE = r"\d{1,19}+(?:-\d{1,19}+)?+"
_FORM = re.compile(rf"1:([0-9a-f-]{{36}}):(\d{{1,19}}):((?:{_RANGE}(?:,{_RANGE})*+)?+)\.", re.ASCII)
_LARGEST_ID = 2**63 - 1  # ids are 64 bits wide
_MOST_IDS = 10_000_000  # more than any stream remembers; a damaged text may say anything


def check_id(number: int) -> None:
    """
    Raise *ValueError* where *number*, after which somebody reads, is larger than any id.
    """
    if number > _LARGEST_ID:
        raise ValueError(f"after must be an id, which is below 2**63, not {number}")


@attrs.frozen
class Bookmark:
    """
    A floor, and ranges of ids above it, both ends in.
    """

    agent_id: uuid.UUID
    floor: int = attrs.field(validator=lambda bookmark, field, floor: check_id(floor))
    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, agent_id: uuid.UUID, floor: int, ascending: Iterable[int]) -> Bookmark:
        """
        Return the bookmark for *floor* and the ids above it.
        """
        return cls(agent_id, floor, tuple(_ranges(ascending)))

    @classmethod
    def begin(cls, after: int | str, agent_id: uuid.UUID) -> Bookmark:
        """
        Return the bookmark at which a log begins that is read *after* an id or a bookmark's text.

        Raises *ValueError* or *TypeError* where *after* is neither, or the bookmark of another agent.
        """
        if isinstance(after, str):
            return cls.read(after, agent_id)
        return cls(agent_id, whole_number("after", after, least=0), ())

    @classmethod
    def read(cls, text: str, agent_id: uuid.UUID) -> Bookmark:
        """
        Return what *text* says.

        Raises *ValueError* where it is no bookmark, or one of another agent.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:80]!r} is not a bookmark, nor an id")
        if found[1] != str(agent_id):
            raise ValueError(f"the bookmark is of agent {found[1]}, but this is agent {agent_id}")
        floor = int(found[2])
        if floor > _LARGEST_ID:
            raise ValueError(f"the bookmark is damaged: no id is as large as {floor}")
        return cls(agent_id, floor, tuple(_read_ranges(found[3], floor)))

    def __str__(self) -> str:
        parts = (
            f"{first - self.floor}"
            if first == last
            else f"{first - self.floor}-{last - self.floor}"
            for first, last in self.ranges
        )
        return f"1:{self.agent_id}:{self.floor}:{','.join(parts)}."

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
        if not before < low <= high <= _LARGEST_ID - floor or count > _MOST_IDS:
            raise ValueError(f"the bookmark is damaged: its ids go from {first} to {last or first}")
        yield floor + low, floor + high
        before = high
