"""
Each REST call against what real deployments of two releases answered.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
import responses

from coder_agents import (
    Agent,
    AgentNotConnectedError,
    APIError,
    AuthenticationError,
    BadRequestError,
    BuildEndedError,
    Client,
    ConflictError,
    DevcontainerNotFoundError,
    DevcontainersDisabledError,
    NotFoundError,
    UnsupportedCallError,
    WorkspaceNotFoundError,
)
from coder_agents.schema import (
    Workspace,
    WorkspaceAgentDevcontainer,
    WorkspaceBuild,
    WorkspaceTransition,
    from_json,
    to_json,
)
from coder_agents.workspaces.builds import create_build

pytestmark = pytest.mark.unmeasured

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
QUERY = "workspaces_query"

Recording = dict[str, Any]
Find = Callable[[str, str], Recording]


@pytest.fixture
def replay() -> Any:
    """
    A `responses` mock that fails a test whose recordings were not all asked for.
    """
    with responses.RequestsMock() as mock:
        yield mock


def register(mock: responses.RequestsMock, found: Recording) -> None:
    """
    Make *mock* answer the recorded request as the server did.
    """
    told = found["response"]
    headers = {
        name: value
        for name, value in told["headers"].items()
        if name not in ("Content-Length", "Transfer-Encoding", "Content-Type", "Connection")
    }
    parts = urlsplit(found["request"]["path"])
    mock.add(
        found["request"]["method"],
        URL + parts.path,
        body=told["body"],
        status=told["status"],
        headers=headers,
        content_type=told["headers"].get("Content-Type"),
        match=[responses.matchers.query_string_matcher(parts.query)],
    )


def agent_of(found: Recording, client: Client) -> Agent:
    """
    Return the agent that the recorded request is about, unread.
    """
    agent_id = uuid.UUID(found["request"]["path"].split("/")[4])
    return Agent(agent_id, client._http, client._stream_options, client._capabilities)


@attrs.frozen
class Row:
    """
    One recording, the call that repeats it, and what is the same afterwards.
    """

    name: str
    call: Callable[[Agent, Client], Any]
    expect: Callable[[Any, Any], bool]


def _same_ids(result: Any, body: Any) -> bool:
    return [log.id for log in result] == [line["id"] for line in body]


GOOD = [
    Row("agent_connected", lambda a, _: a.refresh(), lambda r, b: r.name == b["name"]),
    Row("agent_connecting", lambda a, _: a.refresh(), lambda r, b: r.status == b["status"]),
    Row("agent_after_rebuild", lambda a, _: a.refresh(), lambda r, b: str(r.id) == b["id"]),
    Row("logs_after", lambda a, _: a.logs(after=5), _same_ids),
    Row("logs_empty", lambda a, _: a.logs(after=999999), _same_ids),
    Row(
        "listening_ports",
        lambda a, _: a.listening_ports(),
        lambda r, b: [p.port for p in r] == [p["port"] for p in b["ports"]],
    ),
    Row(
        "containers",
        lambda a, _: a.containers(),
        lambda r, b: [c.name for c in r.containers] == [c["name"] for c in b["containers"]],
    ),
    Row(
        "containers_label",
        lambda a, _: a.containers({"team": "b"}),
        lambda r, b: len(r.containers) == len(b["containers"]),
    ),
    Row(
        "containers_label_none",
        lambda a, _: a.containers(labels={"team": "z"}),
        lambda r, b: not r.containers and len(r.devcontainers) == len(b["devcontainers"]),
    ),
    Row("users_me", lambda _, c: c.me(), lambda r, b: r.username == b["username"]),
    Row("buildinfo", lambda _, c: c.build_info(), lambda r, b: r.version == b["version"]),
]


@pytest.mark.parametrize("row", GOOD, ids=lambda row: row.name)
def test_a_call_gives_what_the_server_said(
    recording: Find, release: str, replay: responses.RequestsMock, row: Row
) -> None:
    """
    The recorded request is made, path and query, and its answer is read.
    """
    found = recording(release, row.name)
    register(replay, found)
    client = Client(URL, TOKEN, retries=0)
    agent = Agent(uuid.UUID(int=0), client._http, client._stream_options, client._capabilities)
    if "/workspaceagents/" in found["request"]["path"]:
        agent = agent_of(found, client)
    assert row.expect(row.call(agent, client), json.loads(found["response"]["body"]))


def test_the_whole_log_is_asked_for_without_after(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    The server takes no ``after`` as 0.
    """
    found = recording(release, "logs")
    found["request"]["path"] = found["request"]["path"].removesuffix("?after=0")
    register(replay, found)
    client = Client(URL, TOKEN, retries=0)
    assert _same_ids(agent_of(found, client).logs(), json.loads(found["response"]["body"]))


