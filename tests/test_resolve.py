"""
From names, UUIDs and searches to agents and workspaces.
"""

from __future__ import annotations

import json
import pickle
import traceback
import uuid
from typing import Any

import attrs
import pytest
import requests
import responses
from responses.matchers import query_param_matcher
from workspaces import WORKSPACE, agent_document, id_of, workspace_document

from coder_agents import (
    AgentNotFoundError,
    AmbiguousAgentError,
    AuthenticationError,
    BadRequestError,
    Client,
    CoderError,
    DecodeError,
    FindingError,
    NoAgentsError,
    NotFoundError,
    OwnerNotFoundError,
    ServerError,
    TransportError,
    WorkspaceFailedError,
    WorkspaceNotFoundError,
    WorkspacePendingError,
    WorkspaceStoppedError,
)

URL = "https://coder.example.com"
API = f"{URL}/api/v2"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
ID = uuid.UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
NO_AGENT = "Agent doesn't exist with that id, or you do not have access to it."
NO_RESOURCE = "Resource not found or you do not have access to this resource"

MAIN = agent_document("main")
GPU = agent_document("gpu")
SUB = agent_document("web", parent="main")
SECOND_SUB = agent_document("db", parent="main")

FORMS = (
    "; an agent is named [owner/]workspace[.agent], such as dev, dev.main or alice/dev.main,"
    " or by a UUID such as 6ba7b810-9dad-11d1-80b4-00c04fd430c8"
)
LONG = "a" * 32
JSON = "application/json"
START = "start it: pass start=True to client.wait_ready, or run: coder start tester/dev"


@pytest.fixture
def client() -> Client:
    """
    A client of a deployment that `responses` plays.
    """
    return Client(URL, TOKEN, retries=0)


@attrs.frozen
class Row:
    """
    A name, the workspace that the deployment has, and the agent or the error.
    """

    ref: str
    workspace: dict[str, Any]
    finds: str = ""
    raises: type[FindingError] = FindingError
    text: str = ""
    path: str = "/users/me/workspace/dev"


def row(
    ref: str,
    *agents: dict[str, Any],
    finds: str,
    path: str = Row("", {}).path,
    name: str = "dev",
) -> Row:
    """
    Return a row of a running workspace of the owner in *path*, in which the agent called *finds* is
    meant.
    """
    workspace = owned(workspace_document(*agents, name=name), path)
    return Row(ref, workspace, finds, path=path)


def owned(workspace: dict[str, Any], path: str) -> dict[str, Any]:
    """
    Return *workspace* as it is where its owner is the one in *path*: a name, an id, or ``me``.
    """
    owner = path.split("/")[2]
    key = "owner_id" if owner == str(ID) else "owner_name"
    return workspace if owner == "me" else {**workspace, key: owner}


def state(raises: type[FindingError], text: str, *, ref: str = "dev", **parts: Any) -> Row:
    """
    Return a row of a workspace without agents.
    """
    return Row(ref, workspace_document(**parts), raises=raises, text=text)


def unclear(
    ref: str, *agents: dict[str, Any], raises: type[FindingError], text: str, **parts: Any
) -> Row:
    """
    Return a row of a workspace in which no one agent is meant.
    """
    return Row(ref, workspace_document(*agents, **parts), raises=raises, text=text)


