"""
What a row is.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from coder_agents import Agent, AgentLog, Client, CompletedCommand, JobInfo
from coder_agents.export import records
from coder_agents.export.chunks import KINDS
from coder_agents.export.columns import Chunk, Type
from coder_agents.readiness.report import report_startup
from coder_agents.schema import (
    LogLevel,
    ProvisionerJobLog,
    ProvisionerTiming,
    TimingStage,
    WorkspaceAgent,
    WorkspaceAgentListeningPortsResponse,
    WorkspaceAgentLog,
    WorkspaceAgentMetadata,
    WorkspaceAgentMetadataResult,
    WorkspaceAgentScript,
    WorkspacesResponse,
    source_names,
)
from coder_agents.testing import Deployment, EmbeddedAgent

from .conftest import Labelled, only

AT = datetime(2026, 11, 22, 8, 36, 52, 120_000, tzinfo=UTC)
SOURCE = uuid.uuid5(uuid.NAMESPACE_URL, "source")
LOG = WorkspaceAgentLog(id=7, created_at=AT, output="hello", level=LogLevel.WARN, source_id=SOURCE)
PLAIN: dict[Type, type] = {
    Type.TEXT: str,
    Type.CATEGORY: str,
    Type.INTEGER: int,
    Type.NUMBER: float,
    Type.BOOLEAN: bool,
    Type.TIME: datetime,
    Type.MAPPING: dict,
}


def test_the_row_of_a_line() -> None:
    """
    A line alone has all its fields; the names that it does not know are missing or empty.
    """
    assert only(records(LOG)) == {
        "agent": None,
        "id": 7,
        "created_at": AT,
        "level": "warn",
        "source": "",
        "output": "hello",
        "source_id": str(SOURCE),
    }


def test_lines_have_the_names_of_their_agent_and_source(agent: Agent) -> None:
    """
    A mapping gives the agent's name, and the agent's lines know the names of their sources.
    """
    rows = list(records({agent: agent.logs()}))
    assert [(row["agent"], row["level"], row["source"], row["output"]) for row in rows] == [
        ("dev.main", "info", "Startup Script", "one"),
        ("dev.main", "info", "Startup Script", "two"),
        ("dev.main", "warn", "External", "disk is full"),
    ]


def test_the_key_of_a_mapping_may_be_a_name() -> None:
    """
    A text as key is the name of the agent.
    """
    assert only(records({"mine": [LOG]}))["agent"] == "mine"


def test_two_agents_may_use_one_id_for_different_sources() -> None:
    """
    The name of a source is that of the line's own agent, also where other lines share the id.
    """
    first, second = LOG, attrs.evolve(LOG, id=8)
    source_names.restore_name(first, SOURCE, "first")
    source_names.restore_name(second, SOURCE, "second")
    assert [row["source"] for row in records([first, second])] == ["first", "second"]


def test_a_stream_gives_rows_as_they_come_with_its_agent(agent: Agent) -> None:
    """
    Each row takes one line of the stream, so the bookmark of the stream is always right.
    """
    with agent.follow_logs() as stream:
        row = next(records(stream))
        assert (row["agent"], row["output"]) == ("dev.main", "one")
        assert stream.stats.items == 1


def test_lines_of_several_agents_have_their_agents(
    client: Client, agent: Agent, deployment: Deployment
) -> None:
    """
    A merged stream gives the label of each line's agent.
    """
    other = deployment.add_agent("main", workspace="other")
    other.push_logs(["of the other"])
    with client.follow_logs([agent, client.agent("other")]) as stream:
        rows = list(itertools.islice(records(stream), 4))
    assert [(row["agent"], row["output"]) for row in rows] == [
        ("dev.main", "one"),
        ("dev.main", "two"),
        ("dev.main", "disk is full"),
        ("other.main", "of the other"),
    ]


def test_a_number_of_metadata_has_columns_of_its_own(client: Client, agent: Agent) -> None:
    """
    A number is split into its value, its whole and its unit, and a text has none of them.
    """
    rows = {row["key"]: row for row in records(client.metadata([agent]))}
    load = rows["load"]
    assert list(load) == [
        *("agent", "key", "name", "value", "number", "of", "unit", "age", "error", "collected_at")
    ]
    assert (load["agent"], load["value"], load["number"], load["unit"]) == (
        *("dev.main", "0.42\n", 0.42, ""),
    )
    memory = rows["memory"]
    assert (memory["number"], memory["of"], memory["unit"]) == (3.2, 16.0, "GiB")
    host = rows["host"]
    assert (host["number"], host["of"], host["unit"], host["error"]) == (None, None, None, "cut")
    assert isinstance(host["age"], int)
    assert isinstance(host["collected_at"], datetime)


def test_a_stream_of_lists_gives_the_rows_of_each_list(agent: Agent) -> None:
    """
    Metadata that is watched has the rows of each state.
    """
    with agent.watch_metadata() as stream:
        rows = list(itertools.islice(records(stream), 6))
    assert [row["key"] for row in rows] == ["load", "memory", "host"] * 2


def test_the_rows_of_ports(agent: Agent) -> None:
    """
    A port has its number, its network and its process, in a list and in the API's answer.
    """
    ports = agent.listening_ports()
    expected = [{"agent": None, "port": 8000, "network": "tcp", "process_name": "python"}]
    assert list(records(ports)) == expected
    assert list(records(WorkspaceAgentListeningPortsResponse(ports=tuple(ports)))) == expected


def test_containers_and_dev_containers_share_a_table(agent: Agent) -> None:
    """
    The rows of both have the same columns, in the API's answer and one by one.
    """
    found = agent.containers()
    rows = list(records({agent: found}))
    assert [(row["kind"], row["name"], row["running"], row["dirty"]) for row in rows] == [
        ("devcontainer", "tool", True, True),
        ("devcontainer", "none", None, False),
        ("container", "web", True, None),
    ]
    assert rows[0]["container"] == "web"
    assert rows[2]["labels"] == {"team": "web"}
    assert rows[2]["ports"] == "127.0.0.1:8080->80/tcp, [::]:8081->81/tcp, 8082->82/tcp, 443/udp"
    assert list(records({agent: [*found.devcontainers, *found.containers]})) == rows


def test_the_rows_of_agents_are_the_same_with_and_without_a_workspace(agent: Agent) -> None:
    """
    The data of an agent has the columns of the agent, without the names of its workspace.
    """
    row, alone = only(records(agent)), only(records(agent.data))
    assert (row["agent"], row["owner"], row["workspace"]) == ("dev.main", "tester", "dev")
    assert (alone["agent"], alone["owner"], alone["workspace"]) == ("main", None, None)
    differs = {name for name in row if row[name] != alone[name]}
    assert differs == {"agent", "owner", "workspace"}
    assert list(records([agent, agent.data])) == [row, alone]


def test_no_row_has_the_environment_of_an_agent() -> None:
    """
    The variables of an agent may be secrets, so they are in no row.
    """
    secret = WorkspaceAgent(environment_variables={"TOKEN": "secret"}, parent_id=SOURCE)
    row = only(records(secret))
    assert "secret" not in str(row)
    assert row["parent_id"] == str(SOURCE)


def test_the_rows_of_workspaces_and_builds(client: Client, agent: Agent) -> None:
    """
    A search gives a row for each workspace, and a build has a row of its own.
    """
    row = only(records(client.workspaces()))
    assert (row["owner"], row["name"], row["status"], row["agents"]) == (
        "tester",
        "dev",
        "running",
        1,
    )
    page = WorkspacesResponse(workspaces=tuple(client.workspaces()))
    assert only(records(page)) == row
    workspace = client.workspace("dev")
    build = only(records(workspace.latest_build))
    assert (build["workspace"], build["build_number"], build["agents"]) == ("dev", 1, 1)
    assert build["status"] == "running"


def test_the_rows_of_a_startup_report(agent: Agent) -> None:
    """
    A report has one row for each script, with the duration in seconds.
    """
    report = agent.startup_report()
    row = only(records(report))
    assert (row["agent"], row["script"], row["exit_code"]) == ("main", "Startup Script", 3)
    assert (row["conclusion"], row["last_line"], row["is_guess"]) == ("failed", "two", False)
    assert row["duration"] == only(report.scripts).duration.total_seconds()
    assert only(records({agent: report}))["agent"] == "dev.main"
    alone = only(records(report.scripts))
    assert (alone["agent"], alone["is_guess"], alone["script"]) == (None, None, "Startup Script")


def test_the_rows_of_a_script_that_has_not_ended() -> None:
    """
    A script without an end and without lines has no status, no duration and no last line.
    """
    agent = WorkspaceAgent(name="main", scripts=(WorkspaceAgentScript(run_on_start=True),))
    row = only(records(report_startup(agent, [])))
    assert (row["status"], row["duration"], row["last_line"]) == (None, None, None)


def test_the_rows_of_build_timings(agent: Agent) -> None:
    """
    Steps, connections and scripts are rows of one table, each with its duration in seconds.
    """
    step = ProvisionerTiming(
        started_at=AT, ended_at=AT + timedelta(seconds=2), stage=TimingStage.APPLY, resource="vm"
    )
    timings = attrs.evolve(agent.build_timings(), provisioner_timings=(step,))
    rows = list(records(timings))
    assert [(row["kind"], row["stage"], row["name"]) for row in rows] == [
        ("provisioner", "apply", "vm"),
        ("connection", "connect", "main"),
        ("script", "start", "Startup Script"),
    ]
    assert rows[0]["duration"] == 2.0
    assert rows[2]["exit_code"] == 3
    parts = [
        *timings.provisioner_timings,
        *timings.agent_connection_timings,
        *timings.agent_script_timings,
    ]
    assert list(records(parts)) == rows


def test_the_rows_of_build_logs() -> None:
    """
    A line of a build's log has the fields of the API.
    """
    line = ProvisionerJobLog(id=1, created_at=AT, log_level=LogLevel.INFO, stage="Plan", output="x")
    assert only(records(line)) == {
        "id": 1,
        "created_at": AT,
        "log_source": "",
        "log_level": "info",
        "stage": "Plan",
        "output": "x",
    }


def test_the_rows_of_commands() -> None:
    """
    A command has its arguments as a shell would read them, and its outputs as text.
    """
    done = CompletedCommand(["echo", "a b", b"c"], 0, b"a\xff\n", None, duration=0.5)
    assert only(records({"mine": done})) == {
        "agent": "mine",
        "command": "echo 'a b' c",
        "returncode": 0,
        "duration": 0.5,
        "truncated": False,
        "stdout": "a\ufffd\n",
        "stderr": None,
    }
    assert only(records(CompletedCommand("exit 1", 1, "text")))["stdout"] == "text"


def test_the_rows_of_jobs(agent: Agent) -> None:
    """
    A job that was started, found again or listed has the same columns.
    """
    job = agent.start_job(["true"])
    assert job.wait() == 0
    row = only(records(job))
    assert (row["id"], row["command"], row["state"], row["returncode"]) == (
        *(job.id, "true", "exited", 0),
    )
    assert only(records(agent.job(job.id)))["command"] is None
    listed = only(records({agent: agent.jobs()}))
    assert list(listed) == list(row)
    assert (listed["agent"], listed["id"], listed["returncode"]) == ("dev.main", job.id, 0)
    assert isinstance(listed["started_at"], datetime)
    job.remove()


def of_each_kind() -> list[Any]:
    """
    Return an empty object of each class of the schema that has rows, and of three others.
    """
    of_schema = [cls() for cls in KINDS if cls.__module__.startswith("coder_agents.schema.")]
    job = JobInfo("id", "true", "exited", 0, 1, AT, 0, 0)
    return [*of_schema, job, AgentLog(Labelled("label"), LOG), CompletedCommand("true", 0)]


@pytest.mark.parametrize("thing", of_each_kind(), ids=lambda thing: type(thing).__name__)
def test_every_value_has_the_type_of_its_column(thing: Any) -> None:
    """
    A value is of the plain type of its column, exactly, and is missing only where it may be.
    """
    kind = KINDS[type(thing)]
    for row in records(thing):
        assert list(row) == kind.table.names
        for column in kind.table.columns:
            value = row[column.name]
            assert type(value) is PLAIN[column.type] or (value is None and not column.is_required)


@pytest.mark.parametrize("kind", KINDS.values(), ids=[cls.__name__ for cls in KINDS])
def test_no_object_has_no_rows(kind: Any) -> None:
    """
    The columns of no objects are all there, and empty.
    """
    values = Chunk(kind, ()).values()
    assert [len(each) for each in values] == [0] * len(kind.table.columns)


def test_records_take_one_object_at_a_time() -> None:
    """
    An iterable is read as far as its rows are needed.
    """
    taken: list[int] = []

    def logs() -> Iterator[WorkspaceAgentLog]:
        for number in range(10):
            taken.append(number)
            yield attrs.evolve(LOG, id=number)

    rows = records(logs())
    assert taken == []
    next(rows)
    assert taken == [0]


def test_lists_in_lists_are_rows_too() -> None:
    """
    Lists, tuples, mappings and generators may hold each other.
    """
    nested = [[LOG], (LOG, [LOG]), {"mine": (log for log in [LOG])}]
    assert [row["agent"] for row in records(nested)] == [None, None, None, "mine"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: records(3),
        lambda: records(None),
        lambda: records("text"),
        lambda: records(b"bytes"),
        lambda: records({uuid.uuid4(): [LOG]}),
        lambda: list(records([LOG, 3])),
        lambda: list(records(["text"])),
        lambda: list(records([{3: LOG}])),
    ],
)
def test_what_has_no_rows_is_a_type_error(make: Callable[[], object]) -> None:
    """
    An object without rows, and a key that names no agent, raise an error that names the class.
    """
    with pytest.raises(TypeError, match=r"has no rows|keys of a mapping"):
        make()


def test_rows_of_two_tables_are_an_error() -> None:
    """
    Two kinds of objects raise an error that names both, after the rows before it.
    """
    item = WorkspaceAgentMetadata(result=WorkspaceAgentMetadataResult(value="1"))
    rows = records([LOG, item])
    assert next(rows)["id"] == 7
    with pytest.raises(TypeError, match="log lines and metadata have different columns"):
        next(rows)


def test_an_agent_without_a_known_workspace_has_its_name(
    client: Client, embedded: EmbeddedAgent
) -> None:
    """
    The lines of an agent that was found by its own UUID have the agent's name alone.
    """
    with client.agent(embedded.id).follow_logs() as stream:
        assert next(records(stream))["agent"] == "main"


def test_the_page_lists_the_columns_of_each_table() -> None:
    """
    The documentation of exports has all columns of all tables, in their order.
    """
    page = (Path(__file__).parents[2] / "docs" / "exporting.rst").read_text(encoding="utf-8")
    words = " ".join(page.split())
    for kind in KINDS.values():
        assert ", ".join(f"``{name}``" for name in kind.table.names) in words, kind.table.name
