"""
A client and its agents, without recordings.
"""

from __future__ import annotations

import json
import uuid
from types import MappingProxyType
from typing import Any

import pytest
import responses

from coder_agents import (
    Agent,
    Client,
    DevcontainerNotFoundError,
    NotFoundError,
    UnsupportedError,
)
from coder_agents.schema import WorkspaceAgentDevcontainer

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
ID = uuid.UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
API = f"{URL}/api/v2/workspaceagents/{ID}"
DATA = {"id": str(ID), "name": "main", "status": "connected", "lifecycle_state": "ready"}


@pytest.fixture
def agent() -> Agent:
    """
    An agent that was read.
    """
    with responses.RequestsMock() as mock:
        mock.get(API, json=DATA)
        return Client(URL, TOKEN, retries=0).agent(ID)


@responses.activate
@pytest.mark.parametrize("ref", [ID, str(ID), str(ID).upper(), ID.hex, f"{{{ID}}}"])
def test_an_agent_is_found_by_its_uuid(ref: uuid.UUID | str) -> None:
    """
    In each form that Python reads a UUID in; one request.
    """
    responses.get(API, json=DATA)
    agent = Client(URL, TOKEN).agent(ref)
    assert (agent.id, agent.data.name) == (ID, "main")
    assert repr(agent) == f"<Agent main {ID} connected ready>"
    assert len(responses.calls) == 1


@responses.activate
def test_refresh_reads_the_agent_again(agent: Agent) -> None:
    """
    `data` is what was read last.
    """
    responses.get(API, json={**DATA, "lifecycle_state": "off"})
    assert agent.data.lifecycle_state == "ready"
    assert agent.refresh().lifecycle_state == "off"
    assert agent.data.lifecycle_state == "off"


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ({"a=b": "c"}, ValueError),
        ({"a": "b=c"}, ValueError),
        ({"": "c"}, ValueError),
        ({"a": 1}, TypeError),
        ({1: "a"}, TypeError),
        ({"a": None}, TypeError),
        ({"\ud800": "a"}, ValueError),
        ({"a": "b\udfff"}, ValueError),
        ("a=b", TypeError),
        ([("a", "b")], TypeError),
        ({"fine": "too", "a=b": ""}, ValueError),
    ],
)
def test_labels_that_cannot_be_asked_for_are_refused_before_any_io(
    agent: Agent, labels: Any, error: type[Exception]
) -> None:
    """
    The server wants exactly one '=' in each, and a map is wanted here.
    """
    with pytest.raises(error, match="label"):
        agent.containers(labels)


@responses.activate
def test_labels_are_quoted_and_all_sent(agent: Agent) -> None:
    """
    Each as a parameter of its own.
    """
    responses.get(f"{API}/containers", json={"containers": []})
    agent.containers({"team": "a&b", "x/y": ""})
    assert responses.calls[0].request.path_url.endswith("?label=team%3Da%26b&label=x%2Fy%3D")
    agent.containers(MappingProxyType({"a": "b"}))
    assert responses.calls[1].request.path_url.endswith("?label=a%3Db")
    agent.containers({})
    assert responses.calls[2].request.path_url.endswith("/containers")


@responses.activate
def test_ids_go_into_paths_quoted(agent: Agent) -> None:
    """
    A container's name cannot reach another route.
    """
    name = "../../x?y#z w"
    devcontainer = {"id": str(ID), "name": "d", "container": {"id": name, "name": "c"}}
    responses.get(f"{API}/containers", json={"containers": [], "devcontainers": [devcontainer]})
    responses.post(
        f"{API}/containers/devcontainers/{ID}/recreate",
        json={"message": "Route not found."},
        status=404,
    )
    quoted = f"{API}/containers/devcontainers/container/..%2F..%2Fx%3Fy%23z%20w/recreate"
    responses.post(quoted, json={"message": "ok"}, status=202)
    assert agent.recreate_devcontainer("c").message == "ok"
    assert agent.recreate_devcontainer("d").message == "ok"
    assert agent.recreate_devcontainer(ID).message == "ok"


@responses.activate
def test_recreate_without_any_devcontainer_says_so(agent: Agent) -> None:
    """
    There is none to name, and containers of none do not count.
    """
    devcontainer = {"id": str(ID), "name": "d"}
    responses.get(f"{API}/containers", json={"containers": []})
    responses.get(f"{API}/containers", json={"containers": [], "devcontainers": [devcontainer]})
    with pytest.raises(DevcontainerNotFoundError, match="no devcontainer 'x'; it lists: none"):
        agent.recreate_devcontainer("x")
    with pytest.raises(DevcontainerNotFoundError, match="it lists: 'd'"):
        agent.recreate_devcontainer("x")


@responses.activate
def test_recreate_learns_the_old_route_and_asks_by_container(agent: Agent) -> None:
    """
    A devcontainer without a container is named as it is, and the server says the rest.
    """
    listed = {"containers": [], "devcontainers": [{"id": str(ID), "name": "d"}]}
    responses.get(f"{API}/containers", json=listed)
    responses.post(
        f"{API}/containers/devcontainers/{ID}/recreate",
        json={"message": "Route not found."},
        status=404,
    )
    responses.post(
        f"{API}/containers/devcontainers/container/d/recreate",
        json={"message": "Container not found"},
        status=404,
    )
    with pytest.raises(NotFoundError, match="Container not found"):
        agent.recreate_devcontainer("d")


@responses.activate
def test_recreate_remembers_the_new_route(agent: Agent) -> None:
    """
    The text 'Route not found.' is an error like any other then.
    """
    path = f"{API}/containers/devcontainers/{ID}/recreate"
    responses.post(path, json={"message": "ok"}, status=202)
    assert agent.recreate_devcontainer(ID).message == "ok"
    assert agent._capabilities.recreate_by_devcontainer is True


@responses.activate
def test_a_signed_token_is_issued(agent: Agent) -> None:
    """
    The body names the URL and the agent under the key that the API has.
    """
    responses.post(
        f"{URL}/api/v2/applications/reconnecting-pty-signed-token", json={"signed_token": "signed"}
    )
    assert agent.issue_pty_signed_token("wss://proxy.example.com/pty") == "signed"
    request = responses.calls[0].request
    assert json.loads(request.body or b"") == {
        "url": "wss://proxy.example.com/pty",
        "agentID": str(ID),
    }
    assert request.headers["Content-Type"] == "application/json"


@responses.activate
def test_an_open_source_build_does_not_support_signed_tokens(agent: Agent) -> None:
    """
    That is not a missing object.
    """
    responses.post(
        f"{URL}/api/v2/applications/reconnecting-pty-signed-token",
        json={"message": "Route not found."},
        status=404,
    )
    with pytest.raises(UnsupportedError) as raised:
        agent.issue_pty_signed_token("ws://proxy.example.com/pty")
    assert not isinstance(raised.value, NotFoundError)


def test_a_terminal_url_is_a_websocket_url(agent: Agent) -> None:
    """
    It is checked before any I/O.
    """
    with pytest.raises(ValueError, match="must begin with wss://"):
        agent.issue_pty_signed_token("https://proxy.example.com/pty")


@responses.activate
def test_recreate_takes_a_devcontainer_itself(agent: Agent) -> None:
    """
    It takes it as the list of containers gave it; nothing is listed again.
    """
    responses.post(
        f"{API}/containers/devcontainers/{ID}/recreate", json={"message": "ok"}, status=202
    )
    devcontainer = WorkspaceAgentDevcontainer(id=ID, name="d")
    assert agent.recreate_devcontainer(devcontainer).message == "ok"
