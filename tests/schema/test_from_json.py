from __future__ import annotations

import json
import sys
import tracemalloc
from contextlib import suppress
from datetime import timedelta
from typing import Any, get_origin
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_agents import schema
from coder_agents.errors import DecodeError
from coder_agents.schema import (
    NIL_UUID,
    BuildInfoResponse,
    DERPRegion,
    Healthcheck,
    IssueReconnectingPTYSignedTokenRequest,
    LogLevel,
    Response,
    ServerSentEvent,
    WorkspaceAgent,
    WorkspaceAgentListeningPort,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    WorkspaceAgentMetadataResult,
    WorkspaceAgentScript,
    WorkspaceApp,
    WorkspacesResponse,
    converter,
    documents,
    from_json,
    scalars,
    shapes,
    structures,
    to_json,
    validating,
    with_msgspec,
)
from coder_agents.schema.fields import NO_AGE, Age, Int64, is_identifying, json_name

SOME = UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
CLASSES = [cls for name in schema.__all__ if attrs.has(cls := getattr(schema, name))]


def identifying_names(cls: Any) -> list[str]:
    """
    The names of the fields that have to be in the JSON of a *cls*.
    """
    if not shapes.is_class(cls):
        return []
    return [json_name(field) for field in shapes.resolved_fields(cls) if is_identifying(field)]


def values_that_identify(cls: Any) -> list[str]:
    """
    Those of them that are no lists.
    """
    fields = shapes.resolved_fields(cls) if shapes.is_class(cls) else ()
    scalar = [json_name(field) for field in fields if field.type in scalars.SCALARS]
    return [name for name in identifying_names(cls) if name in scalar]


def refusal(text: str | bytes, cls: type) -> DecodeError:
    """
    The error that reading *text* as *cls* raises, if it keeps the rules for all of them.
    """
    with pytest.raises(DecodeError) as caught:
        from_json(text, cls)
    error = caught.value
    assert str(error) == f"{error.path}: wanted {error.wanted}, found {error.found}"
    assert 0 < len(error.found) <= 80
    assert error.found.isascii()
    assert error.found.isprintable()
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def full(cls: Any) -> Any:
    """
    A JSON document of *cls* in which every field is there and every list has an item.
    """
    if shapes.is_class(cls):
        return {json_name(field): full(field.type) for field in shapes.resolved_fields(cls)}
    if (item := shapes.list_item(cls) or shapes.tuple_item(cls)) is not None:
        return [full(item)]
    if (item := shapes.map_value(cls)) is not None:
        return {'New "York"': full(item)}
    single = {str: "x", int: 7, bool: True, float: 0.5, UUID: str(SOME), timedelta: 9000, Any: {}}
    if cls in single or cls in (Int64, Age):
        return single.get(cls, 7)
    inner = shapes.optional_of(cls)
    if inner is not None:
        return "2026-11-22T08:36:52.5Z" if "datetime" in str(inner) else full(inner)
    return next(iter(cls)).value


def places(cls: Any, document: Any, path: str = "$") -> Any:
    """
    Each place in *document*: its path, and a function that puts something else there.
    """
    inner = shapes.optional_of(cls)
    if inner is not None and shapes.is_class(inner):
        cls = inner
    if shapes.is_class(cls):
        for field in shapes.resolved_fields(cls):
            name = json_name(field)
            yield f"{path}.{name}", document, name, field.type
            yield from places(field.type, document[name], f"{path}.{name}")
    elif (item := shapes.list_item(cls) or shapes.tuple_item(cls)) is not None:
        for index, found in enumerate(document):
            yield f"{path}[{index}]", document, index, item
            yield from places(item, found, f"{path}[{index}]")
    elif (item := shapes.map_value(cls)) is not None:
        for key, found in document.items():
            yield f"{path}[{json.dumps(key)}]", document, key, item
            yield from places(item, found, f"{path}[{json.dumps(key)}]")


def zero(kind: Any) -> Any:
    """
    The zero value of *kind*.
    """
    if kind is Any or kind == Age or shapes.optional_of(kind) is not None:
        return None
    if kind in (UUID, Int64):
        return NIL_UUID if kind is UUID else 0
    if shapes.is_enumeration(kind):
        return kind("")
    return {} if shapes.map_value(kind) is not None else (get_origin(kind) or kind)()


def attribute(value: Any, key: Any) -> Any:
    """
    What *value* has under the name *key* of the wire, or at that index.
    """
    if not attrs.has(type(value)):
        return value[key]
    names = {json_name(field): field.name for field in attrs.fields(type(value))}
    return getattr(value, names[key])


