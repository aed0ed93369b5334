"""
Lists that show themselves as tables.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any, SupportsIndex, TypeVar, overload

from coder_agents.render.line import render_items
from coder_agents.representation.tabular import Tabular

T = TypeVar("T")
S = TypeVar("S")


class ResultList(list[T], Tabular):
    """
    A list of what a call returns, which a notebook shows as a table.

    It is a `list` in every respect: it is equal to a list with the same items, and it can be changed
    and pickled. Its slices, its copies and its sums are of the same class. Its `repr` has the first
    items and the number of the others; ``list(result)`` has the usual one.

    *of* is the class of the items, so that a data frame of no items has their columns.
    """

    __slots__ = ("_of",)

    def __init__(self, items: Iterable[T] = (), /, *, of: type | None = None) -> None:
        super().__init__(items)
        self._of = of

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, index: slice, /) -> ResultList[T]: ...
    def __getitem__(self, index: Any, /) -> Any:
        found = super().__getitem__(index)
        return ResultList(found, of=self._of) if isinstance(index, slice) else found

    @overload
    def __add__(self, other: list[T], /) -> ResultList[T]: ...
    @overload
    def __add__(self, other: list[S], /) -> ResultList[T | S]: ...
    def __add__(self, other: list[Any], /) -> ResultList[Any]:
        total = super().__add__(other)
        return ResultList(total, of=self._of)

    def copy(self) -> ResultList[T]:
        """
        Return a list of the same items.
        """
        return ResultList(self, of=self._of)

    @reprlib.recursive_repr("ResultList([…])")
    def __repr__(self) -> str:
        return render_items(type(self).__name__, self)

    def _repr_html_(self) -> str:
        from coder_agents.representation.tables import table_of_list

        return table_of_list(self, self._of)