BAD: list[tuple[str, Callable[[Agent, Client], Any], type[APIError]]] = [
    ("agent_401_bad_token", lambda a, _: a.refresh(), AuthenticationError),
    ("agent_401_no_token", lambda a, _: a.refresh(), AuthenticationError),
    ("agent_404", lambda a, _: a.refresh(), NotFoundError),
    ("me_401_bad_token", lambda _, c: c.me(), AuthenticationError),
    ("listening_ports_400_not_connected", lambda a, _: a.listening_ports(), AgentNotConnectedError),
    ("containers_400_not_connected", lambda a, _: a.containers(), AgentNotConnectedError),
]


@pytest.mark.parametrize(("name", "call", "kind"), BAD, ids=[name for name, _, _ in BAD])
def test_a_refusal_is_the_error_of_its_class(
    recording: Find,
    release: str,
    replay: responses.RequestsMock,
    name: str,
    call: Callable[[Agent, Client], Any],
    kind: type[APIError],
) -> None:
    """
    The error has the server's message, detail and validations.
    """
    found = recording(release, name)
    register(replay, found)
    client = Client(URL, TOKEN, retries=0)
    agent = Agent(uuid.UUID(int=0), client._http, client._stream_options, client._capabilities)
    if "/workspaceagents/" in found["request"]["path"]:
        agent = agent_of(found, client)
    with pytest.raises(kind) as raised:
        call(agent, client)
    told = json.loads(found["response"]["body"])
    assert type(raised.value) is kind
    assert raised.value.message == told["message"]
    assert raised.value.detail == told.get("detail", "")


RAW = [
    ("agent_400_bad_uuid", "GET", "/workspaceagents/notauuid", BadRequestError),
    ("route_404", "GET", "/nope", UnsupportedCallError),
    (
        "signed_token_agpl",
        "POST",
        "/applications/reconnecting-pty-signed-token",
        UnsupportedCallError,
    ),
    ("workspace_by_name_404", "GET", "/users/me/workspace/nope", NotFoundError),
]


@pytest.mark.parametrize(("name", "method", "path", "kind"), RAW, ids=[row[0] for row in RAW])
def test_what_no_method_asks_for_is_told_apart_too(
    recording: Find,
    release: str,
    replay: responses.RequestsMock,
    name: str,
    method: str,
    path: str,
    kind: type[APIError],
) -> None:
    """
    A malformed UUID, a missing route and a missing object are three things.
    """
    register(replay, recording(release, name))
    client = Client(URL, TOKEN, retries=0)
    with pytest.raises(APIError) as raised:
        client._http.call(method, path)
    assert type(raised.value) is kind


