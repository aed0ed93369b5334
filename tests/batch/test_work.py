"""
What became of each agent: the rules.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from samples import agent_of

from coder_agents import BatchCanceledError, BatchTimeoutError, Results
from coder_agents.batch.work import Work


@pytest.fixture
def work() -> Work:
    """
    The work for three agents.
    """
    return Work([agent_of(number) for number in (1, 2, 3)])


def errors(work: Work) -> list[str]:
    """
    The classes of the errors, in the order of the agents; empty for a result.
    """
    return [
        "" if outcome.error is None else type(outcome.error).__name__ for outcome in work.outcomes()
    ]


def test_each_agent_has_its_turn_once(work: Work) -> None:
    """
    In the order of the agents; one that was put off comes again at the end, and not before its time.
    """
    assert [work.take(), work.take()] == [0, 1]
    due = time.monotonic() + 0.05
    work.put_off(0, 0.05)
    assert [work.take(), work.take(), work.take()] == [2, 0, None]
    assert time.monotonic() >= due
    assert not work._bells


def test_the_first_outcome_of_an_agent_counts(work: Work) -> None:
    """
    A second one, and one after the end, change nothing.
    """
    work.succeed(0, "one")
    work.fail(0, ValueError("two"))
    work.cancel()
    work.succeed(1, "late")
    work.time_out(5)
    assert errors(work) == ["", "BatchCanceledError", "BatchCanceledError"]
    assert work.is_done
    assert work.take() is None


def test_outcomes_are_returned_from_any_number_on(work: Work) -> None:
    """
    In the order in which they arrived.
    """
    assert work.arrived() == []
    for index in (2, 0):
        work.succeed(index, index)
    assert [outcome.result for outcome in work.arrived()] == [2, 0]
    assert [outcome.result for outcome in work.arrived(1)] == [0]
    assert work.arrived(2) == []
    work.cancel()
    assert [type(outcome.error) for outcome in work.arrived(2)] == [BatchCanceledError]


class Growing(dict[int, Any]):
    """
    The outcomes of *work*, to which another thread adds one while they are read, before or after the
    reader has taken the last one.
    """

    def __init__(self, work: Work, moment: str) -> None:
        super().__init__(work._outcomes)
        self.store: dict[str, Any] = {moment: lambda: work.succeed(1, "new")}
        work._outcomes = self

    def values(self) -> Any:
        """
        Return the outcomes as they are read backwards.
        """
        self.store.pop("before", bool)()
        return self

    def __reversed__(self) -> Any:
        found = reversed(super().values())
        self.store.pop("after", bool)()
        return found


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_outcome_that_arrives_in_the_midst_of_a_read_is_read(work: Work, moment: str) -> None:
    """
    None is missing, and none comes twice.
    """
    for index in (0, 2):
        work.succeed(index, index)
    Growing(work, moment)
    assert [outcome.result for outcome in work.arrived(1)] == [2, "new"]


def test_who_has_taken_an_agent_finds_out_about_the_end(work: Work) -> None:
    """
    An agent that was put off is not waited for after the end.
    """
    while work.take() is not None:
        pass
    work.put_off(1, 3600)
    ended = work._waiting.copy()
    work.cancel()
    work._waiting.extend(ended)
    assert work.take() is None


def test_the_end_after_the_last_outcome_is_none(work: Work) -> None:
    """
    Results stay, and what would close connections is not called.
    """
    called: list[int] = []
    work.on_end = lambda: called.append(1)
    for index in range(3):
        work.succeed(index, index)
    work.time_out(1)
    work.cancel()
    work.after_fork_in_child()
    assert errors(work) == ["", "", ""]
    assert called == []


def test_a_child_process_has_no_work(work: Work) -> None:
    """
    Agents without an outcome have failed there, and nothing is closed, as the parent has it open.
    """
    called: list[int] = []
    work.on_end = lambda: called.append(1)
    work.succeed(1, "one")
    work.after_fork_in_child()
    assert errors(work) == ["BatchCanceledError", "", "BatchCanceledError"]
    assert [outcome.result for outcome in work.arrived()] == ["one", None, None]
    assert called == []


def test_a_time_limit_names_the_limit_of_the_deployment(work: Work) -> None:
    """
    The error of an agent says what to do: where the deployment limits requests, more workers are of no use.
    """
    work.limit = lambda: "the deployment limits requests"
    work.take()
    work.time_out(2.5)
    first, second, _ = (outcome.error for outcome in work.outcomes())
    assert isinstance(first, BatchTimeoutError)
    assert (first.timeout, first.begun) == (2.5, True)
    assert "while the function ran: the deployment limits requests; give the call" in str(first)
    assert "before the agent's turn: the deployment limits requests" in str(second)


def test_errors_of_the_end_are_those_of_the_first_end() -> None:
    """
    The results of a call that was canceled do not change.
    """
    results: Results[Any] = Results(Work([agent_of(1)]))
    results.cancel()
    first = results.failures
    assert type(first[agent_of(1)]) is BatchCanceledError
    assert results.failures[agent_of(1)] is first[agent_of(1)]
