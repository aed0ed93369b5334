"""
Containers and dev containers, and what can be done with them.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import attrs
import pytest

from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentDevcontainerStatus,
)
from coder_agents.testing import Deployment, EmbeddedAgent

MADE = WorkspaceAgentContainer(
    id="abc",
    name="dev_ctr",
    image="busybox",
    labels={"team": "a", "devcontainer.local_folder": "/project"},
    running=True,
    status="running",
)
PLAIN = WorkspaceAgentContainer(id="plain1", name="plain", labels={"team": "b", "x": "y"})
ORPHAN = WorkspaceAgentContainer(
    id="orphan1", name="orphan", labels={"devcontainer.local_folder": "/elsewhere"}
)
DEVCONTAINER = WorkspaceAgentDevcontainer(
    id=UUID(int=1),
    name="project",
    workspace_folder="/project",
    status=WorkspaceAgentDevcontainerStatus.RUNNING,
    container=MADE,
)


@pytest.fixture
def agent(deployment: Deployment) -> Any:
    """
    An agent with two containers and a dev container.
    """
    made = deployment.add_agent()
    made.set_containers([MADE, PLAIN, ORPHAN], warnings=["low on space"])
    made.set_devcontainers([DEVCONTAINER])
    return made


@pytest.fixture
def old_agent(coder_deployment: Deployment) -> Any:
    """
    The same at 2.24.
    """
    made = coder_deployment.add_agent()
    made.set_containers([MADE, PLAIN, ORPHAN])
    made.set_devcontainers([DEVCONTAINER])
    return made


PING = 9  # an opcode

OLD = pytest.mark.parametrize("coder_deployment", [{"release": "2.24"}], indirect=True)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ((), ["dev_ctr", "plain", "orphan"]),
        (("team=b",), ["plain"]),
        (("team=b", "x=y"), ["plain"]),
        (("team=a", "x=y"), []),
    ],
)
def test_all_labels_must_match(
    agent: EmbeddedAgent, call: Any, labels: tuple[str, ...], names: list[str]
) -> None:
    """
    Labels filter containers, and never dev containers.
    """
    params = [("label", label) for label in labels]
    answer = call.get(f"/workspaceagents/{agent.id}/containers", params=params).json()
    assert [each["name"] for each in answer["containers"]] == names
    assert [each["name"] for each in answer["devcontainers"]] == ["project"]
    assert answer["devcontainers"][0]["subagent_id"] is None
    assert answer["warnings"] == ["low on space"]


@pytest.mark.parametrize("label", ["team", "a=b=c", ""])
def test_a_label_has_one_equals_sign(agent: EmbeddedAgent, call: Any, label: str) -> None:
    """
    Any other is answered with 400.
    """
    answer = call.get(f"/workspaceagents/{agent.id}/containers", params={"label": label})
    assert answer.status_code == 400
    assert answer.json()["message"] == "Invalid label format"


@pytest.mark.parametrize("path", ["containers", "containers/watch", "listening-ports"])
def test_an_agent_out_of_touch_cannot_tell(agent: EmbeddedAgent, call: Any, path: str) -> None:
    """
    The answer names the state it is in.
    """
    agent.set_status("timeout")
    answer = call.get(f"/workspaceagents/{agent.id}/{path}")
    assert answer.status_code == 400
    problem = 'Agent state is "timeout", it must be in the "connected" state.'
    assert answer.json()["message"] == problem


def test_recreating_passes_through_starting(agent: EmbeddedAgent, call: Any) -> None:
    """
    The dev container loses its container, a second call conflicts, then all is back.
    """
    agent.containers.recreate_seconds = 600
    path = f"/workspaceagents/{agent.id}/containers/devcontainers/{DEVCONTAINER.id}/recreate"
    watch = call.websocket(f"/workspaceagents/{agent.id}/containers/watch")
    watch.recv()
    answer = call("POST", path)
    assert (answer.status_code, answer.json()["message"]) == (
        202,
        "Devcontainer recreation initiated",
    )
    (starting,) = json.loads(watch.recv())["devcontainers"]
    assert (starting["status"], "container" in starting) == ("starting", False)
    assert call("POST", path).status_code == 409
    (timer,) = agent.containers._timers
    timer.function(*timer.args)  # the seconds are over
    (running,) = json.loads(watch.recv())["devcontainers"]
    assert (running["status"], running["container"]["id"]) == ("running", "abc")


def test_deleting_removes_the_container_too(agent: EmbeddedAgent, call: Any) -> None:
    """
    The answer is empty, and the dev container and its container are gone.
    """
    path = f"/workspaceagents/{agent.id}/containers/devcontainers/{DEVCONTAINER.id}"
    answer = call("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Length" not in answer.headers
    left = call.get(f"/workspaceagents/{agent.id}/containers").json()
    assert left["devcontainers"] == []
    assert [each["id"] for each in left["containers"]] == ["plain1", "orphan1"]
    assert call("DELETE", path).status_code == 404


def test_a_devcontainer_in_transition_cannot_be_deleted(agent: EmbeddedAgent, call: Any) -> None:
    """
    While it is stopping the answer is 409.
    """
    stopping = attrs.evolve(DEVCONTAINER, status=WorkspaceAgentDevcontainerStatus.STOPPING)
    other = attrs.evolve(DEVCONTAINER, id=uuid4())
    agent.set_devcontainers([stopping, other])
    path = f"/workspaceagents/{agent.id}/containers/devcontainers"
    assert call("DELETE", f"{path}/{DEVCONTAINER.id}").status_code == 409
    assert call("DELETE", f"{path}/{other.id}").status_code == 204


@pytest.mark.parametrize(("which", "status"), [(str(UUID(int=2)), 404), ("notauuid", 400)])
def test_unknown_devcontainers(agent: EmbeddedAgent, call: Any, which: str, status: int) -> None:
    """
    One that is not there is 404, what is no UUID is 400.
    """
    path = f"/workspaceagents/{agent.id}/containers/devcontainers/{which}/recreate"
    assert call("POST", path).status_code == status


def test_closing_while_a_devcontainer_starts(
    agent: EmbeddedAgent, call: Any, deployment: Deployment
) -> None:
    """
    The timer that would end it does not outlive the deployment.
    """
    agent.containers.recreate_seconds = 600
    path = f"/workspaceagents/{agent.id}/containers/devcontainers/{DEVCONTAINER.id}/recreate"
    assert call("POST", path).status_code == 202
    deployment.close()


@OLD
@pytest.mark.parametrize("which", ["abc", "dev_ctr"])
def test_old_releases_recreate_by_container(
    old_agent: Any, coder_deployment: Deployment, calls: Any, which: str
) -> None:
    """
    At 2.24 a container's id or name is in the path; a second call conflicts.
    """
    old_agent.containers.recreate_seconds = 600
    call = calls(coder_deployment)
    path = f"/workspaceagents/{old_agent.id}/containers/devcontainers/container"
    answer = call("POST", f"{path}/{which}/recreate")
    assert answer.status_code == 202
    assert '"/project"' in answer.json()["detail"]
    assert call("POST", f"{path}/{which}/recreate").status_code == 409
    listed = call.get(f"/workspaceagents/{old_agent.id}/containers").json()
    assert "subagent_id" not in listed["devcontainers"][0]


@OLD
@pytest.mark.parametrize(("which", "status"), [("nope", 404), ("plain", 400), ("orphan", 400)])
def test_old_releases_and_other_containers(
    old_agent: Any, coder_deployment: Deployment, calls: Any, which: str, status: int
) -> None:
    """
    An unknown container is 404, one that belongs to no dev container 400.
    """
    path = f"/workspaceagents/{old_agent.id}/containers/devcontainers/container/{which}/recreate"
    assert calls(coder_deployment)("POST", path).status_code == status


@OLD
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/devcontainers/{UUID(int=1)}/recreate"),
        ("DELETE", f"/devcontainers/{UUID(int=1)}"),
        ("GET", "/watch"),
    ],
)
def test_old_releases_lack_routes(
    old_agent: Any, coder_deployment: Deployment, calls: Any, method: Any, path: Any
) -> None:
    """
    What came after 2.24 is no route there.
    """
    answer = calls(coder_deployment)(method, f"/workspaceagents/{old_agent.id}/containers{path}")
    assert (answer.status_code, answer.json()) == (404, {"message": "Route not found."})


def test_watching_tells_each_change_of_a_devcontainer_once(agent: EmbeddedAgent, call: Any) -> None:
    """
    Each message is the full state. What changes no dev container is not sent: a container that starts or
    stops, a warning.
    """
    watch = call.websocket(f"/workspaceagents/{agent.id}/containers/watch")
    first = json.loads(watch.recv())
    assert [each["id"] for each in first["containers"]] == ["abc", "plain1", "orphan1"]
    agent.set_containers([PLAIN])
    agent.set_containers([PLAIN], warnings=["slow"])
    for _ in range(2):
        assert watch.recv_data(control_frame=True)[0] == PING
    agent.set_devcontainers([])
    second = json.loads(watch.recv())
    assert [each["id"] for each in second["containers"]] == ["plain1"]
    assert (second["devcontainers"], second["warnings"]) == ([], ["slow"])


def test_watching_ends_when_the_agent_is_out_of_touch(agent: EmbeddedAgent, call: Any) -> None:
    """
    It closes with 1000; a new watch is refused until the agent is back.
    """
    watch = call.websocket(f"/workspaceagents/{agent.id}/containers/watch")
    watch.recv()
    agent.disconnect()
    assert watch.recv_data() == (8, (1000).to_bytes(2))
    assert call.get(f"/workspaceagents/{agent.id}/containers/watch").status_code == 400
    agent.connect()
    again = call.websocket(f"/workspaceagents/{agent.id}/containers/watch")
    assert json.loads(again.recv())["warnings"] == ["low on space"]


def paths(agent: EmbeddedAgent) -> dict[str, tuple[str, str]]:
    """
    Return the calls that an agent may not have, with their methods.
    """
    base = f"/workspaceagents/{agent.id}/containers"
    return {
        "list": ("GET", base),
        "watch": ("GET", f"{base}/watch"),
        "recreate": ("POST", f"{base}/devcontainers/{DEVCONTAINER.id}/recreate"),
        "delete": ("DELETE", f"{base}/devcontainers/{DEVCONTAINER.id}"),
    }


def test_an_agent_has_a_release_of_its_own(deployment: Deployment, call: Any) -> None:
    """
    One of 2.24 at a newer deployment lists its containers and has none of the other calls; the next build's
    agent has the deployment's release.
    """
    agent = deployment.add_agent(release="2.24")
    child = agent.add_subagent("inside")
    agent.set_devcontainers([DEVCONTAINER])
    assert (agent.data.version, agent.data.api_version) == ("v2.24.0", "2.6")
    assert child.data.version == "v2.24.0"
    found = {name: call(*each).status_code for name, each in paths(agent).items()}
    assert found == {"list": 200, "watch": 500, "recreate": 404, "delete": 404}
    assert agent.new_build().data.version == "v2.31.0"
    with pytest.raises(ValueError, match="release must be one of"):
        deployment.add_agent("other", release="1.0")


def test_an_agent_without_devcontainers_refuses_all_calls(agent: EmbeddedAgent, call: Any) -> None:
    """
    Each in its own way, as its deployment passes it on.
    """
    agent.containers.enabled = False
    found = {name: call(*each) for name, each in paths(agent).items()}
    statuses = {name: answer.status_code for name, answer in found.items()}
    assert statuses == {"list": 403, "watch": 500, "recreate": 404, "delete": 404}
    assert found["delete"].json()["detail"] == "404 page not found\n"


@OLD
def test_an_old_deployment_without_devcontainers_refuses_to_recreate(
    old_agent: Any, coder_deployment: Deployment, calls: Any
) -> None:
    """
    It refuses also by the route that names the container.
    """
    old_agent.containers.enabled = False
    path = f"/workspaceagents/{old_agent.id}/containers/devcontainers/container/abc/recreate"
    assert calls(coder_deployment)("POST", path).status_code == 404
