"""
The shapes of types in the schema: lists, tuples, maps, optional values and classes.

Functions for one shape return the inner type, or None for a type of another shape. A list is a
`list` where a caller reads one, and a `tuple` inside of a class, which is frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from coder_agents.schema.open_enumeration import OpenEnumeration


def list_item(cls: Any) -> Any:
    """
    Return the type of the items where *cls* is ``list[…]``, otherwise None.
    """
    return get_args(cls)[0] if get_origin(cls) is list else None


def tuple_item(cls: Any) -> Any:
    """
    Return the type of the items where *cls* is ``tuple[…, ...]``, otherwise None.
    """
    arguments = get_args(cls)
    if get_origin(cls) is tuple and arguments[1:] == (...,):
        return arguments[0]
    return None


def map_value(cls: Any) -> Any:
    """
    Return the type of the values where *cls* is a ``dict`` or ``Mapping`` from strings, otherwise
    None.
    """
    arguments = get_args(cls)
    if get_origin(cls) in (dict, Mapping) and arguments[0] is str:
        return arguments[1]
    return None


def optional_of(cls: Any) -> Any:
    """
    Return the type beside None where *cls* is ``… | None``, otherwise None.
    """
    arguments = [argument for argument in get_args(cls) if argument is not NoneType]
    if get_origin(cls) in (Union, UnionType) and len(arguments) == 1:
        return arguments[0]
    return None


def is_enumeration(cls: Any) -> bool:
    """
    Whether *cls* is an enumeration.
    """
    return isinstance(cls, type) and issubclass(cls, OpenEnumeration)


def is_class(cls: Any) -> bool:
    """
    Whether *cls* is a schema class.
    """
    return isinstance(cls, type) and attrs.has(cls)


def resolved_fields(cls: Any) -> tuple[attrs.Attribute[Any], ...]:
    """
    Return the fields of the schema class *cls*, with types instead of the names of types.
    """
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(attrs.resolve_types(cls))
    return fields
