"""
What a user gets: agents compare and know their names, lines know their sources, results can be copied.
"""

from __future__ import annotations

import copy
import enum
import pickle
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import responses
from samples import LINE, agent_of, results, samples
from workspaces import agent_document, id_of, workspace_document

import coder_agents
from coder_agents import Agent, Client, CoderError, schema, streams
from coder_agents.schema import (
    NIL_UUID,
    WorkspaceAgent,
    WorkspaceAgentLifecycle,
    WorkspaceAgentMetadata,
    WorkspaceAgentStatus,
    source_names,
    to_json,
)
from coder_agents.testing import Deployment, Script

URL = "https://coder.example.com"
API = f"{URL}/api/v2"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"


@pytest.fixture
def client() -> Client:
    """
    A client of a deployment that `responses` plays.
    """
    return Client(URL, TOKEN, retries=0)


def found(client: Client, **sources: str) -> Agent:
    """
    Return the agent *main* as *client* finds it, with log sources of these ids and names.
    """
    listed = [{"id": source, "display_name": name} for source, name in sources.items()]
    agent = {**agent_document("main"), "log_sources": listed}
    responses.upsert("GET", f"{API}/users/me/workspace/dev", json=workspace_document(agent))
    responses.upsert("GET", f"{API}/workspaceagents/{id_of('main')}", json=agent)
    return client.agent("dev")


def has_log(*sources: str) -> None:
    """
    Have the agent *main* a log with a line of each of *sources*.
    """
    lines = [
        {"id": number, "created_at": "2026-11-22T08:36:52Z", "level": "info", "source_id": source}
        for number, source in enumerate(sources, 1)
    ]
    responses.upsert("GET", f"{API}/workspaceagents/{id_of('main')}/logs", json=lines)


@responses.activate
def test_an_agent_has_its_name_and_states_as_last_read(client: Client) -> None:
    """
    They are those of its data, also after it was read again.
    """
    agent = found(client)
    assert (agent.name, agent.status, agent.lifecycle_state) == ("main", "connected", "ready")
    assert type(agent.status) is WorkspaceAgentStatus
    assert type(agent.lifecycle_state) is WorkspaceAgentLifecycle

    changed = {**agent_document("main"), "status": "disconnected", "lifecycle_state": "off"}
    responses.upsert("GET", f"{API}/workspaceagents/{agent.id}", json=changed)
    agent.refresh()
    assert (agent.name, agent.status, agent.lifecycle_state) == ("main", "disconnected", "off")


@responses.activate
def test_an_agent_equals_itself_however_it_was_found(client: Client) -> None:
    """
    It does so found by its name or by its UUID, through another client, before and after it was
    read again.
    """
    one, other = found(client), Client(URL, f"{TOKEN}2").agent(id_of("main"))
    assert one == other
    assert hash(one) == hash(other)
    assert {one: 1}[other] == 1
    one.refresh()
    assert one == other


def test_other_agents_are_not_equal(client: Client) -> None:
    """
    One of another id, one of another deployment, and anything that is no agent differ.
    """
    data = WorkspaceAgent(id=uuid.uuid4(), name="main")
    agent = client._agent(data, None)
    elsewhere = Client("https://other.example.com", TOKEN)._agent(data, None)

    assert agent != client._agent(attrs.evolve(data, id=uuid.uuid4()), None)
    assert agent != elsewhere
    assert agent != agent.id
    assert len({agent, elsewhere}) == 2


@responses.activate
def test_a_line_knows_the_name_of_its_source(client: Client) -> None:
    """
    It writes it into its text; of a source that the agent's data does not have it is empty.
    """
    known, unknown = str(uuid.uuid4()), str(uuid.uuid4())
    has_log(known, unknown)
    agent = found(client, **{known: "Startup"})

    for first, second in (agent.logs(), agent.logs(tail=2)):
        assert (first.source_name, second.source_name) == ("Startup", "")
        assert first.text("main") == "2026-11-22T08:36:52Z [info] [agent.main|Startup] "
        assert first.text("main", "") == "2026-11-22T08:36:52Z [info] [agent.main] "
        assert second.text() == "2026-11-22T08:36:52Z [info] [agent] "
        assert attrs.evolve(first, id=9).source_name == "Startup"


