"""
How results show themselves, and what their rows are.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from http import HTTPStatus
from typing import Any

import pytest
from markup import checked
from samples import agent_of

from coder_agents import (
    Agent,
    ByAgent,
    Client,
    CompletedCommand,
    NotFoundError,
    ResultList,
    Results,
    export,
)
from coder_agents.batch.work import Work
from coder_agents.schema import WorkspaceAgentListeningPort, WorkspaceAgentMetadata

AGENTS = [agent_of(number) for number in range(1, 30)]
HOSTILE = "<script>\x1b[31m\u202e=1+1\n"


def done(*outcomes: Any, kind: type | None = None) -> Results[Any]:
    """
    Return results of as many agents.
    """
    return Results.of(zip(AGENTS, outcomes, strict=False), kind=kind)


def rows(results: Results[Any]) -> list[tuple[Any, ...]]:
    """
    Return the rows, without the agents' names.
    """
    return [tuple(row.values())[1:] for row in results.records()]


def test_a_line_counts_agents() -> None:
    """
    It has how many failed, and how many are not done.
    """
    assert repr(done()) == "<Results of 0 agents>"
    assert repr(done(1)) == "<Results of 1 agent>"
    assert repr(done(1, ValueError("no"))) == "<Results of 2 agents, 1 failed>"


def test_showing_waits_for_nothing(client: Client, agents: list[Agent]) -> None:
    """
    A notebook shows what has arrived, and how many are missing.
    """
    gate = threading.Event()
    results = client.each(agents, lambda agent: agent == agents[0] or gate.wait(60))
    assert results[agents[0]]
    shown = checked(results._repr_html_())
    assert shown.texts[0] == "6 agents, 5 not done"
    assert shown.cells == ["Agent", "Result", "w0.main", "True"]
    gate.set()


def test_a_line_says_that_the_deployment_limits_requests() -> None:
    """
    Nobody has to guess why nothing happens; of work that is done, that is of no interest.
    """
    work = Work(AGENTS[:2])
    work.limit = lambda: "the deployment limits requests"
    work.succeed(0, 1)
    results: Results[int] = Results(work)
    assert repr(results) == "<Results of 2 agents, 1 not done, the deployment limits requests>"
    assert "1 not done, the deployment limits requests" in results._repr_html_()
    work.succeed(1, 1)
    assert repr(results) == "<Results of 2 agents>"


def test_objects_with_columns_have_them() -> None:
    """
    A list has a row for each item, an object one row; other results are in one column, and so are
    mixed ones. Errors have a table of their own.
    """
    port = WorkspaceAgentListeningPort(port=80, network="tcp", process_name="nginx")
    found = checked(done([port, port], [], NotFoundError("gone"))._repr_html_())
    assert found.cells[:4] == ["Agent", "Port", "Network", "Process"]
    assert found.cells.count("nginx") == 2
    assert found.cells[-2:] == ["main", "●\xa0gone"]
    agents = checked(done(*AGENTS[:2])._repr_html_())
    assert agents.cells[0] == "Agent"
    assert agents.cells.count("Agent") == 1
    mixed = checked(done(port, 5)._repr_html_())
    assert mixed.cells[:2] == ["Agent", "Result"]
    assert checked(done([], [])._repr_html_()).cells[:2] == ["Agent", "Result"]


def test_long_and_hostile_results_do_not_break_a_table() -> None:
    """
    The first rows are shown, texts are cut, and nothing in them is markup.
    """
    results = done(*[HOSTILE + "x" * 100_000] * 25, ValueError(HOSTILE))
    html = results._repr_html_()
    assert "… 5 more …" in checked(html).cells
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert len(html) < 50_000
    assert "\x1b" not in repr(results)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([1, 2, None], [1, 2, None]),
        ([1, 2.5, 10**400], [1.0, 2.5, float("inf")]),
        ([1.5, -(10**400)], [1.5, float("-inf")]),
        ([2**63, 1], [str(2**63), "1"]),
        ([True, False], [True, False]),
        ([True, 1], ["True", "1"]),
        ([HTTPStatus.OK, 3], [200, 3]),  # numbers of other classes, as NumPy's are
        ([Fraction(5, 2), 1], [2.5, 1.0]),
        ([Decimal("0.1")], ["0.1"]),
        (["a", "b"], ["a", "b"]),
        ([datetime(2026, 1, 1, tzinfo=UTC)], [datetime(2026, 1, 1, tzinfo=UTC)]),
        ([datetime(2026, 1, 1)], ["2026-01-01 00:00:00"]),  # noqa: DTZ001
        ([{"a": 1}], ["{'a': 1}"]),
        ([None], [None]),
    ],
)
def test_plain_results_have_a_row_for_each_agent(results: list[Any], expected: list[Any]) -> None:
    """
    The values of a column are of one type; what no type holds is text.
    """
    assert [row[0] for row in rows(done(*results))] == expected
    pandas = pytest.importorskip("pandas")
    frame = done(*results).to_frame()
    assert list(frame) == ["agent", "result", "error"]
    assert len(frame) == len(results)
    assert isinstance(frame, pandas.DataFrame)


def test_failures_are_in_the_rows_of_plain_results() -> None:
    """
    The result is missing, and the error is text.
    """
    found = rows(done(1, ZeroDivisionError("no"), 3))
    assert found == [(1, None), (None, "ZeroDivisionError: no"), (3, None)]
    assert rows(done(ValueError("no"))) == [(None, "ValueError: no")]


def test_objects_of_the_client_have_their_own_rows() -> None:
    """
    The name of the agent is in each row, and agents that failed have none.
    """
    port = WorkspaceAgentListeningPort(port=80, network="tcp", process_name="nginx")
    ports = done(ResultList([port], of=WorkspaceAgentListeningPort), ValueError("no"))
    assert list(ports.records()) == [
        {"agent": "main", "port": 80, "network": "tcp", "process_name": "nginx"}
    ]
    ended = done(CompletedCommand("make", 0, b"", b"", duration=1.0))
    assert [row["command"] for row in ended.records()] == ["make"]
    nested = done([[WorkspaceAgentMetadata()], [WorkspaceAgentMetadata()]])
    assert len(list(nested.records())) == 2
    with pytest.raises(TypeError, match="different columns"):
        list(done(port, WorkspaceAgentMetadata()).records())


def test_no_results_have_the_columns_of_their_kind() -> None:
    """
    A program that reads a column finds it also where there are no agents, or all have failed.
    """
    pytest.importorskip("pandas")
    for results in (
        done(kind=WorkspaceAgentMetadata),
        done(ValueError("no"), kind=WorkspaceAgentMetadata),
    ):
        assert "key" in results.to_frame()
        assert len(results.to_frame()) == 0
    assert list(done().to_frame()) == ["agent", "result", "error"]


def test_results_are_written_to_files(tmp_path: Any) -> None:
    """
    A table of results is a file, as any other; a hostile text is no formula there.
    """
    path = tmp_path / "results.csv"
    assert export.write(done("=1+1", ValueError("no")), path) == 2
    assert path.read_text().splitlines() == [
        "agent,result,error",
        "main,'=1+1,",
        "main,,ValueError: no",
    ]


def test_a_bar_counts_agents_for_a_person(
    client: Client, agents: list[Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A wait shows it where a person watches; with *progress* False, and where all are done, it does not.
    """
    pytest.importorskip("tqdm")
    bars: list[Any] = []

    class Bar:
        def __init__(self, **options: Any) -> None:
            self.options = options
            self.count = 0
            bars.append(self)

        def update(self, count: int) -> None:
            """
            Count *count* more.
            """
            self.count += count

        def close(self) -> None:
            """
            Disappear.
            """

    monkeypatch.setattr("coder_agents.progress.is_watched", lambda: True)
    monkeypatch.setattr("coder_agents.progress.bar_class", lambda: Bar)
    gate = threading.Event()
    results = client.each(agents, lambda agent: gate.wait(60))
    results.wait(0)
    gate.set()
    results.wait()
    results.wait()
    assert [(bar.options["total"], bar.options["desc"]) for bar in bars] == [(6, "6 agents")] * 2
    assert bars[-1].count == 6
    client.each(agents, str, progress=False).wait()
    assert len(bars) == 2


def test_values_by_agent_show_any_error() -> None:
    """
    An error of a function is shown with its class.
    """
    failures: ByAgent[Any, Any] = ByAgent([(AGENTS[0], ZeroDivisionError("no"))])
    assert checked(failures._repr_html_()).cells[-1] == "●\xa0ZeroDivisionError: no"
