"""
Enumerations that keep what they do not know.

A deployment that is newer than this package sends words that this package does not know. They are
kept: an unknown word is an instance of its enumeration, equals and hashes as its text, is written
back as it came, and has ``known`` False.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class OpenEnumeration(StrEnum):
    """
    A string of which the usual values have names.

    ``LogLevel("info")`` is ``LogLevel.INFO``; ``LogLevel("fatal")`` is a level as well, one
    that is not `known`. Each unknown value is a new object:
    compare them by ``==``, not by ``is``. Iterating the class gives the known ones.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = str(value)
        return unknown

    @property
    def known(self) -> bool:
        """
        Whether this is one of the values the enumeration lists.
        """
        return self._value_ in type(self)._value2member_map_

    def __repr__(self) -> str:
        name = f".{self._name_}" if self.known else " unknown"
        return f"<{type(self).__name__}{name}: {self._value_!r}>"

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[str]]:
        # By value: the name, which some Python versions go by, leads nowhere for an unknown one.
        return type(self), (self._value_,)
