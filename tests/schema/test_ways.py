from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_agents import schema
from coder_agents.errors import DecodeError
from coder_agents.schema import (
    ServerSentEvent,
    WorkspaceAgent,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    careful,
    documents,
    fast,
    from_json,
    reading,
    shapes,
    to_json,
)
from coder_agents.schema.fields import json_name
from coder_agents.schema.generation import LONGEST_SHARED, MOST_SHARED
from coder_agents.schema.remembered import Remembered

CLASSES = [cls for name in schema.__all__ if attrs.has(cls := getattr(schema, name))]
TYPES: list[Any] = [*CLASSES, list[WorkspaceAgentLog], list[WorkspaceAgentMetadata]]

SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)

TIMES = [
    "2026-11-22T08:36:52Z",
    "2026-11-22T08:36:52.1-03:30",
    "2026-11-22T08:36:52.123456789Z",
    "2026-11-22T08:36:52.9999999Z",
    "0001-01-01T00:00:00Z",
    "2026-11-22t08:36:52z",
    "2026-11-22 08:36:52Z",
    "2026-11-22T08:36:52+0330",
    "2026-11-22T08:36:52",
    "2026-11-22",
    "2026-11-22T24:00:00Z",
    "10",
]
IDS = [
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
    "6ba7b8109dad11d180b400c04fd430c8",
    "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
    "00000000-0000-0000-0000-000000000000",
]
NUMBERS = st.integers() | st.sampled_from(
    [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400, 0, 1, True, 1.0, -0.0, 1e300, 0.5]
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
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20),
        UUID: st.sampled_from(IDS[:2]) | st.uuids().map(str),
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
        return st.none() | st.sampled_from(TIMES[:5])
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
    *text* with a field before some of the others: one that nobody knows, or that comes again.
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
    return value, repr(value)


def refused_or_same(text: bytes, cls: Any) -> None:
    """
    Hold that msgspec's way refuses *text* or reads what the standard library's way reads.
    """
    careful_way = outcome(lambda: careful.read(documents.parse(text), cls, "$"))
    way = fast.reading(cls)
    try:
        value = way.make(way.decode(text))
    except fast.REFUSALS:
        return
    assert (value, repr(value)) == careful_way


