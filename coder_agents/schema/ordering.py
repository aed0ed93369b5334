"""
Enumerations whose values have an order, such as the levels of a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any


class Ordered:
    """
    A mixin for an enumeration of strings whose values are listed in their order.

    The values compare by their places in that list, also with plain text. Comparing with a word
    that is not listed raises *ValueError*: no result would be right for a misspelt word.
    """

    __slots__ = ()

    def __lt__(self, other: object) -> bool:
        rank = self._rank_of_other(other)
        return NotImplemented if rank is None else self._rank() < rank

    def __le__(self, other: object) -> bool:
        rank = self._rank_of_other(other)
        return NotImplemented if rank is None else self._rank() <= rank

    def __gt__(self, other: object) -> bool:
        rank = self._rank_of_other(other)
        return NotImplemented if rank is None else self._rank() > rank

    def __ge__(self, other: object) -> bool:
        rank = self._rank_of_other(other)
        return NotImplemented if rank is None else self._rank() >= rank

    def _rank(self) -> int:
        return rank_of(type(self), self)

    def _rank_of_other(self, other: object) -> int | None:
        return rank_of(type(self), other) if isinstance(other, str) else None


def rank_of(cls: Any, word: object) -> int:
    """
    Return the place of *word* among the values that the enumeration *cls* lists.

    Raises *ValueError* where *word* is none of these values.
    """
    rank = _ranks(cls).get(word)
    if rank is None:
        raise ValueError(
            f"{str(word)!r} cannot be compared: the known values of {cls.__name__} are"
            f" {', '.join(cls)}"
        )
    return rank


@cache
def _ranks(cls: Any) -> Mapping[object, int]:
    return {word: rank for rank, word in enumerate(cls)}
