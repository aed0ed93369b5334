"""
What the embedded deployment answers, against recordings of real ones.

Compared are statuses, headers and, of bodies, either the whole text or the names of
all fields: the values are those of other agents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from driving import reached

from coder_agents.schema import (
    WorkspaceAgentListContainersResponse,
    WorkspaceAgentListeningPortsResponse,
    from_json,
)
from coder_agents.testing import BuildPlan, Deployment, EmbeddedAgent, Metadata, Script

pytestmark = pytest.mark.unmeasured

# Headers that depend on the length of the body, the connection, or the server's date.
UNCOMPARED = {
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "sec-websocket-accept",
}

LINES = "echo out; echo err >&2"

EXACT = [
    "agent_400_bad_uuid",
    "agent_401_bad_token",
    "agent_401_no_token",
    "agent_404",
    "containers_400_label",
    "containers_400_not_connected",
    "delete_devcontainer",
    "delete_devcontainer_404",
    "follow_400",
    "follow_401",
    "follow_404",
    "follow_without_upgrade",
    "listening_ports_400_not_connected",
    "logs_400_after",
    "logs_empty",
    "me_401_bad_token",
    "recreate_by_container",
    "recreate_by_container_404",
    "recreate_by_devcontainer",
    "recreate_by_devcontainer_404",
    "recreate_by_devcontainer_again",
    "route_404",
    "signed_token_agpl",
    "workspace_by_name_404",
    "workspaces_query_400",
]

SHAPES = [
    "agent_after_rebuild",
    "agent_connected",
    "agent_connecting",
    "buildinfo",
    "containers",
    "containers_label",
    "containers_label_none",
    "listening_ports",
    "logs",
    "logs_after",
    "users_me",
    "workspace_by_id",
    "workspace_by_name",
    "workspaces_query",
]

# What depends on the template, on what went before, or on what an operator set up.
OPTIONAL = (
    "apps[]",
    "directory",
    "environment_variables.",
    "log_sources[]",
    "scripts[]",
    "has_ai_task",
    "has_external_agent",
    "health.reason",
    "job.error",
    "job.started_at",
    "job.tags.",
    "job.worker_id",
    "provisioner_timings[]",
    "webpush_public_key",
)


def shape(value: Any, path: str = "") -> Iterator[str]:
    """
    The paths of all fields in *value*; keys that users choose are not fields.
    """
    if isinstance(value, dict) and not path.endswith((".labels", ".volumes", ".latency")):
        for key, inner in value.items():
            yield f"{path}.{key}"
            yield from shape(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from shape(inner, f"{path}[]")


def fields(value: Any) -> set[str]:
    """
    The fields that every deployment sends.
    """
    return {path for path in shape(value) if not any(part in path for part in OPTIONAL)}


@pytest.fixture
def embedded(release: str) -> Iterator[Deployment]:
    """
    A deployment of the recorded release.
    """
    with Deployment(release=release) as deployment:
        yield deployment


def connected_agent(deployment: Deployment, recording: Any) -> EmbeddedAgent:
    """
    An agent with the recorded containers, ports and kinds of scripts.
    """
    scripts = [Script(LINES, "Startup", timeout=60), Script("exit 3", "Failing")]
    agent = deployment.add_agent(
        "dev", workspace="real", scripts=scripts, metadata=[Metadata("Load", "load")]
    )
    agent.wait_started()
    agent.push_logs(["line"] * 10)
    listed = from_json(
        recording("containers")["response"]["body"], WorkspaceAgentListContainersResponse
    )
    ports = from_json(
        recording("listening_ports")["response"]["body"], WorkspaceAgentListeningPortsResponse
    )
    agent.set_containers(listed.containers, warnings=listed.warnings)
    agent.set_devcontainers(listed.devcontainers)
    agent.set_ports(ports.ports)
    return agent


@pytest.fixture
def agents(embedded: Deployment, recording: Any, release: str) -> dict[str, EmbeddedAgent]:
    """
    By the recorded UUIDs, the agents that stand for the recorded ones.
    """

    def find(name: str) -> Any:
        return recording(release, name)

    connected = connected_agent(embedded, find)
    connecting = embedded.add_agent("dev", workspace="hand")
    connecting.set_status("connecting")
    connecting.set_lifecycle("created")
    rebuilt = embedded.add_agent("dev", workspace="rebuilt")
    rebuilt.set_status("connecting")
    rebuilt.set_lifecycle("created")
    rebuilt.push_logs(["of an earlier build"])
    return {
        agent_in(find("agent_connected")): connected,
        agent_in(find("agent_connecting")): connecting,
        agent_in(find("agent_after_rebuild")): rebuilt,
    }


def agent_in(found: Any) -> str:
    """
    The UUID of the agent in a recorded path.
    """
    return str(found["request"]["path"].split("/")[4])


def replay(embedded: Deployment, agents: dict[str, EmbeddedAgent], calls: Any, found: Any) -> Any:
    """
    The answer to the recorded request.
    """
    request = found["request"]
    path = request["path"].removeprefix("/api/v2")
    for recorded, agent in agents.items():
        path = path.replace(recorded, str(agent.id))
    if path.startswith("/workspaces/"):
        path = f"/workspaces/{embedded.workspace('hand').id}"
    token = {"valid": embedded.token, "invalid": "wrong"}.get(request["auth"])
    headers = {} if token is None else {"Coder-Session-Token": token}
    method = request["method"]
    return calls(embedded)(method, path, headers=headers, json=request.get("body"))


def compared_headers(headers: Any) -> dict[str, str]:
    """
    The headers whose values do not depend on time and size.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    lower["set-cookie"] = lower["set-cookie"].partition(";")[2]
    lower["x-coder-build-version"] = ""
    return {name: value for name, value in lower.items() if name not in UNCOMPARED}