FOUND = [
    row("dev", MAIN, finds="main"),
    row("dev.main", MAIN, finds="main"),
    row("me/dev", MAIN, finds="main"),
    row("me/dev.main", MAIN, finds="main"),
    row("tester/dev", MAIN, finds="main", path="/users/tester/workspace/dev"),
    row("alice/dev.gpu", MAIN, GPU, finds="gpu", path="/users/alice/workspace/dev"),
    row(f"{ID}/dev", MAIN, finds="main", path=f"/users/{ID}/workspace/dev"),
    row("DEV", MAIN, finds="main", path="/users/me/workspace/DEV"),
    row("d-e-v-2", MAIN, finds="main", path="/users/me/workspace/d-e-v-2", name="d-e-v-2"),
    row("me/" + "a" * 32, MAIN, finds="main", path=f"/users/me/workspace/{LONG}", name=LONG),
    row("123", MAIN, finds="main", path="/users/me/workspace/123", name="123"),
    row("dev.MAIN", MAIN, finds="main"),
    row("dev.main", agent_document("Main"), MAIN, finds="main"),
    row("dev.my_agent", agent_document("my_agent"), finds="my_agent"),
    row("dev.a-1", agent_document("a-1"), MAIN, finds="a-1"),
    # As the dashboard, ssh and Coder Connect show names.
    row("@alice/dev", MAIN, finds="main", path="/users/alice/workspace/dev"),
    row("@alice/dev.gpu", MAIN, GPU, finds="gpu", path="/users/alice/workspace/dev"),
    row("@me/dev", MAIN, finds="main"),
    row("alice--dev", MAIN, finds="main", path="/users/alice/workspace/dev"),
    row("alice--dev.gpu", MAIN, GPU, finds="gpu", path="/users/alice/workspace/dev"),
    row("alice--dev--gpu", MAIN, GPU, finds="gpu", path="/users/alice/workspace/dev"),
    row("alice/dev--gpu", MAIN, GPU, finds="gpu", path="/users/alice/workspace/dev"),
    row("dev.a--b", agent_document("a--b"), MAIN, finds="a--b"),
    row("dev.coder", MAIN, finds="main"),
    row("dev.coder", MAIN, SUB, finds="main"),
    row("DEV.CODER", MAIN, finds="main", path="/users/me/workspace/DEV"),
    row("alice--dev.coder", MAIN, finds="main", path="/users/alice/workspace/dev"),
    row("alice--dev--gpu.coder", MAIN, GPU, finds="gpu", path="/users/alice/workspace/dev"),
    row("gpu.dev.alice.coder", MAIN, GPU, finds="gpu", path="/users/alice/workspace/dev"),
    row("gpu.dev.me.coder", MAIN, GPU, finds="gpu"),
    # An agent of that name is meant first: the form of this package goes before the others.
    row("dev.coder", MAIN, agent_document("coder"), finds="coder"),
    row("dev.Coder", MAIN, agent_document("coder"), finds="coder"),
    row("coder.dev.me.coder", MAIN, agent_document("coder"), finds="coder"),
    row("coder.coder", MAIN, finds="main", path="/users/me/workspace/coder", name="coder"),
    # Several agents, and one of them is the template's own.
    row("dev", MAIN, SUB, finds="main"),
    row("dev", SUB, SECOND_SUB, MAIN, finds="main"),
    row("dev.web", MAIN, SUB, finds="web"),
    # One agent is the one that is meant, whatever it is.
    row("dev", SUB, finds="web"),
    # Agents of several resources.
    Row("dev.gpu", workspace_document(MAIN, resources=[{}, {"agents": [GPU]}]), "gpu"),
    # A build that failed, or is not through, can list an agent all the same.
    Row("dev", workspace_document(MAIN, status="failed", error="exit status 1"), "main"),
    Row("dev", workspace_document(MAIN, status="stopping", transition="stop"), "main"),
    Row("dev", workspace_document(MAIN, status="stopped", transition="stop"), "main"),
]

