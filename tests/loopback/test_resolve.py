"""
Agents found by name in the embedded deployment, over real sockets.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from paced import paced

from coder_agents import (
    AgentNotFoundError,
    AmbiguousAgentError,
    BadRequestError,
    Client,
    NoAgentsError,
    NotFoundError,
    Reconnect,
    StreamEnd,
    StreamOptions,
    WorkspaceFailedError,
    WorkspaceNotFoundError,
    WorkspacePendingError,
    WorkspaceStoppedError,
)
from coder_agents.testing import Deployment

RELEASES = ("2.24", "2.31", "2.35")
QUICK = paced(
    StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.1, give_up_after=60), settle=0),
    second_try=0.02,
    third_try=0.1,
)


@pytest.fixture(params=RELEASES)
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """
    A deployment of each release in turn.
    """
    with Deployment(release=request.param, ping_interval=0.1) as made:
        yield made


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of it.
    """
    with deployment.client(stream_options=QUICK) as made:
        yield made


def asked(deployment: Deployment) -> list[str]:
    """
    Return the names of the routes that were asked, and forget them.
    """
    routes = [request.route for request in deployment.requests]
    deployment.requests.clear()
    return routes


def test_an_agent_is_found_by_every_name_it_has(deployment: Deployment, client: Client) -> None:
    """
    One request is enough; the UUID of its workspace takes two.
    """
    main = deployment.add_agent()
    workspace = deployment.workspace("dev")
    for ref in ("dev", "dev.main", "me/dev", "tester/dev.main", "dev.Main"):
        assert client.agent(ref).id == main.id
        assert asked(deployment) == ["workspace_by_name"]
    assert client.agent(main.id).id == main.id
    assert asked(deployment) == ["agent"]
    assert client.agent(workspace.id).id == main.id
    assert asked(deployment) == ["agent", "workspace"]
    assert repr(client.agent("dev")).startswith("<Agent tester/dev.main ")


def test_a_uuid_of_neither_is_not_found(deployment: Deployment, client: Client) -> None:
    """
    It is looked for as an agent and as a workspace.
    """
    with pytest.raises(NotFoundError, match="Agent doesn't exist with that id"):
        client.agent(uuid.uuid4())
    assert asked(deployment) == ["agent", "workspace"]


def test_what_is_not_there_is_told_apart(deployment: Deployment, client: Client) -> None:
    """
    A workspace, any agent, one agent, that agent.
    """
    with pytest.raises(WorkspaceNotFoundError) as missing:
        client.agent("dev")
    assert missing.value.near == ()
    deployment.workspace("dev")
    with pytest.raises(WorkspaceNotFoundError, match="similar names: dev"):
        client.agent("dec")
    with pytest.raises(NoAgentsError):
        client.agent("dev")
    deployment.add_agent()
    deployment.add_agent("gpu")
    with pytest.raises(AmbiguousAgentError) as several:
        client.agent("dev")
    assert several.value.agents == ("main", "gpu")
    with pytest.raises(AgentNotFoundError) as unknown:
        client.agent("dev.cpu")
    assert unknown.value.agents == ("main", "gpu")


def test_each_state_of_a_build_has_its_error(deployment: Deployment, client: Client) -> None:
    """
    Where it lists no agents; and none once it has some again.
    """
    deployment.add_agent()
    workspace = deployment.workspace("dev")
    stop = workspace.start_build("stop")
    with pytest.raises(WorkspacePendingError) as pending:
        client.agent("dev.main")
    assert pending.value.status == "pending"
    stop.complete()
    with pytest.raises(WorkspaceStoppedError) as stopped:
        client.agent("dev.main")
    assert stopped.value.workspace == client.workspace("dev")
    workspace.start_build().fail("no space left")
    with pytest.raises(WorkspaceFailedError) as failed:
        client.agent("dev.main")
    assert failed.value.job_error == "no space left"
    workspace.start_build().complete()
    assert client.agent("dev.main").data.status == "connected"


def test_all_agents_of_all_pages_are_found(deployment: Deployment, client: Client) -> None:
    """
    Those of more workspaces than a page holds, or of a search.
    """
    for number in range(101):
        deployment.workspace(f"idle-{number}")
    agents = [deployment.add_agent(name, workspace="x") for name in ("main", "gpu")]
    agents.append(deployment.add_agent(workspace="y"))
    assert [agent.id for agent in client.agents()] == [agent.id for agent in agents]
    assert asked(deployment) == ["workspaces"] * 2
    assert [agent.id for agent in client.agents("name:y")] == [agents[2].id]
    assert sum(1 for _ in client.workspaces()) == 103
    assert list(client.agents("status:stopped")) == []
    with pytest.raises(BadRequestError):
        client.workspaces("bogus:me")


def test_the_log_of_an_agent_ends_with_a_newer_build(
    deployment: Deployment, client: Client
) -> None:
    """
    The agent's workspace tells it, or the agent's own absence in newer releases.
    """
    embedded = deployment.add_agent()
    embedded.push_logs(["one", "two"])
    stream = client.agent("dev").follow_logs()
    assert next(stream).output == "one"
    embedded.new_build()
    assert [log.output for log in stream] == ["two"]
    has_read = "workspace" in asked(deployment)
    forgets = "2.35" in repr(deployment)
    assert has_read is not forgets
    assert stream.end is (StreamEnd.AGENT_GONE if forgets else StreamEnd.NOT_IN_LATEST_BUILD)
    assert client.agent("dev").id != embedded.id


def test_the_log_of_an_agent_ends_with_a_build_that_is_pending(
    deployment: Deployment, client: Client
) -> None:
    """
    The stream ends though the agent is still there.
    """
    embedded = deployment.add_agent()
    embedded.push_logs("one")
    stream = client.agent("dev").follow_logs()
    deployment.workspace("dev").start_build()
    assert [log.output for log in stream] == ["one"]
    assert stream.end is StreamEnd.NOT_IN_LATEST_BUILD


def test_a_restart_is_not_the_end(deployment: Deployment, client: Client) -> None:
    """
    The deployment may say 1000 any number of times while the latest build has the agent.
    """
    embedded = deployment.add_agent()
    embedded.push_logs("one")
    with client.agent("dev").follow_logs() as stream:
        assert next(stream).output == "one"
        deployment.faults.add("close", route="logs_follow", after=1, times=4)
        deployment.restart()
        embedded.push_logs("two")
        assert next(stream).output == "two"
        while asked(deployment).count("workspace") == 0:
            assert stream.poll(0.2) is None
        deployment.restart()
        embedded.push_logs("three")
        assert next(stream).output == "three"
        assert stream.end is None
