"""
Reading the schema classes that msgspec cannot build, by way of its structures.

In JSON, a list or a map may be null, which the schema class does not permit, and a duration is an
integer. So each such class has a structure for the JSON, and a generated function that builds an
object of the class from the structure.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from types import GenericAlias
from typing import Annotated, Any

import attrs
import msgspec

from coder_agents.schema import scalars, shapes
from coder_agents.schema.fields import NO_AGE, Age, Int64, json_name
from coder_agents.schema.generated import Names, compiled, draft_of
from coder_agents.schema.times import ZERO, from_nanoseconds

YEAR_2 = datetime(2, 1, 1, tzinfo=UTC)  # any earlier time may be the zero time

_INT64 = Annotated[int, msgspec.Meta(ge=scalars.MIN_INT64, le=scalars.MAX_INT64)]


def without_zero(time: datetime | None) -> datetime | None:
    """
    Return *time*; None for the zero time.

    Raises *TypeError* for a time without a zone.
    """
    return None if time is None or (time < YEAR_2 and time == ZERO) else time


@cache
def structure(cls: Any) -> Any:
    """
    Return the structure of the schema class *cls*.
    """
    fields = shapes.resolved_fields(cls)
    return msgspec.defstruct(
        f"{cls.__name__}Structure",
        [(field.name, *_sent(field)) for field in fields],
        rename={field.name: json_name(field) for field in fields},
        gc=False,  # JSON has no cycles
    )


def _sent(field: attrs.Attribute[Any]) -> tuple[Any, Any]:
    """
    Return the type of *field* in a structure, and its default there.
    """
    kind: Any = field.type
    if shapes.is_class(kind):
        return structure(kind), msgspec.field(default_factory=structure(kind))
    if kind is timedelta:
        return _INT64, 0
    if shapes.tuple_item(kind) is not None or shapes.map_value(kind) is not None:
        return _sent_type(kind), None
    return _sent_type(kind), field.default


def _sent_type(kind: Any) -> Any:
    if kind == Int64:
        return _INT64
    if shapes.is_class(kind):
        return structure(kind)
    if (item := shapes.tuple_item(kind)) is not None:
        return GenericAlias(list, _sent_type(item)) | None
    if (value := shapes.map_value(kind)) is not None:
        return GenericAlias(dict, (str, _sent_type(value))) | None
    inner = shapes.optional_of(kind)
    return kind if inner is None else _sent_type(inner) | None


@cache
def maker(cls: Any) -> Callable[[Any], Any]:
    """
    Return the function that builds an object of *cls* from its structure.

    The function raises *TypeError* for a time without a zone.
    """
    names: Names = {
        "cls": cls,
        "draft": draft_of(cls),
        "YEAR_2": YEAR_2,
        "without_zero": without_zero,
        "from_nanoseconds": from_nanoseconds,
    }
    lines = ["def make(found):", "    built = draft()"]
    for field in shapes.resolved_fields(cls):
        value = _expression(field.type, names)
        lines += [f"    f = found.{field.name}", f"    built.{field.name} = {value}"]
    make: Callable[[Any], Any] = compiled(
        cls, [*lines, "    built.__class__ = cls", "    return built"], names
    )["make"]
    return make


def _expression(kind: Any, names: Names) -> str:
    """
    Return the expression for a *kind*, built from ``f``.
    """
    if kind == scalars.TIME:
        return "f if f is not None and f > YEAR_2 else without_zero(f)"
    if kind is timedelta:
        return "from_nanoseconds(f)"
    if kind == Age:
        return f"None if f == {NO_AGE} else f"
    make = f"make{len(names)}"
    if shapes.is_class(kind):
        names[make] = maker(kind)
        return f"{make}(f)"
    if shapes.is_class(inner := shapes.optional_of(kind)):
        names[make] = maker(inner)
        return f"None if f is None else {make}(f)"
    if (item := shapes.tuple_item(kind)) is not None:
        if not shapes.is_class(item):
            return "tuple(f) if f else ()"
        names[make] = maker(item)
        return f"tuple([{make}(each) for each in f]) if f else ()"
    if (value := shapes.map_value(kind)) is not None:
        if not shapes.is_class(value):
            return "f or {}"
        names[make] = maker(value)
        return f"{{key: {make}(each) for key, each in (f or {{}}).items()}}"
    return "f"