UNCLEAR = [
    state(
        WorkspaceStoppedError,
        f"workspace tester/dev is stopped; {START}",
        status="stopped",
        transition="stop",
    ),
    state(
        WorkspaceStoppedError,
        f"workspace tester/dev is stopped; {START}",
        ref="dev.main",
        status="stopped",
        transition="stop",
    ),
    state(
        WorkspaceStoppedError,
        r"workspace x; y\x1b/dev is stopped; start it: pass start=True to client.wait_ready, or run: coder start 'x; y\x1b/dev'",
        owner="x; y\x1b",
        status="stopped",
    ),
    state(
        WorkspacePendingError,
        "workspace tester/dev is pending and lists no agents; try again when its build has ended",
        status="pending",
    ),
    state(
        WorkspacePendingError,
        "workspace tester/dev is starting and lists no agents; try again when its build has ended",
        status="starting",
    ),
    state(
        WorkspacePendingError,
        "workspace tester/dev is canceling and lists no agents; try again when its build has ended",
        status="canceling",
    ),
    state(
        WorkspacePendingError,
        f"workspace tester/dev is pending and lists no agents; when its build has ended, {START}",
        status="pending",
        transition="stop",
    ),
    state(
        WorkspacePendingError,
        f"workspace tester/dev is stopping and lists no agents; when its build has ended, {START}",
        status="stopping",
        transition="stop",
    ),
    state(
        WorkspacePendingError,
        "workspace tester/dev is deleting and lists no agents; it is being deleted",
        status="deleting",
        transition="delete",
    ),
    state(
        WorkspaceFailedError,
        "the latest build of workspace tester/dev, number 3 (start), failed: exit status 1;"
        f" {START}",
        status="failed",
        error="exit status 1",
    ),
    state(
        WorkspaceFailedError,
        rf"the latest build of workspace tester/dev, number 3 (stop), failed: a\x0a\x1b[2J; {START}",
        status="failed",
        transition="stop",
        error="a\n\x1b[2J",
    ),
    state(
        WorkspaceFailedError,
        f"the latest build of workspace tester/dev, number 3 (start), was canceled; {START}",
        status="canceled",
    ),
    state(WorkspaceNotFoundError, "workspace tester/dev was deleted", status="deleted"),
    state(
        NoAgentsError,
        "workspace tester/dev (running) has no agents: its template has none",
    ),
    state(
        NoAgentsError,
        "workspace tester/dev (running) has no agents: its template has none",
        resources=[{"type": "volume"}, {"type": "machine", "agents": []}],
    ),
    state(
        NoAgentsError,
        r"workspace tester/dev (asleep\x07) has no agents: its template has none",
        status="asleep\x07",
    ),
    unclear(
        "dev",
        MAIN,
        GPU,
        raises=AmbiguousAgentError,
        text="workspace tester/dev has several agents; name one of them: tester/dev.main, tester/dev.gpu",
    ),
    unclear(
        "dev",
        MAIN,
        GPU,
        SUB,
        raises=AmbiguousAgentError,
        text="workspace tester/dev has several agents; name one of them:"
        " tester/dev.main, tester/dev.gpu, tester/dev.web",
    ),
    unclear(
        "dev",
        SUB,
        SECOND_SUB,
        raises=AmbiguousAgentError,
        text="workspace tester/dev has several agents; name one of them: tester/dev.web, tester/dev.db",
    ),
    unclear(
        "dev.main",
        agent_document("Main"),
        agent_document("MAIN"),
        GPU,
        raises=AmbiguousAgentError,
        text="workspace tester/dev has several agents; name one of them: tester/dev.Main, tester/dev.MAIN",
    ),
    unclear(
        "dev.mian",
        MAIN,
        raises=AgentNotFoundError,
        text="workspace tester/dev has no agent mian; it has: main",
    ),
    unclear(
        "dev.x",
        MAIN,
        agent_document("e\x1b[1m"),
        owner="alice",
        raises=AgentNotFoundError,
        text=r"workspace alice/dev has no agent x; it has: main, e\x1b[1m",
    ),
]


