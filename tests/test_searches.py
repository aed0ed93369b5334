"""
The sequences that a search returns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markup import checked
from samples import TOKEN, URL
from workspaces import agent_document, id_of, workspace_document

from coder_agents import AgentSequence, Client, ResultList, ServerError, WorkspaceSequence

PAGE = 100


class Found:
    """
    The workspaces that a deployment finds, and the offsets that were requested.

    Attributes:
        names: the names of the workspaces.
        page: how many workspaces the deployment sends at most.
        failures: how many of the next requests fail.
        uncounted: how many workspaces the deployment counts and does not send.
    """

    def __init__(self, count: int, page: int = 10**6) -> None:
        self.names = [f"w{number}" for number in range(count)]
        self.page = page
        self.failures = 0
        self.uncounted = 0
        self.offsets: list[int] = []

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        """
        Answer a request for a page.
        """
        query = parse_qs(urlsplit(str(request.url)).query)
        offset, limit = int(query["offset"][0]), int(query["limit"][0])
        assert limit == PAGE
        if self.failures:
            self.failures -= 1
            return 500, {"Content-Type": "application/json"}, json.dumps({"message": "no"})
        self.offsets.append(offset)
        names = self.names[offset : offset + min(limit, self.page)]
        page = {
            "workspaces": list(map(workspace, names)),
            "count": len(self.names) + self.uncounted,
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(page)


def workspace(name: str) -> dict[str, Any]:
    """
    Return a workspace with an agent for each letter after the number in *name*, and one more.
    """
    agents = [agent_document(f"{name}-{at}") for at in range(1 + int(name[1:]) % 2)]
    return workspace_document(*agents, name=name, id=id_of(name))


@pytest.fixture
def finding() -> Iterator[Callable[..., tuple[Client, Found]]]:
    """
    Return a function that takes how many workspaces a deployment finds, and the size of its pages.

    It returns a client, and what the deployment finds.
    """
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:

        def found(count: int, page: int = 10**6) -> tuple[Client, Found]:
            made = Found(count, page)
            mock.reset()
            mock.add_callback(responses.GET, f"{URL}/api/v2/workspaces", callback=made.answer)
            return Client(URL, TOKEN, retries=0), made

        yield found


Finding = Callable[..., tuple[Client, Found]]


def test_the_call_reads_the_first_page_and_iterating_the_others(finding: Finding) -> None:
    """
    What was read is kept: iterating again requests nothing.
    """
    client, found = finding(250)
    workspaces = client.workspaces()
    assert isinstance(workspaces, WorkspaceSequence)
    assert found.offsets == [0]
    iterator = iter(workspaces)
    assert [next(iterator).name for _ in range(100)] == found.names[:100]
    assert found.offsets == [0]
    assert next(iterator).name == "w100"
    assert found.offsets == [0, 100]
    assert [each.name for each in workspaces] == found.names
    assert [each.name for each in workspaces] == found.names
    assert found.offsets == [0, 100, 200]


def test_the_length_is_what_the_deployment_reports(finding: Finding) -> None:
    """
    It takes no request, and neither does the truth of a sequence.
    """
    client, found = finding(250)
    workspaces = client.workspaces()
    assert len(workspaces) == 250
    assert workspaces
    assert found.offsets == [0]
    client, _ = finding(0)
    assert len(client.workspaces()) == 0
    assert not client.workspaces()
    assert list(client.workspaces()) == []
    assert not client.agents()


@pytest.mark.parametrize(
    ("index", "offsets"),
    [
        *((0, [0]), (99, [0]), (100, [0, 100]), (349, [0, 300]), (-1, [0, 300]), (-350, [0])),
        *((-300, [0]), (250, [0, 200])),
    ],
)
def test_an_index_requests_only_its_page(finding: Finding, index: int, offsets: list[int]) -> None:
    """
    The neighbours of a workspace come with it.
    """
    client, found = finding(350)
    workspaces = client.workspaces()
    assert workspaces[index].name == found.names[index]
    assert workspaces[index] is workspaces[index]
    assert found.offsets == offsets


@pytest.mark.parametrize("index", [350, -351, 10**30, -(10**30)])
def test_an_index_that_is_not_there_is_an_error(finding: Finding, index: int) -> None:
    """
    The error has the number of workspaces, and no request is sent.
    """
    client, found = finding(350)
    workspaces = client.workspaces()
    with pytest.raises(IndexError, match="350 workspaces: no index"):
        workspaces[index]
    assert found.offsets == [0]
    with pytest.raises(IndexError, match=r"the search found \d+ agents: no index"):
        client.agents()[index + 500 if index == 350 else index - 500]


@pytest.mark.parametrize("index", ["a", 1.5, None])
def test_what_is_no_index_is_refused(finding: Finding, index: Any) -> None:
    """
    The error is that of a list.
    """
    client, _ = finding(1)
    for sequence in (client.workspaces(), client.agents()):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            sequence[index]


@pytest.mark.parametrize(
    ("part", "offsets"),
    [
        (slice(20), [0]),
        (slice(150, 250), [0, 150]),
        (slice(-10, None), [0, 340]),
        (slice(90, 310), [0, 100, 200, 300]),
        (slice(None, None, -100), [0, 149, 249, 349]),
        (slice(5, 2), [0]),
    ],
)
def test_a_slice_is_a_list_and_requests_what_it_has(
    finding: Finding, part: slice, offsets: list[int]
) -> None:
    """
    A request returns at most a hundred workspaces, which begin with the first that is not read.
    """
    client, found = finding(350)
    shown = client.workspaces()[part]
    assert isinstance(shown, ResultList)
    assert [each.name for each in shown] == found.names[part]
    assert found.offsets == offsets


ends = st.none() | st.integers(-9, 9)
indexes = st.integers(-9, 9) | st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, -1, -2]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.integers(0, 7), st.integers(1, 4), st.lists(indexes, max_size=4))
def test_every_index_is_that_of_a_list(
    finding: Finding, count: int, page: int, indexes: list[Any]
) -> None:
    """
    Workspaces and agents have it, whatever the size of the deployment's pages and what was read.
    """
    client, found = finding(count, page)
    workspaces, agents = client.workspaces(), client.agents()
    names = [agent["name"] for name in found.names for agent in agents_of(name)]
    for index in indexes:
        assert outcome(workspaces, index) == outcome(found.names, index)
        assert outcome(agents, index) == outcome(names, index)
    assert [each.name for each in workspaces] == found.names
    assert [each.name for each in agents] == names
    assert (len(workspaces), len(agents)) == (len(found.names), len(names))


def agents_of(name: str) -> list[dict[str, Any]]:
    """
    Return the agents of the workspace *name*.
    """
    agents: list[dict[str, Any]] = workspace(name)["latest_build"]["resources"][0]["agents"]
    return agents


def outcome(sequence: Any, index: Any) -> object:
    """
    Return the name or the names at *index*; the error's class where there is none.
    """
    try:
        found = sequence[index]
    except IndexError:
        return IndexError
    if isinstance(index, slice):
        return [getattr(each, "name", each) for each in found]
    return getattr(found, "name", found)


def test_agents_are_made_once_and_pages_read_when_needed(finding: Finding) -> None:
    """
    An agent that was refreshed stays refreshed.
    """
    client, found = finding(250)
    agents = client.agents()
    assert isinstance(agents, AgentSequence)
    assert agents[0] is agents[0]
    assert agents[149] is agents[:150][-1]
    assert found.offsets == [0]
    assert agents[150].name == "w100-0"
    assert found.offsets == [0, 100]
    assert len(agents) == 375
    assert found.offsets == [0, 100, 200]
    assert agents[-1] is list(agents)[374]
    assert agents[0] in agents
    assert agents.index(agents[3]) == 3
    assert next(iter(reversed(agents))) is agents[-1]


def test_a_search_is_no_iterator(finding: Finding) -> None:
    """
    Its first result is ``[0]``; `next` raises the usual error.
    """
    client, _ = finding(1)
    for sequence in (client.workspaces(), client.agents()):
        with pytest.raises(TypeError, match="object is not an iterator"):
            next(sequence)  # type: ignore[call-overload]
        assert next(iter(sequence)) is sequence[0]


def test_an_error_leaves_the_sequence_whole(finding: Finding) -> None:
    """
    The next use of the sequence continues.
    """
    client, found = finding(250)
    workspaces, agents = client.workspaces(), client.agents()
    for use in (
        lambda: list(workspaces),
        lambda: list(agents),
        lambda: agents[200],
        lambda: workspaces[-1],
    ):
        found.failures = 1
        with pytest.raises(ServerError):
            use()
    assert [each.name for each in workspaces] == found.names
    assert len(agents) == 375
    found.failures = 1
    with pytest.raises(ServerError):
        client.workspaces()


def test_workspaces_that_move_or_go_meanwhile_end_the_sequence(finding: Finding) -> None:
    """
    A workspace that moved to the next page comes once, and the length follows the last answer.
    """
    client, found = finding(150)
    workspaces = client.workspaces()
    found.names.insert(0, "w1000")
    assert [each.name for each in workspaces] == found.names[1:]
    assert len(workspaces) == 151
    client, found = finding(150)
    workspaces = client.workspaces()
    del found.names[100:]
    assert [each.name for each in workspaces] == found.names
    assert len(workspaces) == 100
    with pytest.raises(IndexError):
        workspaces[100]
    assert found.offsets == [0, 100]


def test_a_page_without_workspaces_is_the_end(finding: Finding) -> None:
    """
    A deployment may count workspaces that it does not send; after that page the length is right.
    """
    client, found = finding(150)
    found.uncounted = 7
    workspaces = client.workspaces()
    assert len(workspaces) == 157
    assert [each.name for each in workspaces] == found.names
    assert len(workspaces) == 150
    assert workspaces[-1].name == "w149"
    assert found.offsets == [0, 100, 150]


def test_a_query_that_is_no_text_is_refused_before_any_request(finding: Finding) -> None:
    """
    The error shows what a query is.
    """
    client, found = finding(1)
    for call in (client.workspaces, client.agents):
        with pytest.raises(TypeError, match="query must be text such as 'owner:me', not a int"):
            call(7)  # type: ignore[arg-type]
    assert found.offsets == []


def test_showing_a_search_requests_nothing(finding: Finding) -> None:
    """
    The table has the first twenty, and the line how much was read.
    """
    client, found = finding(1250)
    workspaces, agents = client.workspaces(), client.agents()
    found.offsets.clear()
    assert repr(workspaces) == "<WorkspaceSequence: 1,250 workspaces of 'owner:me', 100 read>"
    assert repr(agents) == "<AgentSequence: 150 agents in 100 of 1,250 workspaces of 'owner:me'>"
    for sequence, title in (
        (workspaces, "1,250 workspaces of 'owner:me', 100 read"),
        (agents, "150 agents in 100 of 1,250 workspaces of 'owner:me'"),
    ):
        parsed = checked(sequence._repr_html_())
        assert parsed.texts[0] == title
        assert parsed.texts[-1] == "first 20 …"
        assert TOKEN not in repr(sequence) + sequence._repr_html_()
    assert "tester/w19" in workspaces._repr_html_()
    assert "tester/w20" not in workspaces._repr_html_()
    assert found.offsets == []
    assert workspaces[500].name == "w500"
    assert repr(workspaces).endswith("100 read>")


def test_a_search_that_was_read_to_its_end_shows_its_number(finding: Finding) -> None:
    """
    A single one is singular, and none has no table.
    """
    client, _ = finding(1)
    assert repr(client.workspaces("a'b")) == """<WorkspaceSequence: 1 workspace of "a'b">"""
    assert repr(client.agents("")) == "<AgentSequence: 1 agent in 1 workspace of ''>"
    assert "first" not in client.agents()._repr_html_()
    client, _ = finding(0)
    assert checked(client.workspaces()._repr_html_()).text == "0 workspaces of 'owner:me'"
    assert checked(client.agents()._repr_html_()).text == "0 agents in 0 workspaces of 'owner:me'"


def test_a_search_becomes_a_data_frame_with_all_pages(finding: Finding) -> None:
    """
    The frame has a row for each agent.
    """
    pytest.importorskip("pandas")
    client, found = finding(150)
    assert len(client.agents().to_frame()) == 225
    assert found.offsets == [0, 100]