@pytest.mark.parametrize("cls", [*CLASSES, list[WorkspaceAgentLog], dict[str, DERPRegion]])
def test_a_wrong_type_anywhere_is_named_by_its_path(cls: Any) -> None:
    """
    At every place of a full document, what does not belong there is found and said.
    """
    document = full(cls)
    from_json(json.dumps(document), cls)

    for path, parent, key, wanted in places(cls, document):
        if wanted is Any:
            continue
        kept, parent[key] = parent[key], {} if isinstance(parent[key], list) else [1]
        error = refusal(json.dumps(document), cls)
        parent[key] = kept
        assert error.path == path
        assert error.found in ("{}", "[1]")


@pytest.mark.parametrize("cls", [*CLASSES, list[WorkspaceAgentLog], dict[str, DERPRegion]])
def test_null_anywhere_is_the_zero_value(cls: Any) -> None:
    """
    Null leaves a field, an item or a whole document at zero, for both readers, as in Go.

    What identifies an object has to be there.
    """
    required = values_that_identify(cls)
    if not identifying_names(cls):
        assert from_json("null", cls) == zero(cls)

    document = full(cls)
    for _, parent, key, kind in list(places(cls, document)):
        if parent is document and key in required:
            continue
        kept, parent[key] = parent[key], None
        read = from_json(json.dumps(document), cls)
        assert validating.read(document, cls, "$") == read
        if parent is document:
            assert attribute(read, key) == zero(kind)
        parent[key] = kept


@pytest.mark.parametrize(
    ("cls", "text", "wanted"),
    [
        (str, "5", "a string"),
        (str, "true", "a string"),
        (bool, "1", "true or false"),
        (bool, '"true"', "true or false"),
        (int, "true", "an integer"),
        (int, "1.0", "an integer"),
        (int, "1e3", "an integer"),
        (int, '"1"', "an integer"),
        (int, "1" * 5000, "an integer"),
        (timedelta, str(2**63), "a duration in nanoseconds"),
        (timedelta, str(-(2**63) - 1), "a duration in nanoseconds"),
        (float, "true", "a number"),
        (float, '"0.5"', "a number"),
        (float, "1e999", "a number"),
        (float, "1" + "0" * 400, "a number"),
        (UUID, '""', "a UUID"),
        (UUID, '"50901c6bcb02-4e41-9d62-1481d4c63f0e"', "a UUID"),
        (UUID, '"{50901c6b-cb02-4e41-9d62-1481d4c63f0e}"', "a UUID"),
        (UUID, '"5_901c6b-cb02-4e41-9d62-1481d4c63f0e"', "a UUID"),
        (UUID, "5", "a UUID"),
        (timedelta, "1.5", "a duration in nanoseconds"),
        (LogLevel, "5", "a string (LogLevel)"),
        (list[int], "{}", "a list"),
        (list[int], '"abc"', "a list"),
        (tuple[int, ...], "{}", "a list"),
        (dict[str, int], "[]", "an object"),
        (Healthcheck, '"url"', "an object (Healthcheck)"),
        (Healthcheck, "[]", "an object (Healthcheck)"),
    ],
)
def test_types_are_not_mixed(cls: type, text: str, wanted: str) -> None:
    """
    What Go would not take is not taken, and the error says what was wanted.
    """
    error = refusal(text, cls)

    assert (error.path, error.wanted) == ("$", wanted)


@pytest.mark.parametrize(
    ("cls", "text", "value"),
    [
        (int, str(2**63 - 1), 2**63 - 1),
        (int, str(-(2**63)), -(2**63)),
        (float, "5", 5.0),
        (UUID, '"50901C6B-CB02-4E41-9D62-1481D4C63F0E"', SOME),
        (UUID, "null", NIL_UUID),
        (timedelta, "60000000000", timedelta(minutes=1)),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (list[UUID], "[null]", [NIL_UUID]),
        (bool, "true", True),
        (list[LogLevel], '["info", "fatal"]', ["info", "fatal"]),
    ],
)
def test_what_fits_is_read(cls: type[Any], text: str, value: object) -> None:
    """
    Single values and collections of them can be asked for as well as schema classes.
    """
    read = from_json(text, cls)

    assert read == value
    assert type(read) is type(value)


def test_a_time_without_a_zone_is_refused_with_its_place() -> None:
    """
    The error says that a zone is wanted.
    """
    error = refusal('[{}, {"created_at": "2026-11-22T08:36:52"}]', list[WorkspaceAgentLog])

    assert error.path == "$[1].created_at"
    assert error.wanted == "a time with its zone (RFC 3339)"
    assert error.found == '"2026-11-22T08:36:52"'
    assert refusal('{"created_at": 5}', WorkspaceAgentLog).found == "5"