@responses.activate
def test_a_line_that_was_read_before_knows_a_source_that_is_learnt_later(client: Client) -> None:
    """
    A deployment lists a source when it first prints, so an agent may have to be read again.
    """
    source = str(uuid.uuid4())
    has_log(source)
    agent = found(client)
    [line] = agent.logs()
    assert line.source_name == ""

    found(client, **{source: "Dotfiles"})
    agent.refresh()
    assert line.source_name == "Dotfiles"


@responses.activate
@pytest.mark.parametrize("source", ["9f3f4d61-9ff6-4b87-9c12-bac7e52b1338", str(NIL_UUID)])
def test_sources_of_one_id_keep_the_names_that_their_agents_give_them(
    client: Client, source: str
) -> None:
    """
    The lines of each agent have the name that is in its own data, in either order of reading.
    """
    has_log(source)
    names = ("First", "Second", "First")
    lines = [found(client, **{source: name}).logs()[0] for name in names]

    assert [line.source_name for line in lines] == [*names]
    assert [pickle.loads(pickle.dumps(line)).source_name for line in lines] == [*names]
    assert len(set(lines)) == 1, "a name is no part of a line"


@pytest.fixture
def all_names_but_one() -> Iterator[None]:
    """
    Let the process keep all names of sources but one that it may keep.
    """
    before = dict(source_names._shared)
    others = source_names.MAX_SHARED - len(before) - 1
    source_names._shared.update((uuid.UUID(int=number), "other") for number in range(1, others + 1))
    yield
    source_names._shared.clear()
    source_names._shared.update(before)


@responses.activate
def test_more_sources_than_a_process_keeps_have_names_all_the_same(
    client: Client, all_names_but_one: None
) -> None:
    """
    Lines of agents that are read after that are given the names one by one.
    """
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    has_log(first, second)
    agent = found(client, **{first: "First", second: "Second"})

    assert [line.source_name for line in agent.logs()] == ["First", "Second"]
    assert len(source_names._shared) == source_names.MAX_SHARED


def test_lines_of_streams_know_their_sources() -> None:
    """
    This holds for one agent and for several, also where agents of two deployments have sources of
    one id.
    """
    ids = set()
    for name in ("Install", "Configure"):
        with Deployment() as deployment, deployment.client() as client:
            embedded = deployment.add_agent(scripts=[Script("echo a; echo b", name)])
            embedded.wait_started()
            agent = client.agent(embedded.id)
            with agent.follow_logs() as stream:
                lines = [next(stream), next(stream)]
            with client.follow_logs([agent]) as merged:
                lines.append(next(merged).log)
        assert [line.source_name for line in lines] == [name] * 3
        ids |= {line.source_id for line in lines}
    assert len(ids) == 1, "the deployments do not use one id"


@responses.activate
def test_an_id_that_no_line_can_have_is_refused_before_anything_is_sent(client: Client) -> None:
    """
    Ids have 64 bits: a larger one is a ValueError wherever a log begins after an id.
    """
    agent = agent_of(1)

    def several(after: int) -> Any:
        return client.follow_logs([agent], after={agent.id: after})

    def named(after: int) -> Any:
        return agent.follow_logs(after, source="Unknown")

    for read in (agent.logs, agent.follow_logs, named, several):
        with pytest.raises(
            ValueError, match=r"after must be an id, which is below 2\*\*63, not 92"
        ):
            read(2**63)
    assert len(responses.calls) == 0

    responses.get(f"{API}/workspaceagents/{agent.id}/logs", json=[])
    assert agent.logs(2**63 - 1) == []


COPIES: list[Callable[[Any], Any]] = [
    lambda value: pickle.loads(pickle.dumps(value)),
    lambda value: pickle.loads(pickle.dumps(value, 2)),
    copy.copy,
    copy.deepcopy,
]


def content(value: Any) -> Any:
    """
    Return what of *value* is compared: a completed process of `subprocess` equals only itself.
    """
    if isinstance(value, coder_agents.Results):
        return dict(value.results), repr(value.failures)
    return vars(value) if isinstance(value, coder_agents.CompletedCommand) else value


