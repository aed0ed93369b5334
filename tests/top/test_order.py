"""
The order of the agents, and the filter.
"""

from __future__ import annotations

import pytest

from coder_agents.cli.top.board import AgentState
from coder_agents.cli.top.order import SortColumn, full_label, matches, ordered

from .states import item, log_of, port, state_of


def names(states: list[AgentState]) -> list[str]:
    """
    Return the names of the workspaces.
    """
    return ["" if state.agent.workspace is None else state.agent.workspace.name for state in states]


def test_names_with_numbers_are_in_the_order_of_the_numbers() -> None:
    """
    People count so: 2 comes before 10, and capitals make no difference.
    """
    states = [state_of(workspace=name) for name in ("dev-10", "Dev-2", "api", "dev-1")]
    assert names(ordered(states, SortColumn.AGENT)) == ["api", "dev-1", "Dev-2", "dev-10"]
    backwards = ordered(states, SortColumn.AGENT, reverse=True)
    assert names(backwards) == ["dev-10", "Dev-2", "dev-1", "api"]


@pytest.mark.parametrize("name", ["", "9" * 5000, "1a2", "a1", "²", "-"])
def test_any_name_has_a_place(name: str) -> None:
    """
    Names that begin with digits, or are nothing but digits, can be compared with all others.
    """
    states = [state_of(workspace=each) for each in (name, "dev", "7")]
    assert len(ordered(states, SortColumn.AGENT)) == 3


def test_failures_come_first() -> None:
    """
    Unknown states follow, then those on their way, ready ones, and those that are over.
    """
    words = ["off", "ready", "starting", "new_word", "start_error"]
    states = [state_of(workspace=word, lifecycle=word) for word in words]
    assert names(ordered(states, SortColumn.STATE)) == words[::-1]


@pytest.mark.parametrize("column", [SortColumn.METADATA, SortColumn.LOG, SortColumn.PORTS])
def test_agents_without_a_value_come_last_in_both_directions(column: SortColumn) -> None:
    """
    The highest share, the newest line and the most ports come first.
    """
    full = state_of(
        workspace="full",
        metadata=[item("text"), item("15/16 GiB")],
        log=log_of("x", number=9),
        ports=[port(1), port(2)],
    )
    low = state_of(workspace="low", metadata=[item("5%")], log=log_of("x"), ports=[port(1)])
    none = state_of(workspace="a-none")
    states = [none, low, full]
    assert names(ordered(states, column)) == ["full", "low", "a-none"]
    assert names(ordered(states, column, reverse=True)) == ["low", "full", "a-none"]


def test_a_number_without_a_whole_counts_as_it_is() -> None:
    """
    Loads are in the order of the loads.
    """
    states = [state_of(workspace=value, metadata=[item(value)]) for value in ("0.5", "12", "3")]
    assert names(ordered(states, SortColumn.METADATA)) == ["12", "3", "0.5"]


def test_columns_follow_each_other() -> None:
    """
    After the last one comes the first.
    """
    assert SortColumn.AGENT.next is SortColumn.STATE
    assert SortColumn.PORTS.next is SortColumn.AGENT


@pytest.mark.parametrize(
    ("text", "found"),
    [("", True), ("ALICE", True), ("dev main", True), ("ready", True), ("dev off", False)],
)
def test_a_filter_wants_each_word_in_the_name_or_the_state(text: str, found: bool) -> None:
    """
    Their order and capitals make no difference.
    """
    assert matches(state_of(), text) is found


def test_an_agent_without_a_workspace_has_its_own_name() -> None:
    """
    An agent that was found by its UUID has no workspace.
    """
    state = state_of("solo")
    state.agent._workspace = None
    assert full_label(state) == "solo"
    assert matches(state, "solo")