def test_the_first_of_several_faults_is_named() -> None:
    """
    The first is the first in the order of fields and items.
    """
    text = '{"apps": [{}, {"slug": 1}, {"health": 2}], "name": 3}'

    assert refusal(text, WorkspaceAgent).path == "$.name"
    assert refusal(text.replace("3", '"x"'), WorkspaceAgent).path == "$.apps[1].slug"


def test_a_long_key_is_cut_in_the_path() -> None:
    """
    A path stays short whatever a map has for keys.
    """
    error = refusal(json.dumps({"latency": {"k" * 500: 1}}), WorkspaceAgent)

    assert error.path == f'$.latency["{"k" * 40}..."]'


def test_unknown_fields_are_ignored_and_missing_ones_are_zero() -> None:
    """
    Newer deployments send more, older ones less.
    """
    port = from_json('{"port": 80, "colour": ["blue"]}', WorkspaceAgentListeningPort)

    assert port == WorkspaceAgentListeningPort(port=80)


def test_of_a_field_that_comes_twice_the_last_is_taken() -> None:
    """
    Most readers of JSON do the same.
    """
    assert from_json('{"port": 80, "port": 81}', WorkspaceAgentListeningPort).port == 81


def test_names_of_the_wire_and_of_python_may_differ() -> None:
    """
    ``agentID`` is `agent_id`, and ``agent_id`` on the wire is unknown.
    """
    cls = IssueReconnectingPTYSignedTokenRequest

    assert from_json(f'{{"agentID": "{SOME}"}}', cls).agent_id == SOME
    assert from_json(f'{{"agent_id": "{SOME}"}}', cls).agent_id == NIL_UUID


@attrs.frozen
class Holder:
    """
    A class that may hold an object and an age.
    """

    port: WorkspaceAgentListeningPort | None = None
    age: Age = None


@pytest.mark.parametrize(
    ("text", "holder"),
    [
        ('{"port": {"port": 80}}', Holder(port=WorkspaceAgentListeningPort(port=80))),
        ('{"port": null, "age": 7}', Holder(age=7)),
        (f'{{"age": {NO_AGE}}}', Holder()),
        ("{}", Holder()),
    ],
)
def test_what_may_be_missing_is_of_its_class_or_none(text: str, holder: Holder) -> None:
    """
    An object is no structure, which only looks like it, and the age of what has none is None.
    """
    read = from_json(text, Holder)
    assert read == holder
    assert type(read.port) is type(holder.port)


def test_fields_of_newer_releases_are_read() -> None:
    """
    A script's last run (2.35) is there, and an exit code of 0 is not the same as none.
    """
    script = from_json('{"exit_code": 0, "status": "ok"}', WorkspaceAgentScript)

    assert script.exit_code == 0
    assert script.status == "ok"
    assert from_json("{}", WorkspaceAgentScript).exit_code is None
    assert from_json('{"status": null}', WorkspaceAgentScript).status is None


def test_metadata_that_was_never_collected() -> None:
    """
    The zero time is None, and so is the age, of one item as of many; it is written as it came.
    """
    never = '{"collected_at":"0001-01-01T00:00:00Z","age":9223372036,"value":"","error":""}'
    young = never.replace("0001", "2026").replace("9223372036", "7")

    assert from_json(never, WorkspaceAgentMetadataResult) == WorkspaceAgentMetadataResult()
    assert to_json(WorkspaceAgentMetadataResult()) == never
    for count in (1, 9):
        text = f'[{{"result":{never}}},{{"result":{young}}},{",".join(["{}"] * count)}]'
        ages = [item.result.age for item in from_json(text, list[WorkspaceAgentMetadata])]
        assert ages == [None, 7, *[None] * count]
    assert from_json('{"age":null}', WorkspaceAgentMetadataResult).age is None


@pytest.mark.parametrize(
    "cls", [set[int], dict[int, str], tuple[int, str], int | str | None, object, bytes, list]
)
def test_a_type_that_is_not_of_the_schema_is_the_callers_mistake(cls: Any) -> None:
    """
    It is a TypeError, whatever the text is.
    """
    with pytest.raises(TypeError, match="is not a type that JSON is read as"):
        from_json("null", cls)


