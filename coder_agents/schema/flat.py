"""
From decoded JSON to schema classes, quickly.

What is generated reads what hooks for each field would, in a fifth of the time, and says only
that something does not fit: what and where is for `careful` to say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from types import GenericAlias
from typing import Any
from uuid import UUID

import attrs

from coder_agents.schema import scalars, shapes
from coder_agents.schema.fields import is_left_out_when_empty, json_name
from coder_agents.schema.generation import Code, Names, Readers, code_of_repeated, generate

HookFor = Callable[[Any], Callable[..., Any]]

# What is usual costs no call; what is not is left to the reader of the type.
_INLINE: dict[Any, str] = {
    str: "if v{at}.__class__ is not str: v{at} = read_text(v{at})",
    int: (
        "if v{at}.__class__ is not int"
        " or not -9223372036854775808 <= v{at} <= 9223372036854775807:"
        " v{at} = read_integer(v{at})"
    ),
    float: (
        "if v{at}.__class__ is not float"
        f" or not {-sys.float_info.max!r} <= v{{at}} <= {sys.float_info.max!r}:"
        " v{at} = read_number(v{at})"
    ),
    bool: "if v{at}.__class__ is not bool: v{at} = read_boolean(v{at})",
    # The class is looked at first, as True and 1.0 are found where 1 is.
    timedelta: (
        "v{at} = durations[v{at}] if v{at}.__class__ is int"
        " and -9223372036854775808 <= v{at} <= 9223372036854775807 else read_duration(v{at})"
    ),
}
# What is often the same in the next object.
_REPEATED: dict[Any, str] = {UUID: "uuids[f]", scalars.TIME: "times[f]"}
_READERS: Names = {
    "read_text": scalars.read_text,
    "read_integer": scalars.read_integer,
    "read_number": scalars.read_number,
    "read_boolean": scalars.read_boolean,
    "read_duration": scalars.read_duration,
    "durations": scalars.DURATIONS,
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
    codes = [_code(field, at, names, hook_for) for at, field in enumerate(fields)]
    return generate(cls, codes, names, rescue=_RESCUE)


def _odd(cls: Any) -> Callable[[object], Any]:
    def read_odd(found: object) -> Any:
        if found is None:
            return cls()
        raise scalars.Mismatch

    return read_odd


def _code(field: attrs.Attribute[Any], at: int, names: Names, hook_for: HookFor) -> Code:
    kind: Any = field.type
    key = repr(json_name(field))
    # What is often left out is not to raise; what is there is had at a lower price.
    found = f"found.get({key})" if is_left_out_when_empty(field) else f"found[{key}]"
    if kind in _REPEATED:
        return code_of_repeated(at, found, _REPEATED[kind])
    names[f"kind{at}"] = kind
    if shapes.is_enumeration(kind):
        names[f"known{at}"] = kind._value2member_map_
        return code_of_repeated(at, found, f"known{at}.get(f) or read_enumeration(f, kind{at})")
    lines = [f"v{at} = {found}"]
    if kind in _INLINE:
        return Code([*lines, _INLINE[kind].format(at=at)])
    if (item := shapes.tuple_item(kind)) is not None:
        names[f"read{at}"] = hook_for(GenericAlias(list, item))
        empty = f"() if v{at}.__class__ is list and not v{at} else"
        return Code([*lines, f"v{at} = {empty} tuple(read{at}(v{at}))"])
    if (inner := shapes.optional_of(kind)) is not None:
        names[f"read{at}"], names[f"kind{at}"] = hook_for(inner), inner
        return Code([*lines, f"if v{at} is not None: v{at} = read{at}(v{at}, kind{at})"])
    names[f"read{at}"] = hook_for(kind)
    lines += [f"v{at} = read{at}(v{at}, kind{at})"]
    if not shapes.is_class(kind):
        return Code(lines)
    # One call for all of them, where it would be one for each.
    names[f"many{at}"] = hook_for(GenericAlias(list, kind))
    return Code(lines, column=f"many{at}([{found} for found in all_found])")
