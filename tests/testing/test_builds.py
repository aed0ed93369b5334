"""
Builds: what a workspace is called while they last and after them, and what they list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coder_agents.schema import Workspace, from_json
from coder_agents.testing import Deployment, EmbeddedBuild

Steps = list[Callable[[EmbeddedBuild], None]]

BEGIN = EmbeddedBuild.begin
COMPLETE = EmbeddedBuild.complete
CANCEL = EmbeddedBuild.cancel
FINISH_CANCEL = EmbeddedBuild.finish_cancel


def latest(call: Any, workspace: Any) -> Any:
    """
    The latest build of a workspace, whether it is deleted or not.
    """
    answer = call.get(f"/workspaces/{workspace.id}?include_deleted=true")
    assert from_json(answer.content, Workspace).latest_build.status.known
    return answer.json()["latest_build"]


@pytest.mark.parametrize(
    ("transition", "steps", "status", "job", "agents"),
    [
        ("start", [], "pending", "pending", None),
        ("start", [BEGIN], "starting", "running", None),
        ("start", [BEGIN, COMPLETE], "running", "succeeded", ["main"]),
        ("start", [COMPLETE], "running", "succeeded", ["main"]),
        ("stop", [], "pending", "pending", None),
        ("stop", [BEGIN], "stopping", "running", None),
        ("stop", [COMPLETE], "stopped", "succeeded", []),
        ("delete", [BEGIN], "deleting", "running", None),
        ("delete", [COMPLETE], "deleted", "succeeded", []),
        ("start", [EmbeddedBuild.fail], "failed", "failed", None),
        ("stop", [BEGIN, EmbeddedBuild.fail], "failed", "failed", None),
        ("start", [EmbeddedBuild.make_agents], "pending", "pending", None),
        ("start", [EmbeddedBuild.make_agents, EmbeddedBuild.fail], "failed", "failed", ["main"]),
        ("start", [CANCEL], "canceled", "canceled", None),
        ("start", [BEGIN, CANCEL], "canceling", "canceling", None),
        ("start", [BEGIN, CANCEL, FINISH_CANCEL], "canceled", "canceled", None),
        ("delete", [BEGIN, CANCEL, EmbeddedBuild.fail], "failed", "failed", None),
    ],
)
def test_every_word_for_a_workspace(
    deployment: Deployment,
    call: Any,
    transition: str,
    steps: Steps,
    status: str,
    job: str,
    agents: list[str] | None,
) -> None:
    """
    Transition and job decide it; resources are listed once the build has made some.
    """
    deployment.add_agent("main")
    workspace = deployment.workspace()
    build = workspace.start_build(transition)
    for step in steps:
        step(build)
    found = latest(call, workspace)
    assert (found["status"], found["job"]["status"]) == (status, job)
    assert found["transition"] == transition
    resources = [[each["name"] for each in one.get("agents", [])] for one in found["resources"]]
    assert resources == ([] if agents is None else [agents])


def test_times_of_a_job(deployment: Deployment, call: Any) -> None:
    """
    Each is there as soon as what it tells of has happened.
    """
    workspace = deployment.workspace()
    build = workspace.start_build()
    told = ("started_at", "canceled_at", "completed_at", "worker_id")
    steps: list[tuple[Callable[[], None], list[str]]] = [
        (lambda: None, []),
        (build.begin, ["started_at", "worker_id"]),
        (build.cancel, ["started_at", "canceled_at", "worker_id"]),
        (build.finish_cancel, list(told)),
    ]
    for step, expected in steps:
        step()
        job = latest(call, workspace)["job"]
        assert [name for name in told if name in job] == expected


def test_why_a_build_failed(deployment: Deployment, call: Any) -> None:
    """
    The job tells it in words, and as a code where there is one.
    """
    agent = deployment.add_agent()
    workspace = deployment.workspace()
    workspace.start_build().fail("insufficient quota", error_code="INSUFFICIENT_QUOTA")
    job = latest(call, workspace)["job"]
    assert (job["error"], job["error_code"]) == ("insufficient quota", "INSUFFICIENT_QUOTA")
    workspace.start_build().fail()
    job = latest(call, workspace)["job"]
    assert (job["error"], "error_code" in job) == ("exit status 1", False)
    assert agent.data.status == "connected"


@pytest.mark.parametrize("release", ["2.31", "2.35"])
def test_a_failed_build_can_have_an_agent_that_is_connected(calls: Any, release: str) -> None:
    """
    One that the build made before it failed is listed, and there at every release.
    """
    with Deployment(release=release) as deployment:
        old, call = deployment.add_agent(), calls(deployment)
        workspace = deployment.workspace()
        build = workspace.start_build()
        new = build.add_agent("main")
        other = build.add_agent("other")
        build.make_agents()
        build.fail("too late")
        found = latest(call, workspace)
        (resource,) = found["resources"]
        assert [each["id"] for each in resource["agents"]] == [str(new.id), str(other.id)]
        assert resource["agents"][0]["status"] == "connected"
        assert old.data.status == "disconnected"
        for agent in (old, new):
            assert call.get(f"/workspaceagents/{agent.id}").status_code == 200


def test_agents_that_are_not_listed_do_not_count(deployment: Deployment, call: Any) -> None:
    """
    While their build lasts they make the workspace neither unwell nor found.
    """
    deployment.add_agent()
    build = deployment.workspace().start_build()
    build.add_agent("main").disconnect()
    query = "/workspaces?q=has-agent:disconnected"
    assert call.get("/users/me/workspace/dev").json()["health"]["healthy"] is True
    assert call.get(query).json()["count"] == 0
    build.complete()
    assert call.get("/users/me/workspace/dev").json()["health"]["healthy"] is False
    assert call.get(query).json()["count"] == 1


def test_a_build_goes_one_way(deployment: Deployment) -> None:
    """
    What has ended neither begins nor ends again, and what is canceling does not complete.
    """
    workspace = deployment.workspace()
    ended = workspace.latest_build
    for step in (ended.begin, ended.complete, ended.fail, ended.cancel, ended.finish_cancel):
        with pytest.raises(RuntimeError, match="build 1 is succeeded"):
            step()
    canceling = workspace.start_build()
    canceling.begin()
    canceling.cancel()
    for step in (canceling.begin, canceling.complete, canceling.cancel):
        with pytest.raises(RuntimeError, match="build 2 is canceling"):
            step()
    with pytest.raises(
        ValueError, match="transition must be one of start, stop, delete, not 'halt'"
    ):
        workspace.start_build("halt")
    assert len(workspace.builds) == 2


def test_a_deleted_workspace(deployment: Deployment, call: Any) -> None:
    """
    Its name is free again and nothing finds it, but that it was there is told by its id.
    """
    agent = deployment.add_agent()
    gone = deployment.workspace()
    gone.start_build("delete").complete()
    assert (gone.deleted, agent.data.lifecycle_state) == (True, "off")
    assert call.get("/users/me/workspace/dev").status_code == 404
    assert call.get("/workspaces").json() == {"workspaces": [], "count": 0}
    answer = call.get(f"/workspaces/{gone.id}")
    assert (answer.status_code, str(gone.id) in answer.json()["message"]) == (410, True)
    with pytest.raises(RuntimeError, match="'dev' is deleted"):
        gone.start_build()
    again = deployment.add_agent()
    assert again.build.workspace is not gone
    assert call.get("/users/me/workspace/dev").json()["id"] == str(again.build.workspace.id)
