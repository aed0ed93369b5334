"""
The shapes a type of the schema can have, told apart by what is inside.

Each function answers for one shape, None where the type is of another. Lists are `list` for
those who call and `tuple` inside the classes, which are frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from coder_agents.schema.open_enumeration import OpenEnumeration


def list_item(cls: Any) -> Any:
    """
    The type of the items, if *cls* is ``list[…]``.
    """
    return get_args(cls)[0] if get_origin(cls) is list else None


def tuple_item(cls: Any) -> Any:
    """
    The type of the items, if *cls* is ``tuple[…, ...]``.
    """
    arguments = get_args(cls)
    if get_origin(cls) is tuple and arguments[1:] == (...,):
        return arguments[0]
    return None


def map_value(cls: Any) -> Any:
    """
    The type of the values, if *cls* is a ``dict`` or ``Mapping`` from strings.
    """
    arguments = get_args(cls)
    if get_origin(cls) in (dict, Mapping) and arguments[0] is str:
        return arguments[1]
    return None


def optional_of(cls: Any) -> Any:
    """
    The type that is there unless it is null, if *cls* is ``… | None``.
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
    The fields of the schema class *cls*, with types instead of their names.
    """
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(attrs.resolve_types(cls))
    return fields
