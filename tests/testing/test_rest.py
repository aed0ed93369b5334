"""
The calls with one answer, tokens, and what is no route.
"""

from __future__ import annotations

import json
import socket
from typing import Any
from uuid import UUID

import pytest
import requests

from coder_agents.schema import BuildInfoResponse, User, Workspace, WorkspaceAgent, from_json
from coder_agents.testing import Deployment


def test_build_info_needs_no_token(deployment: Deployment) -> None:
    """
    It tells the release, which the header of every answer tells too.
    """
    answer = requests.get(f"{deployment.url}/api/v2/buildinfo", timeout=60)
    info = from_json(answer.content, BuildInfoResponse)
    assert info.version == answer.headers["X-Coder-Build-Version"] == "v2.31.0"
    assert info.dashboard_url == deployment.url
    assert answer.headers["Set-Cookie"].startswith("csrf_token=")


@pytest.mark.parametrize("headers", [{}, {"Coder-Session-Token": "wrong"}, {"Cookie": "x"}])
def test_a_token_is_demanded(deployment: Deployment, call: Any, headers: dict[str, str]) -> None:
    """
    Routes of agents say it in other words than the rest.
    """
    agent = deployment.add_agent()
    of_agent = call.get(f"/workspaceagents/{agent.id}", headers=headers)
    assert of_agent.status_code == 401
    assert of_agent.json()["message"].startswith("API key or external proxy")
    of_user = call.get("/users/me", headers=headers)
    assert of_user.status_code == 401
    assert of_user.json()["detail"] == "API key is invalid."


def test_the_token_has_the_form_of_one() -> None:
    """
    Ten characters, a hyphen, twenty-two characters; each deployment has its own.
    """
    with Deployment() as one, Deployment() as other:
        assert [len(part) for part in one.token.split("-")] == [10, 22]
        assert one.token != other.token


def test_the_seed_decides_the_ids() -> None:
    """
    Two deployments of one seed have the same ids, of another seed others.
    """
    ids = []
    for seed in (1, 1, 2):
        with Deployment(seed=seed) as deployment:
            ids.append(deployment.add_agent().id)
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].version == 4


def test_the_agent_reads_as_schema(deployment: Deployment, call: Any) -> None:
    """
    What is sent is what the agent says of itself.
    """
    agent = deployment.add_agent(scripts=["true"])
    agent.wait_started()
    answer = call.get(f"/workspaceagents/{agent.id}")
    assert from_json(answer.content, WorkspaceAgent) == agent.data


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ("notauuid", 400, "invalid UUID length: 8"),
        ("x" * 36, 400, "invalid UUID format"),
        ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", 404, None),
    ],
)
def test_unknown_agents(call: Any, text: str, status: int, detail: str | None) -> None:
    """
    What is no UUID is told so, an unknown one does not exist.
    """
    answer = call.get(f"/workspaceagents/{text}")
    assert (answer.status_code, answer.json().get("detail")) == (status, detail)


def test_the_user(deployment: Deployment, call: Any) -> None:
    """
    There is one, by any of its names and in any case; nobody else exists.
    """
    me = from_json(call.get("/users/me").content, User)
    assert me.username == "tester"
    assert call.get(f"/users/{me.id}").json()["email"] == "tester@example.com"
    assert call.get("/users/Tester").json()["id"] == str(me.id)
    assert call.get("/users/nobody").status_code == 400


def test_workspaces_of_others(deployment: Deployment, call: Any) -> None:
    """
    Each owner has names of their own; who owns a workspace is a user.
    """
    mine = deployment.add_agent(workspace="dev")
    theirs = deployment.add_agent(workspace="dev", owner="alice")
    other = deployment.workspace("other", owner="bob")
    assert deployment.workspace("DEV", owner="Alice") is theirs.build.workspace
    assert deployment.workspace("dev", owner="tester") is mine.build.workspace
    alice = call.get("/users/alice").json()
    assert (alice["email"], alice["roles"]) == ("alice@example.com", [])
    found = {
        user: call.get(f"/users/{user}/workspace/dev").json()
        for user in ("me", "alice", alice["id"])
    }
    agents = {user: one["latest_build"]["resources"][0]["agents"] for user, one in found.items()}
    assert [agents["me"][0]["id"], agents["alice"][0]["id"]] == [str(mine.id), str(theirs.id)]
    assert found["alice"] == found[alice["id"]] == call.get("/users/ALICE/workspace/Dev").json()
    assert (found["alice"]["owner_name"], found["alice"]["owner_id"]) == ("alice", alice["id"])
    assert found["alice"]["latest_build"]["workspace_owner_name"] == "alice"
    assert other.owner.name == "bob"
    for path in ("/users/me/workspace/other", "/users/bob/workspace/dev"):
        assert call.get(path).status_code == 404
    unknown = call.get("/users/eve/workspace/dev")
    assert (unknown.status_code, unknown.json()) == (
        400,
        {
            "message": '"user" must be an existing uuid or username.',
            "detail": 'queried user="eve"',
        },
    )