def test_an_error_inside_an_event_has_the_path_of_the_whole_message() -> None:
    """
    What an event carries is read in a second step, with a path to start from.
    """
    event = from_json('{"type": "data", "data": [{}, {"result": 5}]}', ServerSentEvent)

    with pytest.raises(DecodeError) as caught:
        converter.from_document(event.data, list[WorkspaceAgentMetadata], path="$.data")

    assert caught.value.path == "$.data[1].result"


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_bytes_are_utf_8(wrap: Any) -> None:
    """
    They may come in any of the types of bytes.
    """
    assert from_json(wrap('{"message": "größer 😀"}'.encode()), Response).message == "größer 😀"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"message": "\xff"}', "byte 0xff at offset 13"),
        (b'"\xc3', "byte 0xc3 at offset 1"),
        (b'"\xed\xa0\x80"', "byte 0xed at offset 1"),
        ("\ufeff{}".encode("utf-16"), "byte 0xff at offset 0"),
    ],
)
def test_bytes_that_are_not_utf_8_are_refused(data: bytes, found: str) -> None:
    """
    The error says which byte, and where.
    """
    error = refusal(data, Response)

    assert (error.path, error.wanted, error.found) == ("$", "JSON in UTF-8", found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "the end at line 1 column 1"),
        ('{"message": ', "the end at line 1 column 13"),
        ("<html>\n</html>", '"<html>\\n</html>" at line 1 column 1'),
        ('{\n "message": oops}', '"oops}" at line 2 column 13'),
        ("{} x", '"x" at line 1 column 4'),
        ("{}\n\u00a0", '"\\u00a0" at line 2 column 1'),
        ('{"a" 1}', '"1}" at line 1 column 6'),
        ('"a\x01"', '"\\u0001\\"" at line 1 column 3'),
        ("[" + "\x85" * 500, '"' + "\\u0085" * 6 + "... at line 1 column 2"),
        ("\ufeff{}", '"\\ufeff{}" at line 1 column 1'),
        ("NaN", "NaN, which is not JSON"),
        ('{"a": -Infinity}', "-Infinity, which is not JSON"),
        ("[" * 200_000, "lists or objects nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused(text: str, found: str) -> None:
    """
    The error says what is there, and where.
    """
    error = refusal(text, Response)

    assert (error.path, error.wanted, error.found) == ("$", "JSON", found)


def test_an_integer_of_too_many_digits_is_refused() -> None:
    """
    Python refuses to make it; the error says where it is, as for any other value.
    """
    error = refusal('{"count": -%s}' % ("1" * 10_000), WorkspacesResponse)

    assert (error.path, error.wanted, error.found) == ("$.count", "an integer", "-Infinity")


def test_a_huge_document_is_not_written_out_for_its_beginning() -> None:
    """
    What was found is cut before it is shown: deep, long and wide.
    """
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    wide = {f"{number}": "x" for number in range(1000)}
    chain = {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}

    assert refusal(json.dumps(deep), Response).found == "[[[[[]]]]]"
    assert refusal(json.dumps([wide] * 100), Response).found.endswith("...")
    assert documents.excerpt(chain) == '{"a": {"b": {"c": {"d": {}}}}}'
    assert documents.excerpt(["x"] * 50 + [object()]).startswith('["x", "x"')
    assert documents.excerpt({**wide, "last": object()}).startswith('{"0": "x"')
    assert documents.excerpt("x" * 500) == '"' + "x" * 76 + "..."


def test_a_huge_string_is_not_copied_for_its_beginning() -> None:
    """
    Cutting comes before escaping.
    """
    huge = "x" * 20_000_000
    tracemalloc.start()
    try:
        documents.excerpt([{huge: huge}])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r'"\ud800"', "\ufffd"),
        (r'"\uD800"', "\ufffd"),
        (r'"\udc00\ud800"', "\ufffd\ufffd"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\uD83D\uDE00"', "😀"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (r'"\ud83d\u0041"', "\ufffdA"),
        (r'"\\ud800"', "\\ud800"),
        (r'"\\\ud800"', "\\\ufffd"),
        ('"\ud800"', "\ufffd"),
        ('"\ud83d\\ude00"', "\ufffd\ufffd"),
    ],
)
def test_half_a_surrogate_pair_is_replaced(text: str, read: str) -> None:
    """
    Go does so as well, and what was read can always be printed.
    """
    assert from_json(text, str) == read


def test_half_a_surrogate_pair_is_replaced_in_keys() -> None:
    """
    Keys of maps are text like any other.
    """
    text = r'{"environment_variables": {"\ud800": "\udfff"}, "id": ' + f'"{SOME}"}}'

    assert from_json(text, WorkspaceAgent).environment_variables == {"\ufffd": "\ufffd"}


