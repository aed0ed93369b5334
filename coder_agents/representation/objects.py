"""
How an object shows itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from coder_agents.render.line import MAX_LINE, Rendered, render_line, render_value

if TYPE_CHECKING:
    from coder_agents.render.html import Markup

_MAX_NESTED = 100  # characters of the fields of an object within another one
_MAX_LINES = 10  # objects of a tuple that a card lists
_MISSING = object()


class Represented:
    """
    An object with fields of attrs, which shows itself as a line and as a card.

    The line has the fields that differ from their defaults: ``WorkspaceAgentLog(id=7, output='hi')``.
    A subclass is declared with ``attrs.frozen(repr=False)``. It names the fields that come first, and
    the noun, the columns and the cells of its row in a table of such objects. Showing never raises an
    error.
    """

    __slots__ = ()

    _first_fields: ClassVar[tuple[str, ...]] = ()
    _columns: ClassVar[tuple[str, ...]] = ()
    _noun: ClassVar[str] = ""  # what people call such an object; by default the name of the class

    def __repr__(self) -> str:
        return self._line(MAX_LINE)

    def _repr_html_(self) -> str:
        from coder_agents.render.html import render_html_card

        return render_html_card(
            self._title() or type(self).__name__, self._facts(), below=self._below()
        )

    def _cells(self) -> Sequence[object]:
        """
        Return the cells of `_columns`.
        """
        raise NotImplementedError

    def _title(self) -> str:
        """
        Return the title of the card; the name of the class takes the place of an empty one.
        """
        return type(self).__name__

    def _facts(self) -> Iterable[tuple[str, object]]:
        """
        Return the names and the values that the card shows.
        """
        return ((label(name), fact(value)) for name, value in self._fields())

    def _below(self) -> Iterable[Markup]:
        """
        Return the tables below the facts.
        """
        return ()

    def _line(self, limit: int) -> str:
        fields = ((name, _nested(value)) for name, value in self._fields())
        return render_line(type(self).__name__, fields, limit)

    def _fields(self) -> Iterator[tuple[str, Any]]:
        """
        Yield the name and the value of each field that differs from its default.
        """
        for field, default in _ordered(type(self)):  # type: ignore[arg-type]
            value = getattr(self, field, _MISSING)
            if value is not _MISSING and value != default:
                yield field, value


@cache
def _ordered(cls: Any) -> tuple[tuple[str, object], ...]:
    """
    Return the names and the defaults of the fields that *cls* shows, in their order on the line.
    """
    shown = [field for field in attrs.fields(cls) if field.repr]
    first = cls._first_fields
    shown.sort(key=lambda field: first.index(field.name) if field.name in first else len(first))
    return tuple((field.name, _default(field)) for field in shown)


def _default(field: attrs.Attribute[Any]) -> object:
    default: Any = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


def _nested(value: object) -> object:
    return Rendered(value._line(_MAX_NESTED)) if isinstance(value, Represented) else value


def label(field: str) -> str:
    """
    Return the name of *field* for people.
    """
    return field.replace("_", " ").capitalize()


def fact(value: object) -> object:
    """
    Return *value*, a field, as a cell.
    """
    if isinstance(value, Represented):
        return value._line(MAX_LINE)
    if isinstance(value, tuple) and any(isinstance(each, Represented) for each in value):
        more = [f"… {len(value) - _MAX_LINES:,} more"] if len(value) > _MAX_LINES else []
        return [*map(render_value, value[:_MAX_LINES]), *more]
    if isinstance(value, (tuple, list, dict, set, frozenset, bytes)):
        return render_value(value)
    return value