def test_validations_are_pairs(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    They are what the server gave for a bad ``after``.
    """
    found = recording(release, "logs_400_after")
    register(replay, found)
    agent = agent_of(found, Client(URL, TOKEN, retries=0))
    with pytest.raises(BadRequestError) as raised:
        agent._http.call("GET", agent._path("logs"), params=[("after", "-1")])
    assert raised.value.validations == (
        ("after", "Must be an integer greater than or equal to zero"),
    )
    assert str(raised.value).endswith("\n\tafter: Must be an integer greater than or equal to zero")


def test_an_upgrade_that_is_wanted_is_told(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    426 has a body that is not JSON.
    """
    found = recording(release, "follow_without_upgrade")
    register(replay, found)
    agent = agent_of(found, Client(URL, TOKEN, retries=0))
    with pytest.raises(APIError, match="unexpected status code 426") as raised:
        agent._http.call("GET", agent._path("logs"), params=[("follow", ""), ("after", "0")])
    assert raised.value.message == 'unexpected non-JSON response "text/plain"'


def devcontainer_of(found: Recording) -> WorkspaceAgentDevcontainer:
    """
    Return a devcontainer with the id that the recorded path names.
    """
    return WorkspaceAgentDevcontainer(id=uuid.UUID(found["request"]["path"].split("/")[7]))


@pytest.mark.parametrize("which", ["dev_ctr", "ab12" * 16, "the name", "the id", "itself"])
def test_recreate_takes_the_route_that_the_deployment_has(
    recording: Find, release: str, replay: responses.RequestsMock, which: str
) -> None:
    """
    It takes a container's id or name, or a devcontainer's; the route is requested once.
    """
    listed = recording(release, "containers")
    by_devcontainer = recording(release, "recreate_by_devcontainer")
    client = Client(URL, TOKEN, retries=0)
    agent = agent_of(listed, client)
    register(replay, listed)
    devcontainer = agent.containers().devcontainers[0]
    old = release == "2.24"
    named: Any = {
        "the name": devcontainer.name,
        "the id": str(devcontainer.id),
        "itself": devcontainer,
    }.get(which, which)
    register(replay, by_devcontainer)
    if old:
        register(replay, recording(release, "recreate_by_container"))
    answer = agent.recreate_devcontainer(named)
    assert answer.message == "Devcontainer recreation initiated"
    asked = [call.request.path_url for call in replay.calls]
    routes = [path for path in asked if path.endswith("/recreate")]
    assert len(routes) == (2 if old else 1)
    assert agent.recreate_devcontainer(named) == answer
    again = [call.request.path_url for call in replay.calls][len(asked) :]
    assert [path for path in again if path.endswith("/recreate")] == routes[-1:]


def test_recreate_of_an_unknown_devcontainer_is_not_found(
    recording: Find, replay: responses.RequestsMock
) -> None:
    """
    Where the deployment has the route, a 404 is a missing object.
    """
    found = recording("2.31", "recreate_by_devcontainer_404")
    register(replay, found)
    agent = agent_of(found, Client(URL, TOKEN, retries=0))
    with pytest.raises(NotFoundError, match="Devcontainer not found"):
        agent.recreate_devcontainer(uuid.UUID(int=0))


def test_recreate_of_an_unknown_container_is_not_found(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    The error names what there is.
    """
    listed = recording(release, "containers")
    register(replay, listed)
    agent = agent_of(listed, Client(URL, TOKEN, retries=0))
    name = json.loads(listed["response"]["body"])["devcontainers"][0]["name"]
    with pytest.raises(
        DevcontainerNotFoundError, match=rf"no devcontainer 'nope'; it lists: '{name}'"
    ):
        agent.recreate_devcontainer("nope")


def test_an_old_deployment_says_not_found_of_a_container(
    recording: Find, replay: responses.RequestsMock
) -> None:
    """
    A devcontainer without a container is asked for by its name, and the answer told.
    """
    found = recording("2.24", "recreate_by_container_404")
    register(replay, found)
    client = Client(URL, TOKEN, retries=0)
    client._capabilities.recreate_by_devcontainer = False
    agent = agent_of(found, client)
    listing = {
        "containers": [],
        "devcontainers": [{"id": str(uuid.UUID(int=7)), "name": "nope"}],
    }
    replay.get(f"{URL}/api/v2/workspaceagents/{agent.id}/containers", json=listing)
    with pytest.raises(NotFoundError, match="Container not found"):
        agent.recreate_devcontainer("nope")


def test_an_agent_is_found_by_its_workspace_s_name(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    The one answer has it, also where the build has failed and its agent is connected.
    """
    found = recording(release, "workspace_by_name")
    register(replay, found)
    agent = Client(URL, TOKEN, retries=0).agent("real.dev")
    assert (agent.data.name, agent.data.status) == ("dev", "connected")
    assert agent.workspace is not None
    assert agent.workspace.name == "real"
    assert len(replay.calls) == 1


def test_an_agent_is_found_by_its_workspace_s_uuid(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    The workspace is read once the deployment has said that no agent has the UUID.
    """
    found, missing = recording(release, "workspace_by_id"), recording(release, "agent_404")
    told = json.loads(found["response"]["body"])
    listed = [agent for each in told["latest_build"]["resources"] for agent in each["agents"]]
    missing["request"]["path"] = f"/api/v2/workspaceagents/{told['id']}"
    register(replay, missing)
    register(replay, found)
    client = Client(URL, TOKEN, retries=0)
    assert str(client.agent(told["id"]).id) == listed[0]["id"]
    assert client.workspace(told["id"]).name == told["name"]


def test_a_workspace_that_is_not_there_is_told(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    The error has the deployment's words and names the workspaces that there are.
    """
    missing, listed = recording(release, "workspace_by_name_404"), recording(release, QUERY)
    listed["request"]["path"] = "/api/v2/workspaces?q=owner%3Ame&limit=100"
    register(replay, missing)
    register(replay, listed)
    with pytest.raises(WorkspaceNotFoundError) as raised:
        Client(URL, TOKEN, retries=0).agent("nope")
    told = json.loads(missing["response"]["body"])["message"]
    assert str(raised.value) == f"no workspace nope: {told}"


def test_agents_are_found_by_a_search(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    Each agent that is found has its workspace.
    """
    found = recording(release, QUERY)
    found["request"]["path"] += "&limit=100&offset=0"
    register(replay, found)
    agents = list(Client(URL, TOKEN, retries=0).agents("owner:me name:real"))
    assert [(agent.workspace and agent.workspace.name, agent.data.name) for agent in agents] == [
        ("real", "dev")
    ]


def test_a_search_that_is_not_understood_is_a_bad_request(
    recording: Find, release: str, replay: responses.RequestsMock
) -> None:
    """
    The error has the words of the deployment.
    """
    found = recording(release, "workspaces_query_400")
    found["request"]["path"] += "&limit=100&offset=0"
    register(replay, found)
    with pytest.raises(BadRequestError) as raised:
        Client(URL, TOKEN, retries=0).workspaces("bogus:me")
    assert raised.value.validations == (("bogus", '"bogus" is not a valid query param'),)


CHANGES: dict[str, Callable[[Agent, WorkspaceAgentDevcontainer], Any]] = {
    "delete": lambda agent, which: agent.delete_devcontainer(which),
    "recreate": lambda agent, which: agent.recreate_devcontainer(which),
}


@pytest.mark.parametrize("name", CHANGES)
def test_devcontainers_that_are_switched_off_are_one_error(
    recording: Find, replay: responses.RequestsMock, name: str
) -> None:
    """
    The list of containers tells it from an agent that is too old.
    """
    found = recording("2.30", f"{name}_404_disabled")
    register(replay, found)
    register(replay, recording("2.30", "containers_403_disabled"))
    agent = agent_of(found, Client(URL, TOKEN, retries=0))
    with pytest.raises(DevcontainersDisabledError) as raised:
        CHANGES[name](agent, devcontainer_of(found))
    assert raised.value.status_code == 404
    assert raised.value.method == found["request"]["method"]
    assert raised.value.url == URL + found["request"]["path"]
    assert "set CODER_AGENT_DEVCONTAINERS_ENABLE=true in your template" in str(raised.value)
    assert TOKEN not in repr(vars(raised.value))


def test_listing_containers_where_they_are_switched_off_is_that_error(
    recording: Find, replay: responses.RequestsMock
) -> None:
    """
    With the deployment's own words.
    """
    found = recording("2.30", "containers_403_disabled")
    register(replay, found)
    with pytest.raises(DevcontainersDisabledError, match="CODER_AGENT_DEVCONTAINERS_ENABLE"):
        agent_of(found, Client(URL, TOKEN, retries=0)).containers()


def test_an_agent_that_is_too_old_for_a_call_is_told_with_its_version(
    recording: Find, replay: responses.RequestsMock
) -> None:
    """
    The deployment has the call, so it is not the deployment that the error speaks of.
    """
    found = recording("2.30", "old_agent_delete_404")
    for each in (found, recording("2.30", "old_agent_containers"), recording("2.30", "old_agent")):
        register(replay, each)
    agent = agent_of(found, Client(URL, TOKEN, retries=0))
    with pytest.raises(UnsupportedCallError) as raised:
        agent.delete_devcontainer(devcontainer_of(found))
    error = raised.value
    assert (error.call, error.since) == ("agent.delete_devcontainer()", "2.30")
    assert (error.agent_version, error.status_code) == ("v0.0.0-devel", 404)
    assert str(error).endswith(
        "agent.delete_devcontainer() came with Coder 2.30, and this agent (v0.0.0-devel, a"
        " development build) does not have it: restart its workspace to update it"
    )


TIMINGS = ["ok", "failed", "timed_out", "running", "with_stop"]


@pytest.mark.parametrize("name", TIMINGS)
def test_timings_are_read_as_the_server_sent_them(
    recording: Find, replay: responses.RequestsMock, name: str
) -> None:
    """
    Every run, with its end and its code.
    """
    found = recording("2.30", f"timings_{name}")
    register(replay, found)
    client = Client(URL, TOKEN, retries=0)
    build = WorkspaceBuild(id=uuid.UUID(found["request"]["path"].split("/")[4]))
    agent = Agent(
        uuid.UUID(int=0),
        client._http,
        client._stream_options,
        client._capabilities,
        workspace=Workspace(latest_build=build),
    )
    timings = agent.build_timings()
    assert json.loads(to_json(timings)) == json.loads(found["response"]["body"])
    assert all(each.duration for each in timings.agent_script_timings)
    assert [each.stage for each in timings.agent_connection_timings] == ["connect"]


def build_in(found: Recording) -> WorkspaceBuild:
    """
    Return the build that the recorded path names.
    """
    return WorkspaceBuild(id=uuid.UUID(found["request"]["path"].split("/")[4]))


@pytest.mark.parametrize("name", ["build_logs", "build_failed_logs"])
def test_the_log_of_a_build_is_read(
    recording: Find, replay: responses.RequestsMock, name: str
) -> None:
    """
    Each recorded line is a line, also where the build has failed.
    """
    found = recording("2.30", name)
    register(replay, found)
    lines = Client(URL, TOKEN, retries=0).build_logs(build_in(found))
    recorded = json.loads(found["response"]["body"])
    assert _same_ids(lines, recorded)
    assert [line.stage for line in lines] == ["Setting up", "Starting workspace", "Cleaning Up"]
    assert all(line.log_source.known and line.log_level.known for line in lines)
    assert json.loads(to_json(lines)) == recorded


@pytest.mark.parametrize("transition", ["start", "stop"])
def test_a_build_is_requested(
    recording: Find, replay: responses.RequestsMock, transition: str
) -> None:
    """
    The body of the request is the recorded one, and the answer is the build.
    """
    found = recording("2.30", f"build_{transition}_201")
    register(replay, found)
    workspace_id = uuid.UUID(found["request"]["path"].split("/")[4])
    http = Client(URL, TOKEN, retries=0)._http
    build = create_build(http, workspace_id, WorkspaceTransition(transition))
    assert json.loads(replay.calls[0].request.body or "") == found["request"]["body"]
    recorded = json.loads(found["response"]["body"])
    assert (str(build.id), build.transition, build.status) == (
        recorded["id"],
        transition,
        "pending",
    )
    assert (build.workspace_owner_name, build.initiator_name) == ("testuser", "testuser")
    assert not build.job.ended


@pytest.mark.parametrize(
    ("name", "transition", "kind"),
    [
        ("build_start_409", "start", ConflictError),
        ("build_400_transition", "restart", BadRequestError),
    ],
)
def test_a_build_that_is_refused_is_the_error_of_its_class(
    recording: Find,
    replay: responses.RequestsMock,
    name: str,
    transition: str,
    kind: type[APIError],
) -> None:
    """
    The error has the deployment's message.
    """
    found = recording("2.30", name)
    register(replay, found)
    workspace_id = uuid.UUID(found["request"]["path"].split("/")[4])
    http = Client(URL, TOKEN, retries=0)._http
    with pytest.raises(kind) as raised:
        create_build(http, workspace_id, WorkspaceTransition(transition))
    assert raised.value.message == json.loads(found["response"]["body"])["message"]


def test_a_build_that_has_ended_is_not_canceled(
    recording: Find, replay: responses.RequestsMock
) -> None:
    """
    The recorded build and the recorded refusal make an error that names both.
    """
    refused, read = recording("2.30", "build_cancel_400"), recording("2.30", "build")
    register(replay, refused)
    register(replay, read)
    with pytest.raises(BuildEndedError) as raised:
        Client(URL, TOKEN, retries=0).cancel_build(build_in(read))
    assert str(raised.value) == (
        "build 3 (start) of testuser/noagent cannot be canceled: Job has already completed!"
        " (succeeded)"
    )


def test_a_failed_build_is_read(recording: Find) -> None:
    """
    Its job has ended, with an error.
    """
    polls = recording("2.30", "build_failed_timeline")["polls"]
    running, failed = (from_json(poll["body"], WorkspaceBuild) for poll in polls)
    assert (running.job.ended, failed.job.ended) == (False, True)
    assert failed.job.error == "terraform apply: exit status 1"