@pytest.mark.parametrize("piece", [1 << 16, 30])
@pytest.mark.parametrize("cls", TYPES)
def test_every_way_has_the_same_result_or_the_same_error(
    cls: Any, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever comes, proper or not, in a piece or in many: the objects of the careful reader, or
    its very error.
    """
    monkeypatch.setattr(reading, "_PIECE", piece)

    @SLOW
    @given(texts(cls))
    def holds(text: bytes) -> None:
        expected = outcome(lambda: careful.read(documents.parse(text), cls, "$"))
        assert outcome(lambda: from_json(text, cls)) == expected
        refused_or_same(text, cls)

    holds()


ODD: list[Any] = [
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
def test_an_odd_value_in_any_field_is_read_alike(cls: Any) -> None:
    """
    Every field of every class, with each value that is nearly right.
    """
    for field in shapes.resolved_fields(cls):
        for odd in ODD:
            text = json.dumps({json_name(field): odd}).encode()
            expected = outcome(lambda: careful.read(documents.parse(text), cls, "$"))  # noqa: B023
            assert outcome(lambda: from_json(text, cls)) == expected  # noqa: B023
            refused_or_same(text, cls)


@pytest.mark.parametrize("cls", [list[WorkspaceAgentLog], list[WorkspaceAgentMetadata]])
def test_what_the_wire_has_is_not_refused(cls: Any) -> None:
    """
    The quick ways are ways at all: no proper message takes the careful one.
    """

    @SLOW
    @given(st.lists(proper(shapes.list_item(cls)), max_size=5))
    def holds(document: Any) -> None:
        text = json.dumps(document).encode()
        quick = fast.reading(cls)
        assert quick.make(quick.decode(text)) == careful.read(documents.parse(text), cls, "$")

    holds()


def chosen(text: bytes, choose: reading.Choose) -> list[WorkspaceAgentLog]:
    """
    The lines of *text* that *choose* wants, if their ids are told as well.
    """
    found = reading.chosen_logs(text, choose)
    assert list(found.ids) == [log.id for log in found.logs]
    return found.logs


NESTED = b'[{"id": 1, "x": [{"id": 5},{"id": 6},{"id": 7}], "output": "},{\\"id\\": 8"},{"id": 2}]'


@pytest.mark.parametrize("piece", range(1, len(NESTED)))
def test_a_mark_inside_of_something_is_no_place_to_cut(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Objects within a line, and a text that looks like two lines, are read as what they are.
    """
    monkeypatch.setattr(reading, "_PIECE", piece)

    assert [log.id for log in from_json(NESTED, list[WorkspaceAgentLog])] == [1, 2]
    assert [log.id for log in chosen(NESTED, lambda *_: None)] == [1, 2]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was_after_a_long_list(
    enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whether it was on or off before, and also where the list was none.
    """
    text = to_json([WorkspaceAgentLog(id=n, output="x" * 50) for n in range(1, 9000)]).encode()
    switch = gc.enable if enabled else gc.disable
    switch()
    try:
        from_json(text, list[WorkspaceAgentLog])
        with pytest.raises(DecodeError):
            from_json(text[:-1], list[WorkspaceAgentLog])
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_a_long_list_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    None of which is much longer than it has to be, and that together are all of it.
    """
    text = to_json([WorkspaceAgentLog(id=n, output="x" * 50) for n in range(1, 9000)]).encode()
    pieces = reading._pieces(text)

    assert len(pieces) > 4
    assert max(map(len, pieces)) < reading._PIECE + 400
    assert [line["id"] for piece in pieces for line in json.loads(piece)] == list(range(1, 9000))
    assert len(from_json(text, list[WorkspaceAgentLog])) == 8999


def test_a_line_that_comes_twice_in_a_long_message_is_chosen_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Whoever chooses is told what was chosen of the pieces before.
    """
    monkeypatch.setattr(reading, "_PIECE", 40)
    text = lines(1, 2, 3, 1, 2, 4).replace(b"}, {", b"},{")
    assert len(reading._pieces(text)) > 2

    logs = chosen(text, lambda ids, met: [number not in met for number in ids])

    assert [log.id for log in logs] == [1, 2, 3, 4]


def lines(*ids: object) -> bytes:
    """
    The JSON of log lines with *ids*.
    """
    return json.dumps([{"id": number, "output": f"line {number}"} for number in ids]).encode()


def test_only_the_lines_that_are_chosen_are_made() -> None:
    """
    The ids of all are asked about at once, in their order.
    """
    asked: list[list[int]] = []

    def choose(ids: list[int], _: object) -> Sequence[bool]:
        asked.append(ids)
        return [number % 2 == 0 for number in ids]

    logs = chosen(lines(3, 4, 8, 9), choose)

    assert asked == [[3, 4, 8, 9]]
    assert [log.id for log in logs] == [4, 8]


def test_all_lines_are_made_where_nothing_is_chosen() -> None:
    """
    None says that all are wanted.
    """
    assert len(chosen(lines(3, 4), lambda *_: None)) == 2


def test_a_bad_line_among_the_chosen_is_named_by_its_place_in_the_message() -> None:
    """
    Not by its place among those that were chosen.
    """
    text = b'[{"id": 1}, {"id": 2}, {"id": 3, "output": 5}]'

    with pytest.raises(DecodeError) as caught:
        chosen(text, lambda ids, _: [number > 1 for number in ids])

    assert caught.value.path == "$[2].output"


def test_a_bad_line_that_is_not_chosen_is_passed_over() -> None:
    """
    It was had before, or is not wanted: it is not looked at.
    """
    text = b'[{"id": 1, "output": 5}, {"id": 2}]'

    logs = chosen(text, lambda ids, _: [number > 1 for number in ids])

    assert [log.id for log in logs] == [2]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"{}", "$"),
        (b"[5]", "$[0]"),
        (b'[{"id": 1}, {"id": "2"}]', "$[1].id"),
        (b'[{"id": true}]', "$[0].id"),
        (b'[{"id": 9223372036854775808}]', "$[0].id"),
        (b"[{}", "$"),
    ],
)
def test_what_is_no_list_of_lines_is_refused(text: bytes, path: str) -> None:
    """
    As it is by any other reader.
    """
    with pytest.raises(DecodeError) as caught:
        chosen(text, lambda ids, _: [True] * len(ids))

    assert caught.value.path == path


def test_a_line_without_an_id_has_the_id_zero() -> None:
    """
    As a missing number reads everywhere.
    """
    logs = chosen(b'[{"output": "x"}, {"id": null}]', lambda ids, _: [True] * len(ids))

    assert [log.id for log in logs] == [0, 0]


def test_a_number_of_too_many_digits_is_refused_where_nobody_asks_for_it() -> None:
    """
    As the standard library does, which reads all.
    """
    with pytest.raises(DecodeError, match="digits"):
        from_json('{"unknown": ' + "1" * 5000 + "}", WorkspaceAgentLog)


def test_digits_of_an_output_are_no_number() -> None:
    """
    A long row of them in a text is read like any other text.
    """
    text = "7" * 10_000

    assert from_json(to_json(WorkspaceAgentLog(output=text)), WorkspaceAgentLog).output == text


def test_a_text_that_is_not_utf8_is_refused_where_nobody_asks_for_it() -> None:
    """
    Every byte of a message is checked, once.
    """
    for text in (b'{"unknown": "\xff"}', b'{"id": 1, "output": "\xff", "output": ""}'):
        with pytest.raises(DecodeError, match="UTF-8"):
            from_json(text, WorkspaceAgentLog)


def test_a_field_of_a_newer_server_does_not_lead_to_the_careful_way() -> None:
    """
    What is unknown is passed over by msgspec as well.
    """
    quick = fast.reading(list[WorkspaceAgentLog])

    assert quick.make(quick.decode(b'[{"id": 1, "later": [{"id": 2}]}]'))[0].id == 1


def test_a_message_may_be_any_buffer() -> None:
    """
    Bytes, a bytearray and a memoryview of either.
    """
    for text in (b'{"id": 1}', bytearray(b'{"id": 1}'), memoryview(b'{"id": 1}')):
        assert from_json(text, WorkspaceAgentLog).id == 1


def test_what_is_made_is_of_the_class_and_frozen() -> None:
    """
    Objects are made by another way than by calling the class, and are the same.
    """
    made = from_json('{"id": 1}', WorkspaceAgentLog)

    assert type(made) is WorkspaceAgentLog
    assert made == WorkspaceAgentLog(id=1)
    assert hash(made) == hash(WorkspaceAgentLog(id=1))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.id = 2  # type: ignore[misc]


def test_metadata_descriptions_that_are_equal_are_one_object() -> None:
    """
    They come again with each value; a very long one is not held for it.
    """

    def described(script: str) -> Any:
        text = json.dumps({"description": {"key": "load", "script": script}})
        return from_json(text, WorkspaceAgentMetadata).description

    assert described("uptime") is described("uptime")
    assert described("uptime") is not described("free")
    long = "x" * LONGEST_SHARED
    assert described(long) == described(long)
    assert described(long) is not described(long)


def test_descriptions_of_one_length_are_told_apart() -> None:
    """
    They are compared with the last ones of the same length, all at once.
    """

    def described(*keys: str) -> list[str]:
        text = json.dumps([{"description": {"key": key}} for key in keys])
        items = from_json(text, list[WorkspaceAgentMetadata])
        return [item.description.key for item in items]

    for keys in [("a", "b"), ("a", "c"), ("b", "a"), ("a", "b"), ("ab", ""), ("", "ab"), ("a",)]:
        assert described(*keys) == list(keys)


def test_the_lists_of_descriptions_that_are_held_are_few_and_short() -> None:
    """
    What is long is looked up one by one, again and again.
    """
    made: list[bytes] = []

    def make(raw: bytes) -> bytes:
        made.append(raw)
        return raw

    lists = fast._Lists(Remembered(make, is_small=lambda _: False))

    def listed(*texts: bytes) -> list[Any]:
        return lists([msgspec.Raw(text) for text in texts])

    assert listed(b"1", b"2") is listed(b"1", b"2")
    assert made == [b"1", b"2"]
    long = b"1" * fast._LONGEST_LIST
    assert listed(long, b"2") == listed(long, b"2") == [long, b"2"]
    assert made == [b"1", b"2", *[long, b"2"] * 2]
    for size in range(100):
        listed(b"1" * (size + 1))
        assert len(lists._made) <= fast._MOST_LISTS


def test_what_is_remembered_is_bounded() -> None:
    """
    Past its limit it begins anew; what cannot be read and what is large is not held.
    """
    remembered = Remembered(int, limit=3, is_small=lambda text: len(text) < 5)

    for number in range(100):
        assert remembered[str(number)] == number
        assert len(remembered) <= 3
    assert remembered["12345"] == 12345
    assert "12345" not in remembered
    with pytest.raises(ValueError, match="invalid literal"):
        remembered["x"]
    assert MOST_SHARED < 1000


def test_a_reader_that_fails_shows_its_line() -> None:
    """
    What is generated has a source, so that a traceback of it can be read.
    """
    event = fast.reading(ServerSentEvent)

    with pytest.raises(AttributeError) as caught:
        event.make(None)

    assert "found.type" in str(caught.traceback[-1].statement)


def test_without_msgspec_the_standard_library_reads() -> None:
    """
    It is not asked for when the package is imported, and not needed when something is read.
    """
    program = """
import sys
sys.modules["msgspec"] = None
from coder_agents.schema import WorkspaceAgentLog, from_json, reading
assert "coder_agents.schema.fast" not in sys.modules
assert from_json('[{"id": 7}]', list[WorkspaceAgentLog])[0].id == 7
assert reading._fast() is None
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_msgspec_is_used_by_itself_where_it_is_installed() -> None:
    """
    Nothing has to be said for it, and nothing is imported before something is read.
    """
    program = """
import sys
import coder_agents
assert "msgspec" not in sys.modules
from coder_agents.schema import WorkspaceAgent, from_json
from_json("{}", WorkspaceAgent)
assert "msgspec" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_agent_is_read_alike_however_often() -> None:
    """
    Readers are generated once; a second call has the same result.
    """
    first = from_json('{"apps": [{"slug": "code"}]}', WorkspaceAgent)

    assert from_json('{"apps": [{"slug": "code"}]}', WorkspaceAgent) == first