@pytest.mark.parametrize("value", samples(), ids=lambda value: type(value).__name__)
def test_every_result_can_be_pickled_and_copied(value: Any) -> None:
    """
    The copy is equal, of the same class and with the same text.
    """
    for made in (make(value) for make in COPIES):
        assert type(made) is type(value)
        assert content(made) == content(value)
        assert str(made) == str(value)


COMMAND_ERRORS = [
    coder_agents.CommandError("failed", returncode=-9, cmd=["make"], output=b"out", stderr=b"err"),
    coder_agents.CommandTimeoutError("late", cmd="make", timeout=2.5, output="out", stderr=None),
    coder_agents.CommandLostError("lost", job_id="id", started=True),
    coder_agents.JobNotFoundError("gone", job_id="id"),
]


@pytest.mark.parametrize("error", COMMAND_ERRORS, ids=str)
def test_an_error_of_a_command_keeps_what_it_reports(error: CoderError) -> None:
    """
    A copy has the text, which is that of no error of `subprocess`, and every attribute.
    """
    text = str(error)
    assert text in {"failed", "late", "lost", "gone"}
    for made in (make(error) for make in COPIES):
        assert type(made) is type(error)
        assert (str(made), vars(made)) == (text, vars(error))


def test_the_results_are_all_there() -> None:
    """
    Each public class is tried above, or is an error, or one of those that hold connections.
    """
    public = {
        getattr(module, name)
        for module in (coder_agents, schema, streams)
        for name in module.__all__
    }
    classes = {each for each in public if isinstance(each, type)}
    errors = {cls for cls in classes if issubclass(cls, CoderError)}
    words = {cls for cls in classes if issubclass(cls, enum.Enum)}
    following = {cls for cls in classes if issubclass(cls, streams.Stream)}
    searches = {coder_agents.AgentSequence, coder_agents.WorkspaceSequence}
    open_ones = {Client, coder_agents.Job, coder_agents.Terminal, *following, *searches}
    assert classes - errors - words - open_ones == {
        type(value) for value in samples() if not isinstance(value, enum.Enum)
    }


def test_results_keep_their_order_and_their_failures() -> None:
    """
    Whoever unpickles it finds the same by agent and by UUID, and the same errors.
    """
    whole = results()
    for made in (make(whole) for make in COPIES):
        assert list(made.results) == [agent_of(1)]
        assert made[uuid.UUID(int=1)] == made[agent_of(1)] == [WorkspaceAgentMetadata()]
        assert list(made.failures) == [agent_of(2)]
        assert str(made.failures[agent_of(2)]) == "gone"
        assert repr(made) == repr(whole)


ERRORS = [
    cls
    for name in coder_agents.__all__
    if isinstance(cls := getattr(coder_agents, name), type) and issubclass(cls, CoderError)
]


@pytest.mark.parametrize("cls", ERRORS)
def test_every_error_can_be_pickled_and_copied(cls: type[CoderError]) -> None:
    """
    Errors are results too: of an agent in `failures`, of a task in another process.
    """
    error = cls("text")
    error.bookmark = "1:…"
    for made in (make(error) for make in COPIES):
        assert type(made) is cls
        assert str(made) == str(error)
        assert vars(made) == vars(error)


def test_a_line_keeps_the_name_of_its_source_in_another_process() -> None:
    """
    A pickle carries it, and does not change what this process knows of the source.
    """
    source_names.share(LINE.source_id, "Install")
    text = pickle.dumps([LINE, LINE])
    del source_names._shared[LINE.source_id]
    assert LINE.source_name == ""

    lines = pickle.loads(text)
    assert [line.source_name for line in lines] == ["Install", "Install"]
    assert lines == [LINE, LINE]
    assert to_json(lines[0]) == to_json(LINE)
    assert "Install" not in repr(lines[0])


def test_a_stream_is_neither_pickled_nor_copied() -> None:
    """
    It holds a connection: a TypeError says so, and the stream goes on.
    """
    with Deployment() as deployment, deployment.client() as client:
        embedded = deployment.add_agent()
        embedded.wait_started()
        embedded.push_logs("one")
        with client.agent(embedded.id).follow_logs() as stream:
            for make in COPIES:
                with pytest.raises(TypeError, match="a LogStream cannot be pickled or copied"):
                    make(stream)
            assert next(stream).output == "one"