@pytest.mark.parametrize("name", EXACT)
def test_answers_are_the_recorded_ones(
    name: str, embedded: Any, agents: Any, calls: Any, recording: Any, release: Any
) -> None:
    """
    Status, headers and every character of the body.
    """
    found = recording(release, name)
    answer = replay(embedded, agents, calls, found)
    recorded = found["response"]
    assert answer.status_code == recorded["status"]
    assert compared_headers(answer.headers) == compared_headers(recorded["headers"])
    assert answer.text == recorded["body"]


@pytest.mark.parametrize("name", SHAPES)
def test_answers_have_the_recorded_fields(
    name: str, embedded: Any, agents: Any, calls: Any, recording: Any, release: Any
) -> None:
    """
    Status, headers, and the same fields at every depth.
    """
    found = recording(release, name)
    answer = replay(embedded, agents, calls, found)
    recorded = found["response"]
    assert answer.status_code == recorded["status"]
    assert compared_headers(answer.headers) == compared_headers(recorded["headers"])
    assert fields(answer.json()) == fields(json.loads(recorded["body"]))


@pytest.mark.parametrize("name", ["containers", "containers_label", "containers_label_none"])
def test_containers_are_the_recorded_ones(
    name: str, embedded: Any, agents: Any, calls: Any, recording: Any, release: Any
) -> None:
    """
    What was set from a recording is told as it was recorded, filtered alike.
    """
    found = recording(release, name)
    answer = replay(embedded, agents, calls, found)
    assert answer.json() == json.loads(found["response"]["body"])


@pytest.mark.parametrize("release", ["2.24"])
def test_a_failed_build_is_told_as_recorded(
    embedded: Any, calls: Any, recording: Any, release: Any
) -> None:
    """
    The answer has the error of its job and the agent that it made nevertheless.
    """
    recorded = json.loads(recording(release, "workspace_by_name")["response"]["body"])
    build = embedded.workspace("real").start_build()
    build.add_agent("dev")
    build.fail("no rows in result set")
    found = calls(embedded).get("/users/me/workspace/real").json()
    for part in ("latest_build", "job"):
        found, recorded = found.get(part, found), recorded.get(part, recorded)
        assert set(found) == set(recorded)
    assert found["status"] == recorded["status"] == "failed"


