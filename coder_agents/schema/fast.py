"""
From JSON to schema classes by way of msgspec, where it is installed.

msgspec decodes into structures of its own, made after the schema classes and as strict about the
types of JSON; ids and times are made from these as anywhere else. It may refuse what is read
otherwise, such as null for a text, and never takes what is refused otherwise: so whoever asks
here first, and elsewhere on a refusal, gets the same and mostly sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from types import GenericAlias
from typing import Annotated, Any
from uuid import UUID

import attrs
import msgspec

from coder_agents.schema import scalars, shapes
from coder_agents.schema.fields import json_name
from coder_agents.schema.generation import (
    LONGEST_SHARED,
    MOST_SHARED,
    SHARED,
    Code,
    Names,
    Readers,
    code_of_repeated,
    generate,
)
from coder_agents.schema.remembered import Remembered

REFUSALS = (msgspec.DecodeError, UnicodeError, RecursionError, scalars.Mismatch)
"""
What reading raises where the careful way is to be asked.
"""

_INTEGER = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

# Python makes no integer of more than 4,300 digits; a row of so many has a whole sample.
_STRIDE, _SAMPLE = 4096, 64

# What is held of whole lists: 1 MB.
_MOST_LISTS, _LONGEST_LIST = 16, 1 << 16

# For each type: what it is in a structure, and what is there where nothing was sent.
_SENT: dict[Any, tuple[Any, Any]] = {
    str: (str, ""),
    bool: (bool, False),
    int: (_INTEGER, 0),
    float: (float, 0.0),
    UUID: (str | None, None),
    scalars.TIME: (str | None, None),
    timedelta: (_INTEGER, 0),
    Any: (Any, None),
}
# And how it is made of that, where it is not that already.
_MADE: dict[Any, str] = {
    UUID: "uuids[{}]",
    scalars.TIME: "times[{}]",
    timedelta: "durations[{}]",
}
_REPEATED = frozenset({UUID, scalars.TIME})  # what is often the same in the next object
_MAKERS: Names = {
    "uuids": scalars.UUIDS,
    "times": scalars.TIMES,
    "durations": scalars.DURATIONS,
}


@attrs.frozen
class Reading:
    """
    The two steps from JSON to a type; each raises one of `REFUSALS`.

    Attributes:
        decode: from JSON, in bytes or text, to a structure or a list of them, whose fields have
            the names that the schema class gives them.
        make: from such to the type.
    """

    decode: Callable[[Any], Any]
    make: Callable[[Any], Any]


@cache
def reading(cls: Any) -> Reading:
    """
    Return how *cls* is read, a schema class or a list of one.
    """
    item = shapes.list_item(cls)
    if item is None:
        return Reading(_decoder(cls, lambda structure: structure), _readers(cls).one)
    return Reading(_decoder(item, lambda each: GenericAlias(list, each)), _readers(item).many)


def _decoder(cls: Any, wanted: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """
    Return what decodes what is *wanted* of the structure of *cls*.
    """
    decode = _checked(msgspec.json.Decoder(wanted(_structure(cls))).decode)
    if not _is_looked_into(cls):
        return decode
    known_alone = _new_structure(cls, known_alone=True)
    return _in_turn(msgspec.json.Decoder(wanted(known_alone)).decode, decode)


def _is_looked_into(cls: Any) -> bool:
    """
    Whether msgspec looks into all of a *cls* that has no more fields than are known.
    """
    kinds = {field.type for field in shapes.resolved_fields(cls)}
    return all(shapes.is_enumeration(kind) for kind in kinds - (_SENT.keys() - {Any}))


def _in_turn(first: Callable[[Any], Any], second: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decode(text: str | bytes | bytearray | memoryview) -> Any:
        if isinstance(text, bytes):
            with suppress(msgspec.DecodeError, UnicodeError):
                return first(text)
        return second(text)

    return decode


def _checked(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def checked(text: str | bytes | bytearray | memoryview) -> Any:
        # msgspec does not look into what nobody asks for: texts that are no text, and numbers
        # of more digits than Python takes.
        whole = text if isinstance(text, (str, bytes)) else bytes(memoryview(text))
        if not isinstance(whole, str) and not whole.isascii():
            str(whole, "utf-8")
        if True in [whole[at : at + _SAMPLE].isdigit() for at in range(0, len(whole), _STRIDE)]:
            raise msgspec.DecodeError("a number of too many digits, perhaps")
        return decode(whole)

    return checked


@cache
def _structure(cls: Any) -> Any:
    return _new_structure(cls, known_alone=False)


def _new_structure(cls: Any, *, known_alone: bool) -> Any:
    fields = shapes.resolved_fields(cls)
    return msgspec.defstruct(
        f"{cls.__name__}Structure",
        [(field.name, *_sent(field.type)) for field in fields],
        rename={field.name: json_name(field) for field in fields},
        gc=False,  # JSON has no cycles
        forbid_unknown_fields=known_alone,
    )


def _sent(kind: Any) -> tuple[Any, Any]:
    """
    Return what *kind* is in a structure, and what is there where nothing was sent.
    """
    if kind in _SENT:
        return _SENT[kind]
    if shapes.is_enumeration(kind):
        return kind, kind("")
    if kind in SHARED:
        return msgspec.Raw, msgspec.Raw(b"{}")
    if shapes.is_class(kind):
        return _structure(kind), msgspec.field(default_factory=_structure(kind))
    if (inner := shapes.optional_of(kind)) is not None:
        return _sent(inner)[0] | None, None
    if (item := shapes.tuple_item(kind)) is not None:
        return GenericAlias(list, _sent(item)[0]) | None, None
    return GenericAlias(dict, (str, _sent(shapes.map_value(kind))[0])) | None, None


@cache
def _readers(cls: Any) -> Readers:
    names: Names = dict(_MAKERS)
    fields = shapes.resolved_fields(cls)
    return generate(cls, [_code(field, at, names) for at, field in enumerate(fields)], names)


def _code(field: attrs.Attribute[Any], at: int, names: Names) -> Code:
    kind: Any = field.type
    sent = f"found.{field.name}"
    if kind in _REPEATED:
        return code_of_repeated(at, sent, _MADE[kind].format("f"))
    value = _made(kind, sent, names)
    if not shapes.is_class(kind):
        return Code(value=value)
    # One call for all of them, where it would be one for each.
    names[f"many{at}"] = _Lists(_shared(kind)) if kind in SHARED else _readers(kind).many
    return Code([f"v{at} = {value}"], column=f"many{at}([{sent} for found in all_found])")


def _made(kind: Any, sent: str, names: Names) -> str:
    """
    Return the expression that makes a *kind* of the expression *sent*.
    """
    if kind in _MADE:
        return _MADE[kind].format(sent)
    if kind in _SENT or shapes.is_enumeration(kind):
        return sent
    name = f"kind{len(names)}"
    if kind in SHARED:
        names[name] = _shared(kind)
        return f"{name}[bytes({sent})]"
    if shapes.is_class(kind):
        names[name] = _readers(kind).one
        return f"{name}({sent})"
    if (inner := shapes.optional_of(kind)) is not None:
        return f"(None if {sent} is None else {_made(inner, sent, names)})"
    if (value := shapes.map_value(kind)) is not None:
        made = _made(value, "value", names)
        return f"{{key: {made} for key, value in ({sent} or {{}}).items()}}"
    item = shapes.tuple_item(kind)
    if shapes.is_class(item):
        names[name] = _readers(item).many
        return f"(tuple({name}({sent})) if {sent} else ())"
    return f"tuple([{_made(item, 'each', names)} for each in {sent} or ()])"


class _Lists:
    """
    What *each* makes of the members of lists, remembered for the lists that came last.

    An agent has the same descriptions in each event: to compare them all at once costs a tenth of
    looking each of them up.
    """

    def __init__(self, each: Remembered) -> None:
        self._each = each
        self._made: dict[int, tuple[bytes, list[Any]]] = {}  # by the length of their JSON

    def __call__(self, raws: list[msgspec.Raw]) -> list[Any]:
        text = b",".join(raws)  # which says what they are: each is JSON
        known = self._made.get(len(text))
        if known is not None and known[0] == text:
            return known[1]
        made = [self._each[bytes(raw)] for raw in raws]
        if len(text) <= _LONGEST_LIST:
            if len(self._made) >= _MOST_LISTS:
                self._made.clear()
            self._made[len(text)] = text, made
        return made


@cache
def _shared(cls: Any) -> Remembered:
    # By their JSON: what was met before is not even decoded.
    decode, make = msgspec.json.Decoder(_structure(cls)).decode, _readers(cls).one
    return Remembered(
        lambda raw: make(decode(raw)),
        limit=MOST_SHARED,
        is_small=lambda raw: len(raw) <= LONGEST_SHARED,
    )
