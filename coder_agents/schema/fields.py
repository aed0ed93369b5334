"""
Zero values and properties of the fields of schema classes.

Each field has the zero value of Go as its default. So a field that an older release does not send
has its zero value, and ``WorkspaceAgent(name="main")`` is a complete agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

import attrs

T = TypeVar("T")

Int64 = Annotated[int, "at most 64 bits"]
"""
The type of an id that is a number: an integer of at most 64 bits.
"""

NO_AGE = 9_223_372_036
"""
The age of a value that was never collected, on the wire: Go's longest duration in whole seconds.
"""

Age = Annotated[int | None, "9223372036 for None"]
"""
The type of an age in whole seconds; None for a value that was never collected.
"""

NIL_UUID = UUID(int=0)
"""
The nil UUID, which is the zero value of a UUID.
"""

SKIPPED_WHEN_EMPTY = "coder_agents.skipped_when_empty"
NAME = "coder_agents.name"
IDENTIFYING = "coder_agents.identifying"


def maybe_absent(default: T) -> T:
    """
    Return a field that the JSON skips while it has its *default*.
    """
    field: T = attrs.field(default=default, metadata={SKIPPED_WHEN_EMPTY: True})
    return field


def empty_map(*, absent: bool = False, repr: bool = True) -> Mapping[str, Any]:
    """
    Return a field for a map, empty by default; with *absent*, the JSON skips an empty map.

    Maps have no hash, so they are not part of an object's hash.
    """
    field: Mapping[str, Any] = attrs.field(
        factory=dict, hash=False, repr=repr, metadata={SKIPPED_WHEN_EMPTY: absent}
    )
    return field


def named(name: str, default: T) -> T:
    """
    Return a field that is called *name* in the JSON.
    """
    field: T = attrs.field(default=default, metadata={NAME: name})
    return field


def identifying(default: T, *, repr: bool = True) -> T:
    """
    Return a field that identifies its class: an answer without this field is not of the class.

    The *default* is for objects that are constructed in Python, and for objects inside of others.
    """
    field: T = attrs.field(default=default, repr=repr, metadata={IDENTIFYING: True})
    return field


def is_identifying(field: attrs.Attribute[Any]) -> bool:
    """
    Whether *field* identifies its class.
    """
    return bool(field.metadata.get(IDENTIFYING))


def is_skipped_when_empty(field: attrs.Attribute[Any]) -> bool:
    """
    Whether the JSON skips *field* while it has its default.
    """
    return bool(field.metadata.get(SKIPPED_WHEN_EMPTY))


def json_name(field: attrs.Attribute[Any]) -> str:
    """
    Return the name of *field* in the JSON.
    """
    return str(field.metadata.get(NAME, field.name))
