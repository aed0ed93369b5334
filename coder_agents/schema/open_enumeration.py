"""
Enumerations that keep unknown values.

A deployment that is newer than this package sends values that this package does not know. An
unknown value is an instance of its enumeration. It has the equality and the hash of its text, is
written unchanged, and has ``known`` False.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class OpenEnumeration(StrEnum):
    """
    A string whose known values have names.

    ``LogLevel("info")`` is ``LogLevel.INFO``; ``LogLevel("fatal")`` is a level that is not `known`.
    Each unknown value is a new object: compare values by ``==``, not by ``is``. Iterating over the
    class yields the known values.
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
        Whether the enumeration lists this value.
        """
        return self._value_ in type(self)._value2member_map_

    def __repr__(self) -> str:
        name = f".{self._name_}" if self.known else " unknown"
        return f"<{type(self).__name__}{name}: {self._value_!r}>"

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[str]]:
        # By value: some versions of Python use the name, which an unknown value does not have.
        return type(self), (self._value_,)
