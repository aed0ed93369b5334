"""
Reading single values from decoded JSON.

Each function takes a value and returns it as its Python type, or raises *Mismatch*. Null reads as
the zero value, as in Go. Types are not converted: a bool is no integer, 1.0 is no integer, and a
number is no string.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from coder_agents.schema.fields import NIL_UUID, NO_AGE, Age, Int64
from coder_agents.schema.open_enumeration import OpenEnumeration
from coder_agents.schema.times import from_nanoseconds, parse_time

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1  # of an integer of 64 bits
_MAX_NUMBER = sys.float_info.max

# `uuid.UUID` also accepts braces, URNs and hyphens anywhere.
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(?:\1[0-9a-fA-F]{4}){2}\1[0-9a-fA-F]{12}")


class Mismatch(Exception):
    """
    A value has an unexpected type or form; `validating` then finds its place.
    """


def read_text(value: object, _: object = None) -> str:
    """
    Return a string.
    """
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise Mismatch


def read_boolean(value: object, _: object = None) -> bool:
    """
    Return True or False.
    """
    if value is None:
        return False
    if type(value) is bool:
        return value
    raise Mismatch


def read_integer(value: object, _: object = None) -> int:
    """
    Return an integer.
    """
    if type(value) is int:
        return value
    if value is None:
        return 0
    raise Mismatch


def read_int64(value: object, _: object = None) -> int:
    """
    Return an integer of at most 64 bits.
    """
    number = read_integer(value)
    if MIN_INT64 <= number <= MAX_INT64:
        return number
    raise Mismatch


def read_age(value: object, _: object = None) -> int | None:
    """
    Return an age in whole seconds; None for null, and for a value that was never collected.
    """
    if value is None:
        return None
    number = read_integer(value)
    return None if number == NO_AGE else number


def write_age(age: int | None) -> int:
    """
    Return an age as it is on the wire.
    """
    return NO_AGE if age is None else age


def read_number(value: object, _: object = None) -> float:
    """
    Return a finite number, which may be an integer in JSON.
    """
    if type(value) in (float, int) and -_MAX_NUMBER <= value <= _MAX_NUMBER:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    if value is None:
        return 0.0
    raise Mismatch


def read_uuid(value: object, _: object = None) -> UUID:
    """
    Return a UUID, which has all its hyphens or none; the nil UUID for null.
    """
    if value is None:
        return NIL_UUID
    if type(value) is not str or _UUID.fullmatch(value) is None:
        raise Mismatch
    return UUID(value)


def read_time(value: object, _: object = None) -> datetime | None:
    """
    Return a time with its zone; None for null and for the zero time.
    """
    if value is None:
        return None
    if type(value) is str:
        try:
            return parse_time(value)
        except ValueError:
            pass
    raise Mismatch


def read_duration(value: object, _: object = None) -> timedelta:
    """
    Return a duration, which is a number of nanoseconds in JSON.
    """
    return from_nanoseconds(read_int64(value))


def read_enumeration(value: object, cls: type[OpenEnumeration]) -> OpenEnumeration:
    """
    Return a value of *cls*, known or not.
    """
    text = read_text(value)
    member: Any = cls._value2member_map_.get(text)
    # A call of the class also finds known values, but takes four times as long.
    known_or_not: OpenEnumeration = cls(text) if member is None else member
    return known_or_not


def read_anything(value: object, _: object = None) -> object:
    """
    Return *value* unchanged.
    """
    return value


TIME = datetime | None
"""
The type of a time, which may be null.
"""

cached_uuid = lru_cache(maxsize=1024)(read_uuid)
"""
`read_uuid` with a cache: an agent has few log sources, and each line has the id of one.
"""

SCALARS: dict[Any, tuple[Callable[..., Any], str]] = {
    str: (read_text, "a string"),
    bool: (read_boolean, "true or false"),
    int: (read_integer, "an integer"),
    Int64: (read_int64, "an integer of at most 64 bits"),
    Age: (read_age, "an integer"),
    float: (read_number, "a number"),
    UUID: (read_uuid, "a UUID"),
    TIME: (read_time, "a time with its zone (RFC 3339)"),
    timedelta: (read_duration, "a duration in nanoseconds"),
    Any: (read_anything, "anything"),
}
"""
The reader of each type of single values, and the type's name in errors.
"""