def test_messages_are_made_like_the_recorded_ones(
    embedded: Any, agents: Any, calls: Any, recording: Any, release: Any
) -> None:
    """
    Each stream's messages begin, end and are built as recorded.
    """
    agent = next(iter(agents.values()))
    call = calls(embedded)
    assert agent.data.status == "connected"
    for path, name in (
        ("logs?follow", "follow_backlog"),
        ("watch-metadata-ws", "watch_metadata_ws"),
    ):
        recorded = recording(release, name)["messages"][0]["data"]
        message = call.websocket(f"/workspaceagents/{agent.id}/{path}").recv()
        assert message.endswith("\n") == recorded.endswith("\n")
        assert fields(json.loads(message)) == fields(json.loads(recorded))
        assert message[:8].strip("0123456789") == recorded[:8].strip("0123456789")


def test_events_are_made_like_the_recorded_ones(
    embedded: Any, agents: Any, calls: Any, recording: Any, release: Any
) -> None:
    """
    The head of the stream and the form of an event are the recorded ones.
    """
    agent = next(iter(agents.values()))
    found = recording(release, "watch_metadata")
    path = f"/workspaceagents/{agent.id}/watch-metadata"
    answer = calls(embedded).get(path, stream=True)
    answer.close()
    headers = answer.headers
    assert compared_headers(headers) == compared_headers(found["response"]["headers"])
    assert headers["Connection"] == found["response"]["headers"]["Connection"]
    event = next(calls(embedded).events(path)) + b"\n\n"
    recorded = found["chunks"][0]["data"].encode()
    assert event.partition(b"[")[0] == recorded.partition(b"[")[0]
    assert event.rpartition(b"]")[2] == recorded.rpartition(b"]")[2]
    assert fields(json.loads(event.partition(b"data: ")[2])) == fields(
        json.loads(recorded.partition(b"data: ")[2])
    )


# Recorded at 2.30 alone, of agents that lack what the deployment has.
NEWER = "2.31"
AGENTS_OF_2_30 = [
    ("containers_403_disabled", False),
    ("containers_watch_500_disabled", False),
    ("delete_404_disabled", False),
    ("recreate_404_disabled", False),
    ("old_agent_containers_watch_500", True),
    ("old_agent_delete_404", True),
]


@pytest.mark.parametrize(("name", "is_old"), AGENTS_OF_2_30)
@pytest.mark.parametrize("release", [NEWER])
def test_agents_that_lack_calls_answer_as_recorded(
    name: str, is_old: bool, embedded: Deployment, calls: Any, recording: Any
) -> None:
    """
    An agent of 2.24 at a newer deployment, and one whose template switches dev containers off.
    """
    found = recording("2.30", name)
    agent = embedded.add_agent(release="2.24" if is_old else None)
    agent.containers.enabled = is_old
    answer = replay(embedded, {agent_in(found): agent}, calls, found)
    recorded = found["response"]
    assert answer.status_code == recorded["status"]
    assert answer.headers["Content-Type"] == recorded["headers"]["Content-Type"]
    assert answer.text == recorded["body"]


@pytest.mark.parametrize("name", ["timings_failed", "timings_timed_out", "timings_with_stop"])
@pytest.mark.parametrize("release", [NEWER])
def test_timings_have_the_recorded_fields(
    name: str, embedded: Deployment, calls: Any, recording: Any
) -> None:
    """
    Scripts that failed, took too long and ran at the stop.
    """
    agent = embedded.add_agent(
        scripts=["exit 3", Script("sleep 60", timeout=0.05), Script("true", run_on_stop=True)]
    )
    agent.stop()
    path = f"/workspacebuilds/{embedded.workspace('dev').latest_build.id}/timings"
    found = json.loads(recording("2.30", name)["response"]["body"])
    assert fields(calls(embedded).get(path).json()) == fields(found)


@pytest.mark.parametrize("release", [NEWER])
def test_a_build_that_is_not_there_is_refused_as_recorded(
    embedded: Deployment, calls: Any, recording: Any
) -> None:
    """
    Every character of the body.
    """
    found = recording("2.30", "timings_404")
    assert replay(embedded, {}, calls, found).text == found["response"]["body"]