@responses.activate
@pytest.mark.parametrize("row", FOUND, ids=lambda row: row.ref)
def test_a_name_finds_its_agent_in_one_call(client: Client, row: Row) -> None:
    """
    The agent is what the workspace says of it, and remembers the workspace.
    """
    responses.get(API + row.path, json=row.workspace)
    agent = client.agent(row.ref)
    assert (agent.id, agent.data.name) == (id_of(row.finds), row.finds)
    assert agent.workspace is not None
    assert agent.workspace.id == WORKSPACE
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("row", UNCLEAR, ids=lambda row: f"{row.raises.__name__}-{row.ref}")
def test_a_name_that_finds_none_says_why_and_what_would_be_right(client: Client, row: Row) -> None:
    """
    Each state has its class, which can be caught, sent to another process, and asked.
    """
    responses.get(API + row.path, json=row.workspace)
    with pytest.raises(FindingError) as raised:
        client.agent(row.ref)
    error = raised.value
    assert (type(error), str(error)) == (row.raises, row.text)
    assert isinstance(error, LookupError)
    assert not isinstance(error, requests.HTTPError)
    assert error.workspace is not None
    assert error.workspace.id == WORKSPACE
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is row.raises
    assert (str(copy), vars(copy)) == (row.text, vars(error))
    assert len(responses.calls) == 1


MALFORMED = {
    "": "has no workspace",
    "/": "has no owner",
    "/dev": "has no owner",
    "me/": "has no workspace",
    ".main": "has no workspace",
    "me/.main": "has no workspace",
    "dev.": "has no agent",
    "me/dev/main": "has more than one '/'",
    "dev.main.x": "has more than one '.' after the workspace",
    "al.ice/dev": "has '.' in the name of its owner, but names are letters, digits, '-' and '_'",
    " dev": "has ' ' in the name of its workspace, but names are letters, digits, '-' and '_'",
    "dev\n": r"has '\n' in the name of its workspace, but names are letters, digits, '-' and '_'",
    "dev.ma in": "has ' ' in the name of its agent, but names are letters, digits, '-' and '_'",
    "dév": "has 'é' in the name of its workspace, but names are letters, digits, '-' and '_'",
    "dev?x=1": "has '?' in the name of its workspace, but names are letters, digits, '-' and '_'",
    "al@me/dev": "has '@' in the name of its owner, but names are letters, digits, '-' and '_'",
    "@@me/dev": "has '@' in the name of its owner, but names are letters, digits, '-' and '_'",
    "dev@me": "has '@' in the name of its workspace, but names are letters, digits, '-' and '_'",
    "@alice": "has no workspace",
    "@alice/": "has no workspace",
    "@/dev": "has no owner",
    "@alice/dev/main": "has more than one '/'",
    "--dev": "has no owner",
    "alice--": "has no workspace",
    "alice--dev--": "has no agent",
    "alice--dev.main.x": "has more than one '.' after the workspace",
    ".coder": "has no workspace",
    "..coder": "has more than one '.' after the workspace",
    "dev.main.coder": "has more than one '.' after the workspace",
    "main.dev..coder": "has no owner",
    "main..alice.coder": "has no workspace",
    ".dev.alice.coder": "has no agent",
    "x.main.dev.alice.coder": "has more than one '.' after the workspace",
    "main.dev.alice.corp": "has more than one '.' after the workspace",
    "alice/dev.main.coder": "has more than one '.' after the workspace",
}


@pytest.mark.parametrize("ref", MALFORMED)
def test_what_can_be_no_name_is_refused_before_any_io(client: Client, ref: str) -> None:
    """
    The error says what is wrong and what would be right.
    """
    for find in (client.agent, client.workspace):
        with pytest.raises(ValueError, match="an agent is named") as raised:
            find(ref)
        assert str(raised.value) == f"{ref!r} {MALFORMED[ref]}{FORMS}"


def test_a_workspace_is_not_named_with_an_agent(client: Client) -> None:
    """
    The error is raised before any I/O.
    """
    text = "names an agent; without .main, it names the workspace:"
    with pytest.raises(ValueError, match=f"'dev.main' {text} me/dev"):
        client.workspace("dev.main")
    with pytest.raises(ValueError, match=f"'main.dev.alice.coder' {text} alice/dev"):
        client.workspace("main.dev.alice.coder")


