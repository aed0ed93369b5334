"""
The readers agree: msgspec's, the generated ones and the validating one.
"""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from effort import times
from hypothesis import given
from hypothesis import strategies as st
from schema.inputs import GOOD_TIMES, IDS, SLOW, TIMES, detailed, outcome, proper, texts

from coder_agents import schema
from coder_agents.errors import DecodeError
from coder_agents.schema import (
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPortsResponse,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    documents,
    from_json,
    reading,
    shapes,
    to_json,
    validating,
    with_msgspec,
)
from coder_agents.schema.fields import json_name
from coder_agents.schema.logs import LogLineID

pytestmark = pytest.mark.unmeasured

CLASSES = [cls for name in schema.__all__ if attrs.has(cls := getattr(schema, name))]
LISTS: list[Any] = [list[WorkspaceAgentLog], list[WorkspaceAgentMetadata], list[LogLineID]]
DIRECT: list[Any] = [
    *LISTS,
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPortsResponse,
]


def validated(text: bytes, cls: Any) -> tuple[object, ...]:
    """
    The outcome of the validating reader.
    """
    return outcome(lambda: validating.read(documents.parse(text), cls, "$"))


def identified(text: bytes, cls: Any) -> object:
    """
    What the validating reader reads, where that has what identifies a *cls*.
    """
    made = validating.read(documents.parse(text), cls, "$")
    reading.require_identity(made, text, cls)
    return made


def agree(text: bytes, cls: Any, piece: int = reading.PIECE) -> None:
    """
    Hold that `from_json` does what the validating reader does, and msgspec the same or refuses.
    """
    expected = validated(text, cls)
    made = outcome(lambda: reading.decode(text, cls, piece=piece))
    assert made == outcome(lambda: identified(text, cls))
    read = with_msgspec.reader(cls)
    assert read is not None
    try:
        value = read(text)
    except with_msgspec.REFUSALS:
        return
    assert (value, detailed(value)) == expected


@pytest.mark.parametrize(
    ("cls", "piece"), [*((cls, 1 << 16) for cls in CLASSES), *((cls, 30) for cls in LISTS)]
)
def test_every_reader_has_the_same_result_or_the_same_error(cls: Any, piece: int) -> None:
    """
    This holds for right and wrong text, in one piece or in several.
    """

    @SLOW
    @given(texts(cls))
    def holds(text: bytes) -> None:
        agree(text, cls, piece)

    holds()


UNEXPECTED: list[Any] = [
    2**63,
    -(2**63) - 1,
    2**63 - 1,
    True,
    1.0,
    10**400,
    "1",
    None,
    [],
    {},
    *TIMES,
    *IDS,
]


@pytest.mark.parametrize("cls", CLASSES)
def test_an_unexpected_value_in_any_field_is_read_alike(cls: Any) -> None:
    """
    Every field of every class, with each value that is nearly right.

    Fields of one type are read by the same code; the ordinary suite takes one of each.
    """
    fields = list(shapes.resolved_fields(cls))
    one_of_each = list({repr(field.type): field for field in fields}.values())
    for field in times(one_of_each, fields):
        for value in UNEXPECTED:
            agree(json.dumps({json_name(field): value}).encode(), cls)


@pytest.mark.measured
@pytest.mark.parametrize("others", times([0, 4], [0, 3, 4, 30]))
def test_an_unexpected_value_among_good_ones_is_read_alike(others: int) -> None:
    """
    This holds in lists that are checked item by item and all at once, at either end.
    """
    for value in UNEXPECTED:
        for name in ("id", "created_at", "source_id", "level"):
            good = [{"id": n, "created_at": f"2026-11-22T08:36:{n:02}.5Z"} for n in range(others)]
            for lines in ([*good, {name: value}], [{name: value}, *good]):
                text = json.dumps(lines).encode()
                agree(text, list[WorkspaceAgentLog])
                agree(text, list[LogLineID])
        item = {"result": {"collected_at": value}}
        fresh = [{"result": {"collected_at": f"2026-11-22T08:36:{n:02}Z"}} for n in range(others)]
        agree(json.dumps([*fresh, item]).encode(), list[WorkspaceAgentMetadata])


@pytest.mark.measured
@given(st.lists(st.sampled_from(TIMES) | st.none(), max_size=8))
def test_any_times_together_are_read_alike(times: list[str | None]) -> None:
    """
    Zero times, null, times without a zone and good ones, in logs, metadata and containers.
    """
    logs = json.dumps([{"created_at": time} for time in times]).encode()
    agree(logs, list[WorkspaceAgentLog])
    items = json.dumps([{"result": {"collected_at": time}} for time in times]).encode()
    agree(items, list[WorkspaceAgentMetadata])
    containers = {
        "containers": [{"created_at": time} for time in times[::2]],
        "devcontainers": [{"container": {"created_at": time}} for time in times[1::2]] + [{}],
    }
    agree(json.dumps(containers).encode(), WorkspaceAgentListContainersResponse)


