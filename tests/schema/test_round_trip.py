from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import attrs
import pytest
from effort import times
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_agents import schema
from coder_agents.schema import from_json, shapes, to_dict, to_json, validating
from coder_agents.schema.fields import NO_AGE, Age, Int64

pytestmark = pytest.mark.unmeasured

CLASSES = [cls for name in schema.__all__ if attrs.has(cls := getattr(schema, name))]

ZERO = datetime(1, 1, 1, tzinfo=UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TEXT = st.text(max_size=8)

SINGLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(-(2**70), 2**70),
    Int64: st.integers(-(2**63), 2**63 - 1),
    Age: st.none() | st.integers(-(2**70), 2**70).filter(lambda age: age != NO_AGE),
    float: st.floats(allow_nan=False, allow_infinity=False),
    UUID: st.uuids(),
    timedelta: st.integers(-(2**53), 2**53).map(lambda count: timedelta(microseconds=count)),
    datetime | None: st.none() | st.datetimes(timezones=OFFSETS).filter(lambda at: at != ZERO),
    Any: st.recursive(st.none() | st.booleans() | TEXT, st.lists, max_leaves=3),
}


def strategy(cls: Any) -> st.SearchStrategy[Any]:
    """
    Values of *cls*: every field filled, lists and maps with up to two items.
    """
    if cls in SINGLE:
        return SINGLE[cls]
    if shapes.is_enumeration(cls):
        return st.sampled_from(cls) | TEXT.map(cls)
    if shapes.is_class(cls):
        fields = {field.name: strategy(field.type) for field in shapes.resolved_fields(cls)}
        return st.builds(cls, **fields)
    if (item := shapes.tuple_item(cls)) is not None:
        return st.lists(strategy(item), max_size=2).map(tuple)
    if (item := shapes.map_value(cls)) is not None:
        return st.dictionaries(TEXT, strategy(item), max_size=2)
    return st.none() | strategy(shapes.optional_of(cls))


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_survives_a_round_trip(cls: Any) -> None:
    """
    What is written reads as it was, by the readers of both kinds.
    """

    @settings(
        max_examples=times(2, 30),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(strategy(cls))
    def holds(value: Any) -> None:
        text = to_json(value)
        assert from_json(text, cls) == value
        assert from_json(text.encode(), cls) == value
        assert validating.read(json.loads(text), cls, "$") == value
        assert to_json(from_json(text, cls)) == text
        assert to_dict(value) == json.loads(text)

    holds()