@given(st.text(alphabet=st.characters(codec=None), max_size=20), st.booleans())
def test_any_string_is_read_so_that_it_can_be_encoded(text: str, escaped: bool) -> None:
    """
    This holds whatever half pairs it has, and in whichever way they are written.
    """
    read = from_json(json.dumps(text, ensure_ascii=escaped), str)

    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert read == expected
    read.encode()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_json_is_read_or_refused_with_a_decode_error(document: Any) -> None:
    """
    No other exception comes out, for any class.
    """
    text = json.dumps({"apps": document, "message": document, "workspaces": document})
    for cls in (WorkspaceAgent, Response, WorkspacesResponse):
        with suppress(DecodeError):
            assert isinstance(from_json(text, cls), cls)


@given(st.binary())
def test_any_bytes_are_read_or_refused_with_a_decode_error(data: bytes) -> None:
    """
    No other exception comes out.
    """
    with suppress(DecodeError):
        assert isinstance(from_json(data, BuildInfoResponse), BuildInfoResponse)


def test_a_body_of_another_type_is_the_callers_mistake() -> None:
    """
    Text or bytes are wanted, not what was decoded already.
    """
    with pytest.raises(TypeError):
        from_json({"message": "x"}, Response)  # type: ignore[arg-type]


def test_reading_inside_a_handler_adds_no_context_of_its_own() -> None:
    """
    The error's context is what the caller was handling, without a link in between.
    """
    outer = KeyError("outer")
    try:
        raise outer
    except KeyError:
        with pytest.raises(DecodeError) as caught:
            from_json("[1]", WorkspaceApp)

    assert caught.value.__context__ is outer


def test_the_limit_of_digits_is_as_shipped() -> None:
    """
    The test for too many digits would prove nothing with the limit switched off.
    """
    assert 0 < sys.get_int_max_str_digits() < 10_000


IDENTIFIED = [cls for cls in CLASSES if identifying_names(cls)]


@pytest.mark.parametrize("cls", IDENTIFIED)
def test_what_identifies_an_object_has_to_be_there(cls: Any) -> None:
    """
    An object without it is not one of the class; null is nothing, but for a list.
    """
    for text in ("{}", "null"):
        error = refusal(text, cls)
        assert error.path == f"$.{identifying_names(cls)[0]}"
        assert error.found == "nothing"
    for name in identifying_names(cls):
        document = full(cls)
        document[name] = None
        if name in values_that_identify(cls):
            assert refusal(json.dumps(document), cls).path == f"$.{name}"
        else:
            assert getattr(from_json(json.dumps(document), cls), name) == ()
        del document[name]
        assert refusal(json.dumps(document), cls).path == f"$.{name}"


@pytest.mark.parametrize("cls", IDENTIFIED)
def test_what_identifies_an_object_may_be_empty(cls: Any) -> None:
    """
    What is made in Python without it can be written and read.
    """
    assert from_json(to_json(cls()), cls) == cls()


def test_the_classes_of_answers_are_identified() -> None:
    """
    Each class of answers is identified by fields that each of its answers has.
    """
    assert {cls.__name__: identifying_names(cls) for cls in IDENTIFIED} == {
        "BuildInfoResponse": ["version"],
        "IssueReconnectingPTYSignedTokenResponse": ["signed_token"],
        "ProvisionerJobLog": ["id"],
        "User": ["id", "username"],
        "Workspace": ["id"],
        "WorkspaceAgent": ["id"],
        "WorkspaceAgentListContainersResponse": ["containers"],
        "WorkspaceAgentListeningPortsResponse": ["ports"],
        "WorkspaceBuild": ["id"],
        "WorkspacesResponse": ["workspaces"],
    }


def test_the_first_object_of_a_class_is_read_like_every_other_one() -> None:
    """
    What is built once for each class is built by the first object, and changes no result.
    """
    text = '{"id": 7, "output": "x", "created_at": "2026-11-22T08:36:52Z"}'
    result = '{"age": 9223372036, "value": "x"}'
    for built in (with_msgspec.reader, structures.structure, structures.maker):
        built.cache_clear()
    for _ in range(2):
        line = from_json(text, WorkspaceAgentLog)
        assert (line.id, line.output) == (7, "x")
        assert from_json(result, WorkspaceAgentMetadataResult).age is None
        assert from_json('{"workspaces": null}', WorkspacesResponse).workspaces == ()
    with pytest.raises(DecodeError, match="64"):
        from_json('{"id": 9223372036854775808}', WorkspaceAgentLog)