@responses.activate
@pytest.mark.parametrize(
    ("ref", "path"),
    [
        ("@alice/dev", "/users/alice/workspace/dev"),
        ("alice--dev", "/users/alice/workspace/dev"),
        ("dev.coder", "/users/me/workspace/dev"),
    ],
)
def test_a_workspace_is_named_as_other_programs_show_it(
    client: Client, ref: str, path: str
) -> None:
    """
    Its host name, which names no agent, leads to it as well.
    """
    responses.get(API + path, json=owned(workspace_document(MAIN), path))
    assert client.workspace(ref).id == WORKSPACE


@responses.activate
def test_an_agent_is_no_workspace(client: Client) -> None:
    """
    The error names what the agent has instead: its workspace.
    """
    responses.get(f"{API}/workspaceagents/{MAIN['id']}", json=MAIN)
    agent = client.agent(MAIN["id"])
    for call in (client.workspace, client.timeline, client.start_workspace, client.build_logs):
        with pytest.raises(TypeError, match=r"such as agent\.workspace; .* class Agent"):
            call(agent)  # type: ignore[arg-type]


@pytest.mark.parametrize("ref", [None, 5, b"dev"])
def test_names_are_text(client: Client, ref: Any) -> None:
    """
    None, a number and bytes are refused before any I/O.
    """
    for find in (client.agent, client.workspace):
        with pytest.raises(TypeError, match=f"by an object of the class {type(ref).__name__}"):
            find(ref)
    if ref is not None:
        for search in (client.agents, client.workspaces):
            with pytest.raises(TypeError, match=f"not a {type(ref).__name__}"):
                search(ref)


@responses.activate
@pytest.mark.parametrize(
    ("ref", "owner", "near", "text"),
    [
        ("dve", "me", ("dev",), "no workspace dve: {}; similar names: dev"),
        ("OTHERS", "me", ("Other",), "no workspace OTHERS: {}; similar names: Other"),
        (
            "al/dev3",
            "al",
            ("dev", "dev2"),
            "no workspace al/dev3: {}; similar names: al/dev, al/dev2",
        ),
        ("xyz", "me", (), "no workspace xyz: {}"),
        ("lob.main", "me", ("\x1blob",), r"no workspace lob: {}; similar names: \x1blob"),
    ],
)
def test_a_workspace_that_is_not_there_is_told_with_near_names(
    client: Client, ref: str, owner: str, near: tuple[str, ...], text: str
) -> None:
    """
    The names are of the same owner's workspaces and take one more request; what the server said is
    kept.
    """
    name = ref.rpartition("/")[2].partition(".")[0]
    path = f"{API}/users/{owner}/workspace/{name}"
    responses.get(path, json={"message": NO_RESOURCE}, status=404)
    found = [workspace_document(name=each) for each in ("dev", "dev2", "Other", "\x1blob")]
    match = [query_param_matcher({"q": f"owner:{owner}", "limit": "100"})]
    responses.get(f"{API}/workspaces", json={"count": 4, "workspaces": found}, match=match)
    with pytest.raises(WorkspaceNotFoundError) as raised:
        client.agent(ref)
    error = raised.value
    assert (error.near, str(error)) == (near, text.format(NO_RESOURCE))
    assert error.workspace is None
    assert len(traceback.format_exception(error)) == len(
        traceback.format_exception(error, chain=False)
    )
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
    assert len(responses.calls) == 2


@responses.activate
def test_near_names_that_cannot_be_had_hide_nothing(client: Client) -> None:
    """
    The error is the same, without them.
    """
    responses.get(
        f"{API}/users/me/workspace/dev", json={"message": f"{NO_RESOURCE}\x1b"}, status=404
    )
    responses.get(f"{API}/workspaces", json={"message": "no"}, status=500)
    with pytest.raises(WorkspaceNotFoundError) as raised:
        client.workspace("dev")
    assert (str(raised.value), raised.value.near) == (rf"no workspace dev: {NO_RESOURCE}\x1b", ())