@pytest.mark.parametrize("cls", DIRECT)
def test_what_a_deployment_sends_is_not_refused(cls: Any) -> None:
    """
    No right message takes the way over the validating reader.
    """

    @SLOW
    @given(proper(cls))
    def holds(document: Any) -> None:
        text = json.dumps(without_null_lists(document, cls)).encode()
        read = with_msgspec.reader(cls)
        assert read is not None
        value = read(text)
        assert (value, detailed(value)) == validated(text, cls)

    holds()


def without_null_lists(document: Any, cls: Any) -> Any:
    """
    *document* without null for a list or a map, which only agents and workspaces have.
    """
    if (item := shapes.list_item(cls) or shapes.tuple_item(cls)) is not None:
        return [without_null_lists(found, item) for found in document or []]
    if shapes.map_value(cls) is not None:
        return document or {}
    cls = shapes.optional_of(cls) or cls
    if not shapes.is_class(cls) or document is None:
        return document
    kinds = {json_name(field): field.type for field in shapes.resolved_fields(cls)}
    return {name: without_null_lists(found, kinds[name]) for name, found in document.items()}


@pytest.mark.parametrize("time", GOOD_TIMES)
def test_every_form_of_a_time_is_read_by_msgspec(time: str) -> None:
    """
    What is agreed on is not only that a form is refused.
    """
    read = with_msgspec.reader(list[WorkspaceAgentLog])
    assert read is not None
    text = json.dumps([{"created_at": time}]).encode()
    assert (read(text), detailed(read(text))) == validated(text, list[WorkspaceAgentLog])


@pytest.mark.parametrize("cls", [list[WorkspaceAgentLog], list[WorkspaceAgentMetadata]])
def test_an_unknown_field_is_not_validated(cls: Any) -> None:
    """
    What a newer server adds may be anything that is JSON, also a number of too many digits.
    """
    for value in (b"1" * 5000, b"-" + b"1" * 5000, b"1e999", b'"\\ud800"', b"[[{}]]", b"null"):
        text = b'[{"later": %s}]' % value
        assert from_json(text, cls) == from_json(b"[{}]", cls)
        agree(text, cls)


@pytest.mark.measured
@pytest.mark.parametrize(
    "text",
    [
        b'[{"unknown": "\xff"}]',
        b'[{"\xff": 1}]',
        b'[{"id": 1, "output": "\xff", "output": ""}]',
        b'[{"unknown": "\xed\xa0\x80"}]',
    ],
)
def test_bytes_that_are_not_utf8_are_refused_in_unknown_fields_as_well(text: bytes) -> None:
    """
    The text is UTF-8 as a whole, or it is not JSON.
    """
    for cls in LISTS:
        with pytest.raises(DecodeError, match="UTF-8"):
            from_json(text, cls)


@pytest.mark.parametrize(
    "value", [b'"\\q"', b'"\x01"', b"01", b"NaN", b"[1,]", b'{"a" 1}', b"+1", b".5", b"1.", b"tru"]
)
def test_what_is_not_json_is_refused_in_unknown_fields_as_well(value: bytes) -> None:
    """
    A field that nobody reads does not make wrong syntax right.
    """
    for cls in LISTS:
        text = b'[{"later": %s}]' % value
        with pytest.raises(DecodeError) as caught:
            from_json(text, cls)
        assert caught.value.wanted == "JSON"
        agree(text, cls)


def test_a_zero_time_is_cleared_in_its_own_object_alone() -> None:
    """
    The object that stands for a missing result is shared by all, and stays as it is.
    """
    text = json.dumps([{"result": {"collected_at": TIMES[11]}}, {}] * 4).encode()
    assert from_json(text, list[WorkspaceAgentMetadata]) == [WorkspaceAgentMetadata()] * 8
    assert WorkspaceAgentMetadata().result.collected_at is None


@pytest.mark.measured
@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_ids_have_64_bits_and_other_integers_any_width(count: int) -> None:
    """
    An id names a place in a bookmark; an age is only a number.
    """
    for number in (2**63, -(2**63) - 1):
        lines = [{"id": n, "created_at": TIMES[1]} for n in [1] * (count - 1) + [number]]
        with pytest.raises(DecodeError) as caught:
            from_json(json.dumps(lines), list[WorkspaceAgentLog])
        assert caught.value.path == f"$[{count - 1}].id"
        assert caught.value.wanted == "an integer of at most 64 bits"
        items = from_json(
            json.dumps([{"result": {"age": number}}] * count), list[WorkspaceAgentMetadata]
        )
        assert {item.result.age for item in items} == {number}


def test_digits_of_an_output_are_no_number() -> None:
    """
    A long row of them in a text is read like any other text.
    """
    text = "7" * 10_000

    assert from_json(to_json(WorkspaceAgentLog(output=text)), WorkspaceAgentLog).output == text
