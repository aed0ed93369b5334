"""
Tables: their columns, and how the rows of a class are read.

A table is a list of typed columns. A kind is a class of objects and the table of its rows. Values
are read column by column, which is several times as fast as row by row.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs


class Type(enum.Enum):
    """
    The type of the values in a column; None is a missing value.

    Attributes:
        TEXT: text of any length.
        CATEGORY: text with few different values.
        INTEGER: an integer of at most 64 bits.
        NUMBER: a float.
        BOOLEAN: True or False.
        TIME: a `datetime` with a zone.
        MAPPING: a dict from text to text.
    """

    TEXT = "text"
    CATEGORY = "category"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    MAPPING = "mapping"


@attrs.frozen
class Column:
    """
    A column of a table.

    Attributes:
        name: its name.
        type: the type of its values.
        is_required: whether no value is missing.
        order: the values of a category that has an order, in this order.
    """

    name: str
    type: Type = Type.TEXT
    is_required: bool = False
    order: tuple[str, ...] = ()


@attrs.frozen(eq=False)
class Table:
    """
    The columns that all rows of a table have.

    Attributes:
        name: the name of the rows, in the plural, such as ``logs``.
        columns: the columns.
    """

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """
        The names of the columns.
        """
        return [column.name for column in self.columns]


@attrs.frozen
class Owner:
    """
    The agent that rows belong to.

    Attributes:
        label: the agent's name in the column ``agent``; None where the agent is not known.
        name: the agent's name in lines of text; empty where the agent is not known.
    """

    label: str | None = None
    name: str = ""


NOBODY = Owner()

Values = Sequence[Any]
Read = Callable[[Sequence[Any], Owner], Sequence[Values]]
"""
Reads objects of one class: returns the values of each column, in the order of the table.
"""
Lines = Callable[[Sequence[Any], Owner], list[str]]
"""
Returns objects of one class as lines of text, without newlines.
"""


@attrs.frozen(eq=False)
class Kind:
    """
    A class of objects that have rows.

    Attributes:
        table: the table of the rows.
        read: reads the rows of some objects.
        lines: returns some objects as lines of text; None where the objects are no lines.
    """

    table: Table
    read: Read
    lines: Lines | None = None


@attrs.frozen(eq=False)
class Chunk:
    """
    Objects of one kind and one owner, in their order.

    Attributes:
        kind: the kind.
        items: the objects; their rows may be more or fewer.
        owner: the agent that the objects belong to.
    """

    kind: Kind
    items: Sequence[Any]
    owner: Owner = NOBODY

    def values(self) -> Sequence[Values]:
        """
        Return the values of each column.
        """
        return self.kind.read(self.items, self.owner)


def integer(name: str, *, is_required: bool = False) -> Column:
    """
    Return a column of integers.
    """
    return Column(name, Type.INTEGER, is_required)


def number(name: str) -> Column:
    """
    Return a column of floats.
    """
    return Column(name, Type.NUMBER)


def boolean(name: str, *, is_required: bool = True) -> Column:
    """
    Return a column of truth values.
    """
    return Column(name, Type.BOOLEAN, is_required)


def moment(name: str) -> Column:
    """
    Return a column of times.
    """
    return Column(name, Type.TIME)


def text(name: str) -> Column:
    """
    Return a column of texts.
    """
    return Column(name)


def mapping(name: str) -> Column:
    """
    Return a column of mappings from text to text.
    """
    return Column(name, Type.MAPPING)


def category(name: str, order: Sequence[str] = ()) -> Column:
    """
    Return a column of texts with few different values, which may have an *order*.
    """
    return Column(name, Type.CATEGORY, order=tuple(map(str, order)))


def one_row(table: Table, row: Callable[[Any, Owner], Sequence[Any]]) -> Kind:
    """
    Return the kind of objects with one row each, which *row* returns.
    """
    return Kind(table, lambda items, owner: transposed(table, [row(item, owner) for item in items]))


def several_rows(table: Table, rows: Callable[[Any, Owner], Iterable[Sequence[Any]]]) -> Kind:
    """
    Return the kind of objects with any number of rows each, which *rows* returns.
    """
    return Kind(
        table,
        lambda items, owner: transposed(
            table, [row for item in items for row in rows(item, owner)]
        ),
    )


def transposed(table: Table, rows: Sequence[Sequence[Any]]) -> Sequence[Values]:
    """
    Return the values of each column of *rows*.
    """
    return list(zip(*rows, strict=True)) if rows else [()] * len(table.columns)