@responses.activate
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 401, "json": {"message": "no"}}, AuthenticationError),
        ({"status": 500, "json": {"message": "no"}}, ServerError),
        ({"status": 404, "body": "<html>", "content_type": "text/html"}, NotFoundError),
        ({"body": requests.ConnectionError("away")}, TransportError),
    ],
)
def test_other_failures_are_no_missing_workspace(
    client: Client, answer: Any, error: type[CoderError]
) -> None:
    """
    A 404 of a proxy in between says nothing of a workspace.
    """
    responses.get(f"{API}/users/me/workspace/dev", **answer)
    responses.get(f"{API}/workspaceagents/{ID}", **answer)
    responses.get(f"{API}/workspaces/{WORKSPACE}", **answer)
    for find in (
        lambda: client.agent("dev"),
        lambda: client.agent(ID),
        lambda: client.workspace(WORKSPACE),
    ):
        with pytest.raises(error) as raised:
            find()
        assert type(raised.value) is error
    assert len(responses.calls) == 3


@responses.activate
def test_the_uuid_of_an_agent_finds_it_in_one_call(client: Client) -> None:
    """
    Its workspace cannot be learnt.
    """
    responses.get(f"{API}/workspaceagents/{ID}", json={**MAIN, "id": str(ID)})
    agent = client.agent(ID)
    assert (agent.id, agent.workspace) == (ID, None)
    assert repr(agent) == f"<Agent main {ID} connected ready>"
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("form", [WORKSPACE, str(WORKSPACE), WORKSPACE.hex])
def test_the_uuid_of_a_workspace_finds_its_agent_in_two_calls(
    client: Client, form: uuid.UUID | str
) -> None:
    """
    Agents are tried first; the rest is as if the workspace had been named.
    """
    responses.get(f"{API}/workspaceagents/{WORKSPACE}", json={"message": NO_AGENT}, status=404)
    responses.get(f"{API}/workspaces/{WORKSPACE}", json=workspace_document(MAIN, SUB))
    responses.get(f"{API}/workspaces/{WORKSPACE}", json=workspace_document(status="stopped"))
    agent = client.agent(form)
    assert agent.id == id_of("main")
    assert agent.workspace is not None
    assert agent.workspace.id == WORKSPACE
    assert len(responses.calls) == 2
    with pytest.raises(WorkspaceStoppedError) as raised:
        client.agent(form)
    assert raised.value.__context__ is None


@responses.activate
@pytest.mark.parametrize("status", [404, 410])
def test_a_uuid_of_neither_is_the_agents_error(client: Client, status: int) -> None:
    """
    A note says that no workspace has the UUID either, or had it.
    """
    responses.get(f"{API}/workspaceagents/{ID}", json={"message": NO_AGENT}, status=404)
    responses.get(f"{API}/workspaces/{ID}", json={"message": "No\x1bway"}, status=status)
    with pytest.raises(NotFoundError) as raised:
        client.agent(ID)
    assert raised.value.message == NO_AGENT
    assert raised.value.__notes__ == [
        rf"it is not the UUID of a workspace either: no workspace {ID}: No\x1bway"
    ]
    with pytest.raises(WorkspaceNotFoundError, match=f"no workspace {ID}"):
        client.workspace(ID)


@responses.activate
def test_an_agent_is_shown_with_its_workspace_and_keeps_it(client: Client) -> None:
    """
    Escaped, and still after it was read again.
    """
    responses.get(f"{API}/users/me/workspace/dev", json=workspace_document(MAIN, owner="t\x1b"))
    agent = client.agent("dev")
    assert repr(agent) == rf"<Agent t\x1b/dev.main {id_of('main')} connected ready>"
    workspace = agent.workspace
    responses.get(f"{API}/workspaceagents/{agent.id}", json={**MAIN, "lifecycle_state": "off"})
    assert agent.refresh().lifecycle_state == "off"
    assert agent.workspace is workspace


