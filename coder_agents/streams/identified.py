"""
Streams of lines that have ids.
"""

from __future__ import annotations

from typing import TypeVar

from coder_agents.streams.stream import Stream

T = TypeVar("T")


class IdentifiedStream(Stream[T]):
    """
    A stream of the lines of one log, whose position is known by their ids.
    """

    __slots__ = ()

    @property
    def last_id(self) -> int | None:
        """
        The newest id that was yielded; None before the first.
        """
        return self._core.position.last_id

    @property
    def bookmark(self) -> str:
        """
        The text that another process passes as ``after=`` to continue with nothing lost or
        repeated.
        """
        bookmark: str = self._core.position.bookmark
        return bookmark
