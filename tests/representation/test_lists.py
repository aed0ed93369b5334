"""
Lists that are shown as tables.
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markup import checked

from coder_agents import ResultList
from coder_agents.schema import (
    ProvisionerJob,
    WorkspaceAgentListeningPort,
    WorkspaceAgentLog,
    WorkspaceHealth,
    from_json,
    to_json,
)

slices = st.builds(
    slice, *[st.none() | st.integers(-12, 12)] * 2, st.sampled_from([None, 1, 2, -1, -3])
)


@given(st.lists(st.integers(), max_size=10), slices)
def test_a_slice_is_that_of_a_list_and_of_the_same_class(items: list[int], part: slice) -> None:
    """
    An item is the item.
    """
    result = ResultList(items)
    assert result[part] == items[part]
    assert type(result[part]) is ResultList
    assert [result[at] for at in range(len(items))] == items


def test_it_is_a_list_in_every_respect() -> None:
    """
    It is equal to a list, can be changed, and other lists stay lists.
    """
    result = ResultList([3, 1])
    assert isinstance(result, list)
    assert result == [3, 1]
    result.append(2)
    result.sort()
    assert result == [1, 2, 3]
    assert type(sorted(result)) is list
    assert not hasattr(result, "__dict__")
    with pytest.raises(IndexError, match="list index out of range"):
        result[3]
    with pytest.raises(TypeError, match="list indices must be integers or slices"):
        result["a"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "made",
    [
        lambda result: result.copy(),
        lambda result: result.__add__([]),
        copy.copy,
        copy.deepcopy,
        lambda result: pickle.loads(pickle.dumps(result)),
    ],
)
def test_copies_and_sums_are_of_the_same_class(made: Any) -> None:
    """
    They are equal to the list, and another object.
    """
    result = ResultList(["a", "b"])
    assert made(result) == result
    assert type(made(result)) is ResultList
    assert made(result) is not result


def test_what_is_no_list_cannot_be_added() -> None:
    """
    The error is that of a list.
    """
    with pytest.raises(TypeError, match="can only concatenate list"):
        ResultList([1]).__add__((2,))  # type: ignore[operator]


def test_its_json_is_that_of_a_list() -> None:
    """
    It reads as the same items.
    """
    logs = ResultList([WorkspaceAgentLog(id=1, output="a"), WorkspaceAgentLog(id=2)])
    assert to_json(logs) == to_json(list(logs))
    assert from_json(to_json(logs), list[WorkspaceAgentLog]) == logs


def test_its_line_has_the_first_items_and_the_number_of_the_others() -> None:
    """
    A list of a list that contains itself has an end, too.
    """
    assert repr(ResultList()) == "ResultList([])"
    assert repr(ResultList(range(1237))) == "ResultList([0, 1, 2, … 1,234 more])"
    ports = ResultList([WorkspaceAgentListeningPort(port=port) for port in (80, 443)])
    assert repr(ports) == (
        "ResultList([WorkspaceAgentListeningPort(port=80), WorkspaceAgentListeningPort(port=443)])"
    )
    endless: ResultList[Any] = ResultList()
    endless += [endless, endless]
    assert repr(endless) == "ResultList([<2 ResultList>, <2 ResultList>])"
    nested: ResultList[Any] = ResultList()
    nested.append(type("Holder", (), {"__repr__": lambda _: repr(nested)})())
    assert repr(nested) == "ResultList([ResultList([…])])"


def test_a_long_list_is_cut_in_its_middle() -> None:
    """
    Twenty items are all shown; of more, the first ten and the last ten.
    """
    ports = ResultList([WorkspaceAgentListeningPort(port=port) for port in range(1, 1021)])
    cells = checked(ports._repr_html_()).cells
    assert cells == [
        "Port",
        *map(str, range(1, 11)),
        "… 1,000 more …",
        *map(str, range(1011, 1021)),
    ]
    assert "1,020 ports" in ports._repr_html_()
    assert checked(ports[:20]._repr_html_()).cells == ["Port", *map(str, range(1, 21))]
    assert "… 1 more …" in ports[:21]._repr_html_()


def test_objects_without_columns_have_those_of_their_fields() -> None:
    """
    A field that has its default in all rows has no column.
    """
    jobs = ResultList([ProvisionerJob(error="a<b>"), ProvisionerJob(status="failed")])  # type: ignore[arg-type]
    assert checked(jobs._repr_html_()).cells == ["Error", "Status", "a<b>", "", "", "failed"]
    assert checked(ResultList([WorkspaceHealth()])._repr_html_()).text == "1 WorkspaceHealth"


def test_objects_of_several_classes_are_in_one_column() -> None:
    """
    Texts and numbers are themselves, other objects their line.
    """
    items = ResultList(["a<b>", 1, None, WorkspaceHealth(healthy=True)])
    assert checked(items._repr_html_()).cells == [
        "a<b>",
        "1",
        "None",
        "WorkspaceHealth(healthy=True)",
    ]
    assert checked(items._repr_html_()).text.startswith("4 objects")
    assert checked(ResultList(["a", "b"])._repr_html_()).text == "2 strab"


def test_a_heading_names_the_objects_as_people_do() -> None:
    """
    One object is counted in the singular, and a class without a noun by its name.
    """
    logs = ResultList([WorkspaceAgentLog(id=1), WorkspaceAgentLog(id=2)])
    assert checked(logs._repr_html_()).text.startswith("2 log lines")
    assert checked(logs[:1]._repr_html_()).text.startswith("1 log line")
    assert not checked(logs[:1]._repr_html_()).text.startswith("1 log lines")


def test_an_empty_list_is_shown_as_one() -> None:
    """
    An empty list of ports need not mean that there are none.
    """
    assert checked(ResultList()._repr_html_()).text == "empty list"
    ports: ResultList[Any] = ResultList([1], of=WorkspaceAgentListeningPort)
    for empty in (ports[1:], (ports[1:] + []).copy(), pickle.loads(pickle.dumps(ports))[1:]):  # noqa: RUF005
        text = checked(empty._repr_html_()).text
        assert text == "empty list of ports"


def test_a_list_becomes_a_data_frame() -> None:
    """
    The frame has a row for each item.
    """
    pytest.importorskip("pandas")
    logs = ResultList([WorkspaceAgentLog(id=1, output="a"), WorkspaceAgentLog(id=2, output="b")])
    frame = logs[1:].to_frame()
    assert list(frame["output"]) == ["b"]