@responses.activate
def test_a_workspace_is_read_as_it_is(client: Client) -> None:
    """
    A name with or without its owner leads to it, or a UUID, also where it has no agents.
    """
    stopped = workspace_document(status="stopped", owner="alice")
    responses.get(f"{API}/users/me/workspace/dev", json=stopped)
    responses.get(f"{API}/users/alice/workspace/dev", json=stopped)
    responses.get(f"{API}/workspaces/{WORKSPACE}", json=stopped)
    for ref in ("dev", "me/dev", "alice/dev", WORKSPACE, str(WORKSPACE)):
        workspace = client.workspace(ref)
        assert (workspace.id, workspace.latest_build.status) == (WORKSPACE, "stopped")
    assert len(responses.calls) == 5


def page(query: str, offset: int, names: list[str], count: int) -> None:
    """
    Have a page of a search answered.
    """
    found = [
        workspace_document(agent_document(f"of-{each}"), SUB, name=each, id=id_of(each))
        for each in names
    ]
    match = [query_param_matcher({"q": query, "limit": "100", "offset": str(offset)})]
    responses.get(f"{API}/workspaces", json={"workspaces": found, "count": count}, match=match)


@responses.activate
def test_a_search_reads_its_first_page_at_once_and_the_others_when_needed(client: Client) -> None:
    """
    It requests one page at a time.
    """
    page("owner:me", 0, ["a", "b"], 3)
    page("status:running", 0, ["c"], 1)
    agents, workspaces = client.agents(), client.workspaces("status:running")
    assert len(responses.calls) == 2
    assert agents[0].data.name == "of-a"
    assert workspaces[0].name == "c"
    assert len(responses.calls) == 2
    page("owner:me", 2, ["c"], 3)
    assert [agent.data.name for agent in agents[4:5]] == ["of-c"]
    assert len(responses.calls) == 3


@responses.activate
def test_all_pages_of_a_search_are_read(client: Client) -> None:
    """
    Each agent once, the workspace's sub-agents too, whatever moves from page to page meanwhile.
    """
    page("owner:me", 0, ["a", "b"], 4)
    page("owner:me", 2, ["b", "c"], 4)
    agents = list(client.agents())
    assert [agent.data.name for agent in agents] == [
        *("of-a", "web"),
        *("of-b", "web"),
        *("of-c", "web"),
    ]
    assert [agent.workspace.name for agent in agents if agent.workspace] == list("aabbcc")
    assert len(responses.calls) == 2


@responses.activate
@pytest.mark.parametrize("query", ["", "name:x status:running"])
def test_a_search_is_sent_as_it_is(client: Client, query: str) -> None:
    """
    An empty one finds what the token's user may see; a page that is empty is the last.
    """
    page(query, 0, ["a"], 9)
    page(query, 1, [], 9)
    found = client.workspaces(query)
    assert len(found) == 9
    assert [workspace.name for workspace in found] == ["a"]
    assert len(found) == 1


@responses.activate
def test_a_search_that_is_not_understood_is_a_bad_request(client: Client) -> None:
    """
    The error has the key that is wrong.
    """
    problem = {"field": "bogus", "detail": '"bogus" is not a valid query param'}
    answer = {"message": "Invalid workspace search query.", "validations": [problem]}
    responses.get(f"{API}/workspaces", json=answer, status=400)
    for search in (client.workspaces, client.agents):
        with pytest.raises(BadRequestError) as raised:
            search("bogus:me")
        assert raised.value.validations == (("bogus", problem["detail"]),)


NO_USER = '"user" must be an existing uuid or username.'


@responses.activate
@pytest.mark.parametrize("find", ["agent", "workspace"])
def test_an_owner_who_is_not_there_is_a_finding_error(client: Client, find: str) -> None:
    """
    The deployment answers 400; the error has the owner's name, and its traceback one exception.
    """
    path = f"{API}/users/nobody/workspace/dev"
    responses.get(path, json={"message": NO_USER, "detail": "queried"}, status=400)
    with pytest.raises(OwnerNotFoundError) as raised:
        getattr(client, find)("nobody/dev")
    error = raised.value
    assert (str(error), error.owner) == (f"no owner nobody: {NO_USER}", "nobody")
    assert isinstance(error, FindingError)
    assert "".join(traceback.format_exception(error)).count("Traceback") == 1
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"message": "Another reason."}},
        {"body": f"<html>{NO_USER}", "content_type": "text/html"},
    ],
)
def test_another_bad_request_is_no_missing_owner(client: Client, answer: Any) -> None:
    """
    A page of something in between is no missing owner either.
    """
    responses.get(f"{API}/users/nobody/workspace/dev", status=400, **answer)
    with pytest.raises(BadRequestError):
        client.workspace("nobody/dev")


