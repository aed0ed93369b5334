"""
What is known of the agents.
"""

from __future__ import annotations

import uuid

from coder_agents.cli.top.board import Board

from .states import agent_of, item, log_of, port


def test_changes_are_taken_once() -> None:
    """
    A list that only repeats the one before changes nothing that is shown.
    """
    board = Board()
    agent = agent_of()
    board.list_agents([agent])
    assert board.take_changes().agents == {agent.id}
    assert not board.take_changes()
    board.list_agents([agent_of()])
    assert not board.take_changes()
    board.list_agents([agent_of(lifecycle="off")])
    assert board.take_changes().agents == {agent.id}


def test_what_is_read_of_an_agent_is_kept() -> None:
    """
    Equal ports and reasons are no change, and a reason without text removes the reason.
    """
    board, agent = Board(), agent_of()
    board.list_agents([agent])
    board.put_metadata(agent.id, [item("5%")])
    board.put_ports(agent.id, [port(1)])
    board.put_log(agent.id, log_of("x"))
    board.put_problem(agent.id, "log", "gone")
    board.take_changes()
    board.put_ports(agent.id, [port(1)])
    board.put_problem(agent.id, "log", "gone")
    assert not board.take_changes()
    state = board.state(agent.id)
    assert state is not None
    assert state.histories["cpu"].has_numbers
    assert state.ports == (port(1),)
    assert state.log == log_of("x")
    assert state.problems == {"log": "gone"}
    board.put_problem(agent.id, "log", "")
    board.put_ports(agent.id, None)
    assert board.take_changes().agents == {agent.id}
    state = board.states[agent.id]
    assert (state.problems, state.ports) == ({}, None)


def test_an_agent_that_disappears_is_shown_as_gone_for_a_while() -> None:
    """
    It keeps what was known, comes back where it is listed again, and is removed later.
    """
    now = [0.0]
    board, agent = Board(gone_for=30, clock=lambda: now[0]), agent_of()
    board.list_agents([agent])
    board.put_log(agent.id, log_of("x"))
    board.list_agents([])
    state = board.state(agent.id)
    assert state is not None
    assert (state.word, state.log) == ("gone", log_of("x"))
    now[0] = 29.0
    board.list_agents([])
    assert board.state(agent.id) is state
    board.list_agents([agent])
    assert board.states[agent.id].word == "ready"
    board.list_agents([])
    now[0] = 59.0
    board.take_changes()
    board.list_agents([])
    assert board.states == {}
    assert board.take_changes().agents == {agent.id}


def test_what_comes_late_for_an_agent_that_was_removed_is_dropped() -> None:
    """
    A thread may have begun its read before.
    """
    board, unknown = Board(), uuid.uuid4()
    board.put_metadata(unknown, [item("5%")])
    board.put_ports(unknown, [port(1)])
    board.put_log(unknown, log_of("x"))
    board.put_problem(unknown, "log", "gone")
    assert not board.take_changes()
    assert board.state(unknown) is None


def test_notices_stay_until_their_source_takes_them_back() -> None:
    """
    Each source has one notice at a time.
    """
    board = Board()
    board.put_notice("a", "one")
    board.put_notice("b", "two")
    board.put_notice("a", "three")
    assert board.notices == ["three", "two"]
    assert board.take_changes().notices
    board.put_notice("a", "three")
    board.put_notice("c", "")
    assert not board.take_changes()
    board.put_notice("a", "")
    assert board.notices == ["two"]
    assert board.take_changes()
