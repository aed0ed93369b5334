"""
Long lists, ids alone, and what is so whichever reader reads.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents.errors import DecodeError
from coder_agents.schema import (
    WorkspaceAgent,
    WorkspaceAgentLog,
    documents,
    from_json,
    generated,
    to_json,
)
from coder_agents.schema.converter import converter
from coder_agents.schema.reading import decode, log_ids, pieces

pytestmark = pytest.mark.unmeasured

LONG = to_json([WorkspaceAgentLog(id=n, output="x" * 50) for n in range(1, 9000)]).encode()
NESTED = b'[{"id": 1, "x": [{"id": 5},{"id": 6},{"id": 7}], "output": "},{\\"id\\": 8"},{"id": 2}]'


def test_a_mark_inside_of_something_is_no_place_to_cut() -> None:
    """
    Objects within a line, and a text that looks like two lines, are read as what they are.
    """
    for piece in range(1, len(NESTED)):
        lines = decode(NESTED, list[WorkspaceAgentLog], piece=piece)
        ids = log_ids(NESTED, piece=piece)
        assert [log.id for log in lines] == ids == [1, 2], f"pieces of {piece}"


def test_pieces_are_the_list_or_one_of_them_is_refused() -> None:
    """
    A wrong cut never looks like a list of other lines.
    """
    for piece in range(1, len(NESTED)):
        parts = pieces(NESTED, piece=piece)
        try:
            found = [number for part in parts for number in log_ids(part)]
        except DecodeError:
            found = log_ids(NESTED)
        assert found == [1, 2], f"pieces of {piece}"


def test_a_long_list_is_cut_into_lists_of_128_kilobytes() -> None:
    """
    None of which is much longer than it has to be, and that together are all of it.
    """
    parts = pieces(LONG)

    assert len(parts) > 4
    assert max(map(len, parts)) < 131_072 + 400
    assert [line["id"] for part in parts for line in json.loads(part)] == list(range(1, 9000))
    assert [number for part in parts for number in log_ids(part)] == list(range(1, 9000))
    assert [log.id for log in from_json(LONG, list[WorkspaceAgentLog])] == list(range(1, 9000))


@pytest.mark.parametrize(
    "text", [b"[]", b'[{"id": 1},{"id": 2}]', b"[1," + b"1," * 200_000 + b"1]", b" " * 300_000]
)
def test_what_is_short_or_begins_in_another_way_is_returned_whole(text: bytes) -> None:
    """
    The caller reads it as it would have.
    """
    assert pieces(text) == [text]


def test_a_wrong_line_of_a_long_list_is_named_by_its_place_in_all_of_it() -> None:
    """
    The error does not count from the beginning of a piece.
    """
    text = LONG[:-2] + b',"level":5}]'

    with pytest.raises(DecodeError) as caught:
        from_json(text, list[WorkspaceAgentLog])

    assert caught.value.path == "$[8998].level"


@pytest.mark.measured
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was_after_a_long_list(enabled: bool) -> None:
    """
    It is so whether it was on or off before, and also where the list was none.
    """
    switch = gc.enable if enabled else gc.disable
    switch()
    try:
        from_json(LONG, list[WorkspaceAgentLog])
        with pytest.raises(DecodeError):
            from_json(LONG[:-1], list[WorkspaceAgentLog])
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (b"null", []),
        (b"[]", []),
        (b"[{}]", [0]),
        (b'[{"output": "x"}, {"id": null}, null]', [0, 0, 0]),
        (b'[{"id": 3}, {"id": 1}, {"id": 3}]', [3, 1, 3]),
        (b'[{"id": 9223372036854775807}, {"id": -9223372036854775808}]', [2**63 - 1, -(2**63)]),
        (b'[{"output": 5, "created_at": "soon", "id": 7}]', [7]),
    ],
)
def test_ids_are_read_in_their_order_and_nothing_else_is(text: bytes, ids: list[int]) -> None:
    """
    Null and a missing id are 0, as a missing number is everywhere.
    """
    assert log_ids(text) == ids


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"{}", "$"),
        (b"[5]", "$[0]"),
        (b'[{"id": 1}, {"id": "2"}]', "$[1].id"),
        (b'[{"id": true}]', "$[0].id"),
        (b'[{"id": 1.0}]', "$[0].id"),
        (b'[{"id": 9223372036854775808}]', "$[0].id"),
        (b"[{}", "$"),
        (b'[{"output": "\xff"}]', "$"),
    ],
)
def test_ids_are_refused_where_the_lines_would_be(text: bytes, path: str) -> None:
    """
    The error names the same place, and wants the same there.
    """
    with pytest.raises(DecodeError) as caught:
        log_ids(text)
    with pytest.raises(DecodeError) as other:
        from_json(text, list[WorkspaceAgentLog])

    assert caught.value.path == other.value.path == path


@given(st.lists(st.sampled_from([None, 0, 7, -(2**63), 2**63, True, 1.0, "1"]) | st.integers()))
def test_ids_are_those_of_the_lines_or_refused_like_them(ids: list[object]) -> None:
    """
    This holds whatever stands where an id belongs.
    """
    text = json.dumps([{"id": number} for number in ids]).encode()

    def outcome(read: Callable[[], list[int]]) -> object:
        try:
            return read()
        except DecodeError as error:
            return error.path, error.found

    expected = outcome(lambda: [log.id for log in from_json(text, list[WorkspaceAgentLog])])
    assert outcome(lambda: log_ids(text)) == expected


def test_equal_times_of_a_list_are_one_object_without_msgspec(way: str) -> None:
    """
    A batch has one time, which is read once; times in between are told apart.
    """
    times = ["2026-11-22T08:36:52.5Z", "2026-11-22T08:36:53.25Z", "2026-11-22T08:36:54Z"]
    moments = [
        datetime(2026, 11, 22, 8, 36, 52, 500_000, UTC),
        datetime(2026, 11, 22, 8, 36, 53, 250_000, UTC),
        datetime(2026, 11, 22, 8, 36, 54, tzinfo=UTC),
    ]
    for order in ([0] * 9, [0, 1] * 5, [0, 1, 2] * 3, [2, 1, 0, 1, 0]):
        whole = json.loads(to_json(WorkspaceAgentLog()))
        text = json.dumps([{**whole, "created_at": times[at]} for at in order])
        logs = from_json(text, list[WorkspaceAgentLog])
        assert [log.created_at for log in logs] == [moments[at] for at in order]
        if way == "json":
            assert len({id(log.created_at) for log in logs}) == len(set(order))


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


def test_a_reader_that_fails_shows_its_line() -> None:
    """
    What is generated has a source, so that a traceback of it can be read.
    """
    readers = generated.class_readers(WorkspaceAgentLog, converter.get_structure_hook)

    class Broken(dict[str, object]):
        def __getitem__(self, key: str) -> object:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        readers.one(Broken())

    assert "v0 = found['id']" in str(caught.traceback[-2].statement)


def test_an_error_of_a_document_does_not_depend_on_its_digits() -> None:
    """
    Only the number itself is refused where it is one of too many digits.
    """
    assert documents.parse('{"a": %s, "b": 12}' % ("1" * 5000)) == {"a": float("inf"), "b": 12}


@pytest.mark.measured
@pytest.mark.parametrize("way", ["json"], indirect=True, ids=["in a process of its own"])
def test_without_msgspec_the_standard_library_reads() -> None:
    """
    It is not asked for when the package is imported, and not needed when something is read.
    """
    program = """
import sys
sys.modules["msgspec"] = None
from coder_agents.schema import WorkspaceAgentLog, from_json, reading
assert "coder_agents.schema.with_msgspec" not in sys.modules
assert from_json('[{"id": 7}]', list[WorkspaceAgentLog])[0].id == 7
assert reading._with_msgspec() is None
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("way", ["json"], indirect=True, ids=["in a process of its own"])
def test_msgspec_is_used_by_itself_where_it_is_installed() -> None:
    """
    Nothing has to be said for it, and nothing is imported before something is read.
    """
    program = """
import sys
import coder_agents
assert "msgspec" not in sys.modules
from coder_agents.schema import WorkspaceAgent, from_json
from_json('{"id": "50901c6b-cb02-4e41-9d62-1481d4c63f0e"}', WorkspaceAgent)
assert "msgspec" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_agent_is_read_alike_however_often() -> None:
    """
    Readers are generated once; a second call has the same result.
    """
    text = '{"id": "50901c6b-cb02-4e41-9d62-1481d4c63f0e", "apps": [{"slug": "code"}]}'
    first = from_json(text, WorkspaceAgent)

    assert from_json(text, WorkspaceAgent) == first
