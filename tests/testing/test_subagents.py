"""
Agents that other agents run, in dev containers.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from coder_agents.schema import WorkspaceAgentDevcontainer, WorkspaceAgentDevcontainerAgent
from coder_agents.testing import Deployment, EmbeddedAgent


@pytest.fixture
def parent(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent of a template.
    """
    return deployment.add_agent("main")


def listed(call: Any) -> dict[str, Any]:
    """
    The parents' UUIDs of the agents of the workspace, by name and in order.
    """
    build = call.get("/users/me/workspace/dev").json()["latest_build"]
    return {each["name"]: each["parent_id"] for each in build["resources"][0]["agents"]}


def test_a_subagent_is_listed_beside_its_parent(call: Any, parent: EmbeddedAgent) -> None:
    """
    It is an agent like any other, but for its parent.
    """
    child = parent.add_subagent("web", scripts=["echo hello"])
    assert child.wait_started() == "ready"
    assert (child.parent, child.data.parent_id, parent.data.parent_id) == (parent, parent.id, None)
    assert listed(call) == {"main": None, "web": str(parent.id)}
    lines = call.get(f"/workspaceagents/{child.id}/logs").json()
    assert [line["output"] for line in lines] == ["hello"]


def test_a_subagent_needs_a_name_and_a_parent_of_a_template(parent: EmbeddedAgent) -> None:
    """
    A name is taken once, and no sub-agent has sub-agents.
    """
    child = parent.add_subagent("web")
    with pytest.raises(ValueError, match="has an agent 'web' already"):
        parent.add_subagent("web")
    with pytest.raises(ValueError, match="is a sub-agent"):
        child.add_subagent("deeper")
    with pytest.raises(ValueError, match="is no sub-agent"):
        parent.delete()


@pytest.mark.parametrize(("release", "ends"), [("2.24", False), ("2.31", True), ("2.35", True)])
def test_a_deleted_subagent(calls: Any, release: str, ends: bool) -> None:
    """
    Nothing finds it, what it runs is killed, and from 2.31 on its log ends with 1000.
    """
    with Deployment(release=release) as deployment:
        parent, call = deployment.add_agent("main"), calls(deployment)
        child = parent.add_subagent("web", scripts=["echo up; sleep 600"])
        stream = call.websocket(f"/workspaceagents/{child.id}/logs?follow")
        while "up" not in stream.recv():
            pass
        child.delete()
        child.delete()
        for path in ("", "/logs", "/watch-metadata", "/containers"):
            assert call.get(f"/workspaceagents/{child.id}{path}").status_code == 404
        assert listed(call) == {"main": None}
        assert child in deployment.agents
        if ends:
            assert stream.recv_data() == (8, (1000).to_bytes(2))
        else:
            child.push_logs("still")
            assert json.loads(stream.recv())[0]["output"] == "still"
        again = parent.add_subagent("web")
        assert listed(call) == {"main": None, "web": str(parent.id)}
        assert again.id != child.id


def test_a_devcontainer_takes_its_subagent_along(call: Any, parent: EmbeddedAgent) -> None:
    """
    Deleting it deletes the agent that it names, and no other.
    """
    names = ("web", "db")
    children = {name: parent.add_subagent(name) for name in names}
    devcontainers = [
        WorkspaceAgentDevcontainer(
            id=UUID(int=number),
            name=name,
            agent=WorkspaceAgentDevcontainerAgent(id=children[name].id, name=name),
        )
        for number, name in enumerate(names)
    ]
    without = WorkspaceAgentDevcontainer(id=UUID(int=9), name="without")
    parent.set_devcontainers([*devcontainers, without])
    path = f"/workspaceagents/{parent.id}/containers/devcontainers"
    for gone in (without, devcontainers[0]):
        assert call("DELETE", f"{path}/{gone.id}").status_code == 204
    assert (children["web"].deleted, children["db"].deleted) == (True, False)
    assert list(listed(call)) == ["main", "db"]


def test_a_new_build_has_no_subagents(call: Any, parent: EmbeddedAgent) -> None:
    """
    They end with their parent.
    """
    child = parent.add_subagent("web")
    parent.new_build()
    assert listed(call) == {"main": None}
    assert child.data.lifecycle_state == "off"