def build_of(embedded: Deployment, recording: Any, *, fails: bool = False) -> tuple[Any, Any]:
    """
    A workspace whose newest build has gone as the recorded one, and the recorded path with its ids.
    """
    workspace = embedded.workspace("noagent")
    error = "terraform apply: exit status 1" if fails else ""
    workspace.plans["start"] = BuildPlan(error=error)
    build = workspace.request_build()
    reached(lambda: not build.active)
    path: str = recording["request"]["path"]
    kept = path.removeprefix("/api/v2").split("/")
    kept[2] = str(workspace.id if kept[1] == "workspaces" else build.id)
    return workspace, "/".join(kept)


@pytest.mark.parametrize(
    "name", ["build_start_201", "build_stop_201", "build_failing_201", "build", "build_logs"]
)
@pytest.mark.parametrize("release", [NEWER])
def test_builds_have_the_recorded_fields(
    name: str, embedded: Deployment, calls: Any, recording: Any
) -> None:
    """
    A build that is just requested, one that has ended, and its log have them.
    """
    found = recording("2.30", name)
    _, path = build_of(embedded, found)
    request = found["request"]
    answer = calls(embedded)(request["method"], path, json=request["body"])
    recorded = json.loads(found["response"]["body"])
    assert answer.status_code == found["response"]["status"]
    assert fields(answer.json()) == fields(recorded)
    if name == "build_logs":
        alike = ("log_source", "log_level", "stage", "output")
        assert [[line[key] for key in alike] for line in answer.json()] == [
            [line[key] for key in alike] for line in recorded
        ]
    elif name != "build":
        same = ("status", "transition", "template_version_name", "resources", "reason")
        assert {key: answer.json()[key] for key in same} == {key: recorded[key] for key in same}


@pytest.mark.parametrize("name", ["build_400_transition", "build_start_409", "build_cancel_400"])
@pytest.mark.parametrize("release", [NEWER])
def test_builds_are_refused_as_recorded(
    name: str, embedded: Deployment, calls: Any, recording: Any
) -> None:
    """
    Every character of the body.
    """
    found = recording("2.30", name)
    workspace, path = build_of(embedded, found)
    if name == "build_start_409":
        workspace.start_build()
    request, recorded = found["request"], found["response"]
    answer = calls(embedded)(request["method"], path, json=request["body"])
    assert answer.status_code == recorded["status"]
    assert answer.headers["Content-Type"] == recorded["headers"]["Content-Type"]
    assert answer.text == recorded["body"]


@pytest.mark.parametrize(
    ("name", "fails"), [("build_logs_follow", False), ("build_failed_logs_follow", True)]
)
@pytest.mark.parametrize("release", [NEWER])
def test_the_log_of_a_build_is_sent_as_recorded(
    name: str, fails: bool, embedded: Deployment, calls: Any, recording: Any
) -> None:
    """
    Frame by frame, up to the code and the reason of the close frame.
    """
    found = recording("2.30", name)
    _, path = build_of(embedded, found, fails=fails)
    connection = calls(embedded).websocket(path)
    for message in found["messages"]:
        frame = connection.recv_frame()
        if message["kind"] == "close":
            code = message["code"].to_bytes(2, "big")
            assert frame.data == code + message["reason"].encode()
        else:
            assert neutral(frame.data.decode()) == neutral(message["data"])


def neutral(text: str) -> str:
    """
    Return a line without its id and its time, which are those of another build.
    """
    without_id = re.sub(r'"id":\d+', '"id":0', text)
    return re.sub(r'"created_at":"[^"]+Z"', '"created_at":""', without_id)


@pytest.mark.parametrize("release", [NEWER])
def test_a_failing_build_goes_as_recorded(embedded: Deployment, calls: Any, recording: Any) -> None:
    """
    The same states follow each other, and the job ends with the same error.
    """
    polls = recording("2.30", "build_failed_timeline")["polls"]
    workspace = embedded.workspace("failed")
    workspace.plans["start"] = BuildPlan(running=None)
    build = workspace.request_build()
    reached(lambda: build.started_at is not None)
    for poll in polls:
        recorded = json.loads(poll["body"])
        found = calls(embedded).get(f"/workspacebuilds/{build.id}").json()
        assert (found["status"], found["job"]["status"]) == (poll["status"], poll["job_status"])
        assert fields(found) == fields(recorded)
        assert found["job"].get("error") == recorded["job"].get("error")
        if build.active:
            build.fail("terraform apply: exit status 1")