@responses.activate
def test_an_answer_about_another_one_is_an_error(client: Client) -> None:
    """
    About another agent or another workspace than the one that was requested.
    """
    other = {**MAIN, "id": str(ID)}
    responses.get(f"{API}/users/me/workspace/dev", json=workspace_document(MAIN))
    agent = client.agent("dev")
    responses.get(f"{API}/workspaceagents/{agent.id}", json=other)
    responses.get(f"{API}/workspaceagents/{WORKSPACE}", json=other)
    responses.get(f"{API}/workspaces/{ID}", json=workspace_document(MAIN))
    responses.get(f"{API}/users/me/workspace/idle", json=workspace_document(MAIN))
    before = agent.data
    for call, path, wanted, found in (
        (agent.refresh, "$.id", str(agent.id), str(ID)),
        (lambda: client.agent(WORKSPACE), "$.id", str(WORKSPACE), str(ID)),
        (lambda: client.workspace(ID), "$.id", str(ID), str(WORKSPACE)),
        (lambda: client.agent("idle"), "$.name", "'idle'", "'dev'"),
    ):
        with pytest.raises(DecodeError, match="the answer is about another object") as raised:
            call()
        error = raised.value
        assert (error.path, error.wanted, error.found) == (path, wanted, found)
        assert error.url.startswith(API)
        assert (error.method, error.by_deployment) == ("GET", True)
        assert str(error).startswith(f"GET {error.url}: ")
    assert agent.data is before


@responses.activate
def test_a_workspace_of_another_owner_is_an_error(client: Client) -> None:
    """
    An owner is compared by name, whatever its case, or by id; an answer without one is believed.
    """
    alice = {**workspace_document(MAIN), "owner_name": "Alice", "owner_id": str(ID)}
    for owner in ("me", "alice", "ALICE", str(ID), ID.hex):
        responses.get(f"{API}/users/{owner}/workspace/dev", json=alice)
        assert client.workspace(f"{owner}/dev").owner_name == "Alice"
    responses.get(f"{API}/users/carol/workspace/dev", json={**alice, "owner_name": ""})
    assert client.workspace("carol/dev").name == "dev"
    for owner in ("bob", str(WORKSPACE)):
        responses.get(f"{API}/users/{owner}/workspace/dev", json=alice)
        with pytest.raises(DecodeError, match="the answer is about another") as raised:
            client.agent(f"{owner}/dev")
        error = raised.value
        assert (error.path, error.wanted, error.found) == (
            "$.owner_name",
            repr(owner),
            "'Alice'",
        )


@responses.activate
@pytest.mark.parametrize("document", [{}, None, {"name": "main"}, {"id": None, "name": "main"}])
def test_an_object_that_is_none_is_not_read_as_one(client: Client, document: Any) -> None:
    """
    What identifies an agent, a workspace, a user or a page of a search has to be in the answer.
    """
    for path in (f"workspaceagents/{ID}", "users/me", "users/me/workspace/dev", "workspaces"):
        responses.get(f"{API}/{path}", body=json.dumps(document), content_type=JSON)
    responses.get(f"{API}/buildinfo", body=json.dumps(document), content_type=JSON)
    calls: dict[str, Any] = {
        "$.id": [lambda: client.agent(ID), client.me, lambda: client.agent("dev")],
        "$.workspaces": [lambda: list(client.workspaces())],
        "$.version": [client.build_info],
    }
    for path, each in calls.items():
        for call in each:
            with pytest.raises(DecodeError) as raised:
                call()
            assert (raised.value.path, raised.value.found) == (path, "nothing")
