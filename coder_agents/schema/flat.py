"""
From decoded JSON to schema classes, quickly.

What is generated reads what hooks for each field would, in a fifth of the time, and says only
that something does not fit: what and where is for `careful` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import GenericAlias
from typing import Any
from uuid import UUID

import attrs

from coder_agents.schema import scalars, shapes
from coder_agents.schema.fields import is_left_out_when_empty, json_name
from coder_agents.schema.generation import Names, Readers, generate

HookFor = Callable[[Any], Callable[..., Any]]

# What is usual costs no call; what is not is left to the reader of the type.
_INLINE: dict[Any, str] = {
    str: "if {v}.__class__ is not str: {v} = read_text({v})",
    int: (
        "if {v}.__class__ is not int or not -9223372036854775808 <= {v} <= 9223372036854775807:"
        " {v} = read_integer({v})"
    ),
    bool: "if {v}.__class__ is not bool: {v} = read_boolean({v})",
    UUID: "{v} = uuids[{v}]",
    scalars.TIME: "{v} = times[{v}]",
}
_READERS: Names = {
    "read_text": scalars.read_text,
    "read_integer": scalars.read_integer,
    "read_boolean": scalars.read_boolean,
    "read_enumeration": scalars.read_enumeration,
    "uuids": scalars.UUIDS,
    "times": scalars.TIMES,
}
_RESCUE = (
    "except KeyError: made = one({**nulls, **found})",
    "except (TypeError, AttributeError): made = odd(found)",
)


def class_readers(cls: Any, hook_for: HookFor) -> Readers:
    """
    Return what reads the schema class *cls*; *hook_for* gives the reader of any other type.

    The readers raise `Mismatch` for what is not *cls*.
    """
    fields = shapes.resolved_fields(cls)
    # What is missing reads as null does, so it can be filled in.
    nulls = dict.fromkeys(json_name(field) for field in fields)
    names: Names = {**_READERS, "nulls": nulls, "odd": _odd(cls)}
    lines = [line for at, field in enumerate(fields) for line in _lines(field, at, names, hook_for)]
    return generate(cls, lines, names, rescue=_RESCUE)


def _odd(cls: Any) -> Callable[[object], Any]:
    def read_odd(found: object) -> Any:
        if found is None:
            return cls()
        raise scalars.Mismatch

    return read_odd


def _lines(field: attrs.Attribute[Any], at: int, names: Names, hook_for: HookFor) -> Iterator[str]:
    kind: Any = field.type
    key = repr(json_name(field))
    # What is often left out is not to raise; what is there is had at a lower price.
    is_often_missing = is_left_out_when_empty(field)
    yield f"v{at} = found.get({key})" if is_often_missing else f"v{at} = found[{key}]"
    inner = None if kind == scalars.TIME else shapes.optional_of(kind)
    if inner is None:
        yield from _reading(kind, at, names, hook_for)
    else:
        yield f"if v{at} is not None:"
        yield from (f"    {line}" for line in _reading(inner, at, names, hook_for))


def _reading(kind: Any, at: int, names: Names, hook_for: HookFor) -> Iterator[str]:
    """
    Return the lines that make a *kind* of the variable, or raise.
    """
    if kind in _INLINE:
        yield _INLINE[kind].format(v=f"v{at}")
        return
    names[f"kind{at}"] = kind
    item = shapes.tuple_item(kind)
    if shapes.is_enumeration(kind):
        names[f"known{at}"] = kind._value2member_map_
        yield f"known = known{at}.get(v{at})"
        yield f"v{at} = read_enumeration(v{at}, kind{at}) if known is None else known"
    elif item is None:
        names[f"read{at}"] = hook_for(kind)
        yield f"v{at} = read{at}(v{at}, kind{at})"
    else:
        names[f"read{at}"] = hook_for(GenericAlias(list, item))
        yield f"v{at} = tuple(read{at}(v{at}))"