@pytest.mark.parametrize(
    ("release", "known"), [("2.24", set()), ("2.31", {"task"}), ("2.35", {"task", "seat"})]
)
def test_fields_of_newer_releases(calls: Any, release: str, known: set[str]) -> None:
    """
    A field is there from the release on that brought it.
    """
    with Deployment(release=release) as deployment:
        call = calls(deployment)
        deployment.add_agent()
        workspace = call.get("/users/me/workspace/dev").json()
        fields = {
            "seat": "has_ai_seat" in call.get("/users/me").json(),
            "task": "task_id" in workspace and "initiator_id" in workspace["latest_build"]["job"],
        }
        assert {name for name, present in fields.items() if present} == known


def test_workspaces_by_name_and_id(deployment: Deployment, call: Any) -> None:
    """
    Both give the same; what is not there is told in the same words.
    """
    agent = deployment.add_agent(workspace="one")
    deployment.add_agent(workspace="one", name="second").disconnect()
    by_name = call.get("/users/me/workspace/one")
    found = from_json(by_name.content, Workspace)
    assert by_name.json() == call.get(f"/workspaces/{found.id}").json()
    assert [each.name for each in found.latest_build.resources[0].agents] == ["main", "second"]
    assert found.latest_build.resources[0].agents[0].id == agent.id
    assert found.health.healthy is False
    assert len(found.health.failing_agents) == 1
    assert call.get("/users/me/workspace/two").status_code == 404
    assert call.get("/users/nobody/workspace/one").status_code == 400
    assert call.get(f"/workspaces/{UUID(int=0)}").status_code == 404
    assert call.get("/workspaces/one").status_code == 400


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["zoo", "alpha", "beta", "stopped"]),
        ("?q=owner:me", ["alpha", "beta", "stopped"]),
        ("?q=owner:tester+name:ALPH", ["alpha"]),
        ("?q=owner:else", []),
        ("?q=owner:Alice", ["zoo"]),
        ("?q=alice/o", ["zoo"]),
        ("?q=owner:me+owner:alice", ["alpha", "beta", "stopped"]),
        ("?q=a+status:running", ["alpha", "beta"]),
        ("?q=status:stopped", ["stopped"]),
        ("?q=template:embedded+name:%22a%22", ["alpha", "beta"]),
        ("?q=template:other", []),
        ("?q=%22a+b%22", []),
        ("?q=has-agent:connected", ["zoo", "beta"]),
        ("?q=has-agent:timeout,disconnected", ["alpha"]),
        ("?limit=1&offset=1", ["alpha"]),
        ("?offset=3", ["stopped"]),
        ("?limit=9&offset=9", []),
        ("?limit=&offset=", ["zoo", "alpha", "beta", "stopped"]),
    ],
)
def test_searching_workspaces(
    deployment: Deployment, call: Any, query: str, names: list[str]
) -> None:
    """
    All conditions hold together; the count is of all pages, and what runs comes first.
    """
    deployment.add_agent(workspace="zoo", owner="alice")
    for name in ("beta", "alpha", "stopped"):
        deployment.add_agent(workspace=name)
    deployment.agents[2].disconnect()
    deployment.workspace("stopped").start_build("stop").complete()
    found = call.get(f"/workspaces{query}").json()
    assert [each["name"] for each in found["workspaces"]] == names
    assert found["count"] == (4 if "offset" in query else len(names))


