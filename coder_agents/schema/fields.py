"""
What the schema classes have in common: zero values, and how a field is written.

Every field has a default, the zero value it has in Go, so that what an older release does
not send reads as that, and so that ``WorkspaceAgent(name="main")`` is a whole agent.
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
The age on the wire of what never was: the whole seconds of Go's longest duration.
"""

Age = Annotated[int | None, "9223372036 for None"]
"""
The type of an age in whole seconds, None for what never was.
"""

NIL_UUID = UUID(int=0)
"""
The UUID of nothing: what a UUID that was not sent reads as.
"""

SKIPPED_WHEN_EMPTY = "coder_agents.skipped_when_empty"
NAME = "coder_agents.name"
IDENTIFYING = "coder_agents.identifying"


def maybe_absent(default: T) -> T:
    """
    A field that is left out of the JSON while it has its *default*.
    """
    field: T = attrs.field(default=default, metadata={SKIPPED_WHEN_EMPTY: True})
    return field


def empty_map(*, absent: bool = False) -> Mapping[str, Any]:
    """
    A field that is a map, empty by default; left out of the JSON then if *absent*.

    Maps do not count in an object's hash, for they have none.
    """
    field: Mapping[str, Any] = attrs.field(
        factory=dict, hash=False, metadata={SKIPPED_WHEN_EMPTY: absent}
    )
    return field


def named(name: str, default: T) -> T:
    """
    A field whose *name* in the JSON is not the one it has here.
    """
    field: T = attrs.field(default=default, metadata={NAME: name})
    return field


def identifying(default: T, *, repr: bool = True) -> T:
    """
    A field without which an answer is not of this class: it has to be in the JSON of one.

    The *default* is for objects that are made in Python, and for objects inside of others.
    """
    field: T = attrs.field(default=default, repr=repr, metadata={IDENTIFYING: True})
    return field


def is_identifying(field: attrs.Attribute[Any]) -> bool:
    """
    Whether an answer without *field* is not of its class.
    """
    return bool(field.metadata.get(IDENTIFYING))


def is_skipped_when_empty(field: attrs.Attribute[Any]) -> bool:
    """
    Whether the JSON does without *field* while it has its default.
    """
    return bool(field.metadata.get(SKIPPED_WHEN_EMPTY))


def json_name(field: attrs.Attribute[Any]) -> str:
    """
    What *field* is called in the JSON.
    """
    return str(field.metadata.get(NAME, field.name))
