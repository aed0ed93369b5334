"""
Readers from decoded JSON to schema classes, generated and compiled when a class is first read.

A generated reader reads all fields without a function call for each. It reports only that a value
is unexpected; `validating` finds the value.

Objects are built without calling ``__init__``: a frozen class sets its fields through
``object.__setattr__``, which is slow. A reader therefore builds a draft, an object of a subclass
whose fields can be set. It turns the draft into an object of the frozen class by setting
``__class__``. The result is the same as that of a call: schema classes have no validators, no
converters and no ``__attrs_post_init__``.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import GenericAlias
from typing import Any
from uuid import UUID

import attrs

from coder_agents.schema import scalars, shapes
from coder_agents.schema.fields import NO_AGE, Age, Int64, is_skipped_when_empty, json_name
from coder_agents.schema.times import parse_time, parse_times

Names = dict[str, Any]
HookFor = Callable[[Any], Callable[..., Any]]

# The usual value costs no call; the reader of the type reads any other value.
_INLINE: dict[Any, str] = {
    str: "if v{at}.__class__ is not str: v{at} = read_text(v{at})",
    int: "if v{at}.__class__ is not int: v{at} = read_integer(v{at})",
    Int64: (
        "if v{at}.__class__ is not int"
        f" or not {scalars.MIN_INT64} <= v{{at}} <= {scalars.MAX_INT64}:"
        " v{at} = read_int64(v{at})"
    ),
    Age: (f"if v{{at}}.__class__ is not int or v{{at}} == {NO_AGE}: v{{at}} = read_age(v{{at}})"),
    float: (
        "if v{at}.__class__ is not float"
        f" or not {-sys.float_info.max!r} <= v{{at}} <= {sys.float_info.max!r}:"
        " v{at} = read_number(v{at})"
    ),
    bool: "if v{at}.__class__ is not bool: v{at} = read_boolean(v{at})",
    timedelta: "v{at} = read_duration(v{at})",
}
_READERS: Names = {
    "read_text": scalars.read_text,
    "read_integer": scalars.read_integer,
    "read_int64": scalars.read_int64,
    "read_age": scalars.read_age,
    "read_number": scalars.read_number,
    "read_boolean": scalars.read_boolean,
    "read_duration": scalars.read_duration,
    "read_enumeration": scalars.read_enumeration,
    "read_uuid": scalars.cached_uuid,
    "parse_time": parse_time,
    "parse_times": parse_times,
}
_HANDLERS = (
    # Where nothing is missing, a value is an object that was taken for text: since Python 3.12 a slice
    # of a dict is a missing key, too.
    (
        "except KeyError:"
        " built = unexpected(found) if nulls.keys() <= found.keys() else one({**nulls, **found})"
    ),
    "except (TypeError, AttributeError, ValueError): built = unexpected(found)",
)


@attrs.frozen
class Readers:
    """
    The generated functions: `one` reads an object, `batch` reads each object of a list.

    Both raise *Mismatch*. Both ignore a second argument.
    """

    one: Callable[..., Any]
    batch: Callable[..., list[Any]]


@attrs.frozen
class _Code:
    """
    The code that reads a field into its variable: ``v0`` for the first field, and so on.

    Attributes:
        lines: the lines for one object, which is called ``found``.
        column: the expression for the field's values of all objects in ``all_found``; empty where
            each object is read by itself.
        each: the lines for each object of several; empty where they are *lines*.
        last: the variable for the value of the object before, which *each* uses; or empty.
    """

    lines: Sequence[str]
    column: str = ""
    each: Sequence[str] = ()
    last: str = ""


def class_readers(cls: Any, hook_for: HookFor) -> Readers:
    """
    Return the readers of the schema class *cls*; *hook_for* returns the reader of any other type.
    """
    fields = shapes.resolved_fields(cls)
    names: Names = {
        **_READERS,
        "cls": cls,
        "draft": draft_of(cls),
        # A missing field reads as null.
        "nulls": dict.fromkeys(json_name(field) for field in fields),
        "unexpected": _null_or_mismatch(cls),
    }
    codes = [_code(field, at, names, hook_for) for at, field in enumerate(fields)]
    compiled(cls, _source(fields, codes), names)
    return Readers(names["one"], names["batch"])


def _null_or_mismatch(cls: Any) -> Callable[[object], Any]:
    def read(found: object) -> Any:
        if found is None:
            return cls()
        raise scalars.Mismatch

    return read


def _code(field: attrs.Attribute[Any], at: int, names: Names, hook_for: HookFor) -> _Code:
    kind: Any = field.type
    key = repr(json_name(field))
    # `get` for a field that is often missing; an index is faster where the field is there.
    found = f"found.get({key})" if is_skipped_when_empty(field) else f"found[{key}]"
    names[f"kind{at}"] = kind
    if kind == scalars.TIME:
        time = f"v{at} = None if f is None else parse_time(f)"
        times = f"parse_times([{found} for found in all_found])"
        return _Code([f"f = {found}", time], column=times)
    if shapes.is_enumeration(kind):
        names[f"known{at}"] = kind._value2member_map_
        known = f"v{at} = known{at}.get(f) or read_enumeration(f, kind{at})"
        return _Code([f"f = {found}", known])
    if kind is UUID:
        # Several lines in a row usually have the same source.
        lines, last = [f"f = {found}", f"v{at} = read_uuid(f)"], f"last{at}"
        each = [lines[0], f"if f != {last}:", f"    {lines[1]}", f"    {last} = f"]
        return _Code(lines, each=each, last=last)
    if kind in _INLINE:
        return _Code([f"v{at} = {found}", _INLINE[kind].format(at=at)])
    if (item := shapes.tuple_item(kind)) is not None:
        names[f"read{at}"] = hook_for(GenericAlias(list, item))
        return _Code([f"f = {found}", f"v{at} = () if f == [] else tuple(read{at}(f))"])
    if (inner := shapes.optional_of(kind)) is not None:
        names[f"read{at}"], names[f"kind{at}"] = hook_for(inner), inner
        return _Code([f"f = {found}", f"v{at} = None if f is None else read{at}(f, kind{at})"])
    names[f"read{at}"] = hook_for(kind)
    lines = [f"v{at} = read{at}({found}, kind{at})"]
    if not shapes.is_class(kind):
        return _Code(lines)
    # One call reads the objects of the whole batch.
    names[f"batch{at}"] = hook_for(GenericAlias(list, kind))
    return _Code(lines, column=f"batch{at}([{found} for found in all_found])")


def _source(fields: Sequence[attrs.Attribute[Any]], codes: Sequence[_Code]) -> list[str]:
    """
    Return the source lines of both functions.
    """
    building = ["built = draft()"]
    building += [f"built.{field.name} = v{at}" for at, field in enumerate(fields)]
    building += ["built.__class__ = cls"]
    one = [line for code in codes for line in code.lines]
    each = [line for code in codes if not code.column for line in code.each or code.lines]
    columns = {f"v{at}": code.column for at, code in enumerate(codes) if code.column}
    return [
        "def one(found, _=None):",
        *_indented(["try:", *_indented([*one, *building]), *_HANDLERS, "return built"]),
        "def batch(all_found, _=None):",
        *_indented(_zipped(columns) if columns else []),
        "    all_built = []",
        "    add = all_built.append",
        *[f"    {code.last} = ..." for code in codes if code.last],
        f"    for {', '.join(['found', *columns])} in all_found:",
        *_indented(_indented(["try:", *_indented([*each, *building]), *_HANDLERS, "add(built)"])),
        "    return all_built",
    ]


def _zipped(columns: dict[str, str]) -> list[str]:
    return [
        "try:",
        f"    all_found = zip(all_found, {', '.join(columns.values())})",
        "except (KeyError, TypeError, ValueError):",
        "    return [one(found) for found in all_found]",
    ]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def draft_of(cls: Any) -> Any:
    """
    Return a subclass of *cls* whose objects are mutable and can become objects of *cls*.
    """
    # Both methods for attributes are needed, otherwise the interpreter uses its slow way.
    plain = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    return type(f"{cls.__name__}Draft", (cls,), {"__slots__": (), **plain})


def compiled(cls: Any, lines: list[str], names: Names) -> Names:
    """
    Return *names* with the functions that *lines* define, which read *cls*.
    """
    source = "\n".join(lines) + "\n"
    place = f"<coder_agents readers of {cls.__name__}, {id(names):x}>"
    # With this entry, a traceback shows the generated line.
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    exec(compile(source, place, "exec"), names)
    return names