def test_searching_by_id(deployment: Deployment, call: Any) -> None:
    """
    One or several, parted by commas.
    """
    ids = [deployment.workspace(name).id for name in ("one", "two", "three")]
    found = call.get(f"/workspaces?q=id:{ids[0]},{ids[2]}").json()
    assert [each["name"] for each in found["workspaces"]] == ["one", "three"]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("q=bogus:me", ["bogus"]),
        ("q=bogus:me+status:nonsense+id:x", ["bogus", "status", "id"]),
        ("q=name:", ["q"]),
        ("q=:name", ["q"]),
        ("q=a:b:c", ["q"]),
        ("q=a/b/c", ["q"]),
        ("limit=x", ["limit"]),
        ("limit=-1&offset=2147483648", ["limit", "offset"]),
    ],
)
def test_bad_searches(call: Any, query: str, fields: list[str]) -> None:
    """
    The answer names all that is wrong.
    """
    answer = call.get(f"/workspaces?{query}")
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["validations"]] == fields


def test_what_is_no_route(deployment: Deployment, call: Any) -> None:
    """
    A path without a route is 404, a method without one 405, the rest the dashboard.
    """
    assert call.get("/nope").json() == {"message": "Route not found."}
    assert call("POST", "/buildinfo").status_code == 405
    page = requests.get(f"{deployment.url}/some/page", timeout=60)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


NOBODY = "00000000-0000-0000-0000-000000000000"
SIGNED_FOR_NOBODY = json.dumps(
    {"url": f"wss://x/api/v2/workspaceagents/{NOBODY}/pty", "agentID": NOBODY}
)
SIGNED = "/applications/reconnecting-pty-signed-token"


def test_signed_tokens_need_a_licence(deployment: Deployment, call: Any) -> None:
    """
    Without one there is no such route.
    """
    agent = deployment.add_agent()
    url = f"wss://proxy.example.com/api/v2/workspaceagents/{agent.id}/pty?reconnect=x"
    body = {"url": url, "agentID": str(agent.id)}
    assert call("POST", SIGNED, json=body).json() == {"message": "Route not found."}
    assert deployment.licensed is False
    deployment.licensed = True
    answer = call("POST", SIGNED, json=body)
    assert answer.status_code == 200
    assert len(answer.json()["signed_token"]) > 40


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("no json", 400),
        ("[]", 400),
        ('{"url": "wss://x/"}', 400),
        ('{"url": 1, "agentID": "00000000-0000-0000-0000-000000000000"}', 400),
        ('{"url": "wss://x/", "agentID": "00000000-0000-0000-0000-000000000000"}', 400),
        (SIGNED_FOR_NOBODY, 404),
    ],
)
def test_bad_requests_for_signed_tokens(
    deployment: Deployment, call: Any, body: str, status: int
) -> None:
    """
    The body must be as documented, and the agent must exist.
    """
    deployment.licensed = True
    assert call("POST", SIGNED, data=body).status_code == status


def test_requests_are_recorded(deployment: Deployment, call: Any) -> None:
    """
    Each with its route, its target and its headers.
    """
    call.get("/users/me?x=1", headers={"User-Agent": "me"})
    call.get("/nope")
    first, second = deployment.requests
    assert (first.route, first.method, first.target) == ("me", "GET", "/api/v2/users/me?x=1")
    assert first.headers["user-agent"] == "me"
    assert second.route == ""


def test_a_connection_serves_many_requests(deployment: Deployment, call: Any) -> None:
    """
    It stays open, also between requests that came in one piece, until told to close.
    """
    wire = call.socket("/buildinfo")
    wire.sendall(
        b"GET /api/v2/nope HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /api/v2/nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    received = b""
    while data := wire.recv(65_536):
        received += data
    assert received.count(b"HTTP/1.1 ") == 3
    assert received.count(b"Connection: close") == 1


def test_what_is_not_http_is_refused(deployment: Deployment, call: Any) -> None:
    """
    It is answered with 400 and the end of the connection.
    """
    port = int(deployment.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
        wire.sendall(b"\x16\x03\x01\r\n\r\n")
        answer = wire.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert wire.recv(1) == b""


def test_a_body_may_wait_to_be_asked_for(deployment: Deployment, call: Any) -> None:
    """
    A client that expects 100 gets it before it sends its body.
    """
    deployment.licensed = True
    port = int(deployment.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
        wire.sendall(
            f"POST /api/v2{SIGNED} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            f"Coder-Session-Token: {deployment.token}\r\nContent-Length: 2\r\n\r\n".encode()
        )
        assert wire.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(b"{}")
        assert wire.recv(65_536).startswith(b"HTTP/1.1 400 ")
