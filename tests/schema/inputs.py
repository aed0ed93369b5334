"""
Inputs for the readers: JSON that is right, nearly right, and wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import attrs
from effort import times
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from coder_agents.errors import DecodeError
from coder_agents.schema import shapes
from coder_agents.schema.fields import NO_AGE, Age, Int64, json_name

SLOW = settings(
    max_examples=times(3, 50),
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)

GOOD_TIMES = [
    "2026-11-22T08:36:52Z",
    "2026-11-22T08:36:52.116665Z",
    "2026-11-22T08:36:52.1-03:30",
    "2026-11-22T08:36:52.123456789Z",
    "2026-11-22T08:36:52.9999999Z",
    "2026-11-22T08:36:52.12345650000Z",
    "2026-11-22T08:36:52.1234564999999Z",
    "2026-11-22T08:36:52-00:00",
    "2026-11-22t08:36:52.5z",
    "2026-11-22 08:36:52Z",
    "2026-11-22T08:36:52+0130",
    "0001-01-01T00:00:00Z",
    "0001-01-01T02:00:00+02:00",
    "0001-01-01T00:00:00+02:00",
    "0001-01-01T00:00:00.0000004Z",
    "0001-01-01T00:00:00.0Z",
    "0001-01-01T00:00:00.5Z",
]
"""
Times that both readers accept.
"""
TIMES = [
    *GOOD_TIMES,
    "2026-11-22T08:36:52",
    "2026-11-22T08:36:52.116665",
    "2026-11-22",
    "2026-11-22T08:36Z",
    "2026-11-22T08:36:52,5Z",
    "2026-11-22T08:36:52.Z",
    "2026-11-22T08:36:60Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T24:00:00.5Z",
    "2026-02-29T08:36:52.5Z",
    "2026-11-22T08:36:52+01",
    "2026-11-22T08:36:52+01:60",
    "2026-11-22T08:36:52+24:00",
    "2026-11-22T08:36:52+01:30:15",
    "9999-12-31T23:59:59.9999999Z",
    "0000-12-31T23:00:00-01:00",
    "10",
]
IDS = [
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
    "6ba7b8109dad11d180b400c04fd430c8",
    "6ba7b810-9dad11d1-80b4-00c04fd430c8",
    "6ba7b8109dad-11d1-80b4-00c04fd430c8",
    "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
    "00000000-0000-0000-0000-000000000000",
]
NUMBERS = st.integers() | st.sampled_from(
    [
        NO_AGE,
        float(NO_AGE),
        2**63 - 1,
        2**63,
        -(2**63),
        -(2**63) - 1,
        10**400,
        0,
        1,
        True,
        1.0,
        -0.0,
        1e300,
        0.5,
    ]
)
TEXTS = st.sampled_from([*TIMES, *IDS, "info", "fatal", "", "é\u2028\x1b[0m\\"]) | st.text(
    max_size=6
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def proper(kind: Any) -> st.SearchStrategy[Any]:
    """
    Decoded JSON that is a *kind*.
    """
    single: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXTS,
        bool: st.booleans(),
        int: st.integers(-(2**70), 2**70),
        Int64: st.integers(-(2**63), 2**63 - 1),
        Age: st.integers(-(2**70), 2**70) | st.sampled_from([None, NO_AGE]),
        float: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20),
        UUID: st.sampled_from(IDS[:3]) | st.uuids().map(str),
        Any: ANYTHING,
    }
    if kind in single:
        return single[kind]
    if shapes.is_class(kind):
        return st.fixed_dictionaries(
            {},
            optional={
                json_name(field): proper(field.type) for field in shapes.resolved_fields(kind)
            },
        )
    if (item := shapes.list_item(kind) or shapes.tuple_item(kind)) is not None:
        return st.none() | st.lists(proper(item), max_size=3)
    if (item := shapes.map_value(kind)) is not None:
        return st.none() | st.dictionaries(TEXTS, proper(item), max_size=2)
    if "datetime" in str(kind):
        return st.none() | st.sampled_from(GOOD_TIMES)
    if "timedelta" in str(kind):
        return st.integers(-(2**63), 2**63 - 1)
    if shapes.is_enumeration(kind):
        return st.sampled_from([member.value for member in kind]) | TEXTS
    return st.none() | proper(shapes.optional_of(kind))


def places(document: Any) -> list[tuple[Any, Any]]:
    """
    Every container of *document* with every key in it.
    """
    found: list[tuple[Any, Any]] = []
    keys: Any = range(len(document)) if isinstance(document, list) else document
    if isinstance(document, (list, dict)):
        for key in keys:
            found += [(document, key), *places(document[key])]
    return found


def with_more_fields(draw: st.DrawFn, text: bytes, cls: Any) -> bytes:
    """
    *text* with a field before some of the others: an unknown one, or one that comes again.
    """
    names = [json_name(field) for field in shapes.resolved_fields(shapes.list_item(cls) or cls)]
    name = draw(st.sampled_from(["later", *names])).encode()
    value = draw(
        st.sampled_from(
            [
                b"1",
                b'"x"',
                b"{}",
                b"null",
                b'"\xff"',
                b'"\\ud800"',
                b"[[1]]",
                b"1" * 5000,
                b"01",
                b"",
            ]
        )
    )
    field = b'{"%s": %s, "later": 1' % (name, value)
    return text.replace(b"{", field + b", ", draw(st.integers(1, 3))).replace(b", }", b"}")


@st.composite
def texts(draw: st.DrawFn, cls: Any) -> bytes:
    """
    JSON of *cls*, most often with something in it that is not.
    """
    document = json.loads(json.dumps(draw(proper(cls))))
    for _ in range(draw(st.integers(0, 2))):
        spots = places(document)
        if spots:
            container, key = draw(st.sampled_from(spots))
            container[key] = draw(ANYTHING)
    text = json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        text = with_more_fields(draw, text, cls)
    if draw(st.booleans()):
        return text
    at = draw(st.integers(0, len(text)))
    junk = st.sampled_from(
        [b"\\ud800", b"\xff", b"\n", b"\x01", b"1e999", b"NaN", b"00", b",", b'"']
    )
    return text[:at] + draw(junk | st.binary(max_size=3)) + text[at + draw(st.integers(0, 3)) :]


def outcome(read: Callable[[], object]) -> tuple[object, ...]:
    """
    What *read* returns, in a form that tells a bool from an integer, or how it fails.
    """
    try:
        value = read()
    except DecodeError as error:
        return str(error), error.path, error.wanted, error.found
    return value, detailed(value)


def detailed(value: object) -> str:
    """
    Return *value* with every field and every type that it has: its `repr` skips defaults and types.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(detailed, value))}]"
    return repr(attrs.asdict(value)) if attrs.has(type(value)) else repr(value)  # type: ignore[arg-type]
