"""
What each release can do, and how the client finds out.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coder_agents import (
    Agent,
    Capabilities,
    Client,
    ConflictError,
    Reconnect,
    StreamEnd,
    StreamOptions,
    UnsupportedError,
)
from coder_agents.schema import WorkspaceAgentContainer, WorkspaceAgentDevcontainer
from coder_agents.testing import Deployment, EmbeddedAgent
from coder_agents.testing.releases import Release

CONTAINER = WorkspaceAgentContainer(
    id="c1", name="ctr", labels={"devcontainer.local_folder": "/home/coder/dev"}
)
DEVCONTAINER = WorkspaceAgentDevcontainer(
    id=uuid.UUID(int=5), name="dev", workspace_folder="/home/coder/dev", container=CONTAINER
)
OTHER = WorkspaceAgentDevcontainer(
    id=uuid.UUID(int=6), name="other", workspace_folder="/home/coder/other"
)

# What is learnt by each release's answers to all that is asked below.
LEARNT = {
    "2.24": Capabilities(
        metadata_sse=True,
        containers_watch=False,
        recreate_by_devcontainer=False,
        delete_devcontainer=False,
        pty_signed_token=False,
    ),
    "2.31": Capabilities(
        metadata_sse=True,
        containers_watch=True,
        recreate_by_devcontainer=True,
        delete_devcontainer=True,
        pty_signed_token=False,
    ),
    "2.35": Capabilities(
        metadata_sse=True,
        containers_watch=True,
        recreate_by_devcontainer=True,
        delete_devcontainer=True,
        pty_signed_token=False,
    ),
}


@pytest.fixture
def deployment(release: str) -> Iterator[Deployment]:
    """
    A deployment of that release, with an agent that has a devcontainer.
    """
    with Deployment(release=release, metadata_interval=0.05, ping_interval=0.1) as made:
        embedded = made.add_agent()
        embedded.set_containers([CONTAINER])
        embedded.set_devcontainers([DEVCONTAINER, OTHER])
        yield made


@pytest.fixture
def embedded(deployment: Deployment) -> EmbeddedAgent:
    """
    The agent, as it really is.
    """
    return deployment.agents[0]


@pytest.fixture
def client(deployment: Deployment) -> Iterator[Client]:
    """
    A client of the deployment.
    """
    with deployment.client() as made:
        yield made


@pytest.fixture
def agent(client: Client) -> Agent:
    """
    The agent, as the client finds it.
    """
    return client.agent("dev")


CALLS: dict[str, Callable[[Agent], object]] = {
    "agent.watch_metadata()": lambda agent: agent.watch_metadata().close(),
    "agent.watch_containers()": lambda agent: agent.watch_containers().close(),
    "agent.recreate_devcontainer()": lambda agent: agent.recreate_devcontainer("ctr"),
    "agent.delete_devcontainer()": lambda agent: agent.delete_devcontainer(OTHER),
    "agent.issue_pty_signed_token()": lambda agent: agent.issue_pty_signed_token(terminal(agent)),
}


def terminal(agent: Agent) -> str:
    """
    Return the URL of the agent's terminal on a workspace proxy.
    """
    return f"wss://proxy.example.com/api/v2/workspaceagents/{agent.id}/pty"


def ask_all(agent: Agent) -> dict[str, UnsupportedError]:
    """
    Make every call that not all deployments have; return the errors of those that this one lacks.
    """
    errors = {}
    for name, call in CALLS.items():
        try:
            call(agent)
        except UnsupportedError as error:
            errors[name] = error
    return errors


def test_what_was_asked_is_known(release: str, client: Client, agent: Agent) -> None:
    """
    It is known by the answers alone, and by nothing that was not asked.
    """
    assert client.capabilities == Capabilities()
    ask_all(agent)
    assert client.capabilities == LEARNT[release]


def test_a_development_build_is_found_out_as_well(
    release: str, deployment: Deployment, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It may be any release, and does not say which.
    """
    monkeypatch.setattr(Release, "version", "v0.0.0-devel")
    assert client.build_info().version == "v0.0.0-devel"
    errors = ask_all(client.agent("dev"))
    assert client.capabilities == LEARNT[release]
    for error in errors.values():
        assert "(v0.0.0-devel, a development build)" in str(error)


def test_what_is_missing_is_told(release: str, agent: Agent) -> None:
    """
    The call, the deployment's version, and the release that brought it.
    """
    errors = ask_all(agent)
    lacking = ["agent.issue_pty_signed_token()"]
    if release == "2.24":
        lacking.insert(0, "agent.delete_devcontainer()")
        assert str(errors[lacking[0]]).endswith(
            "unexpected status code 404: Route not found.\n\tagent.delete_devcontainer() came"
            " with Coder 2.30, and this deployment (v2.24.0) does not have it"
        )
        assert errors[lacking[0]].since == "2.30"
    assert list(errors) == lacking
    for name, error in errors.items():
        assert (error.call, error.version) == (name, f"v{release}.0")
        assert str(error).count("\n") == 1


def test_a_route_that_is_known_is_asked_for_first(
    release: str, deployment: Deployment, agent: Agent
) -> None:
    """
    A second call is one request, whatever the release.
    """
    agent.recreate_devcontainer("ctr")
    deployment.requests.clear()
    with contextlib.suppress(ConflictError):  # it is being recreated already
        agent.recreate_devcontainer(DEVCONTAINER)
    name = "recreate_container" if release == "2.24" else "recreate_devcontainer"
    assert [request.route for request in deployment.requests] == [name]


def test_a_licensed_build_is_known_by_its_answers_too(
    deployment: Deployment, client: Client, agent: Agent
) -> None:
    """
    The client knows it as soon as the deployment has what it had not.
    """
    ask_all(agent)
    deployment.licensed = True
    assert agent.issue_pty_signed_token(terminal(agent))
    assert client.capabilities.pty_signed_token is True


def test_the_deployment_says_what_it_is(release: str, client: Client) -> None:
    """
    To be shown; nothing is decided by it.
    """
    assert client.build_info().version == f"v{release}.0"
    assert client.capabilities == Capabilities()


NO_ROUTE: dict[str, Any] = {
    "status": 404,
    "headers": {"Content-Type": "application/json"},
    "body": '{"message": "Route not found."}',
}
QUICK = StreamOptions(reconnect=Reconnect(initial=0.01, maximum=0.01))


def test_containers_that_can_be_watched_no_more_are_asked_for(
    release: str, deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    A running stream finds it out as well, when the deployment was set back.
    """
    if release == "2.24":
        return  # where they never could
    deployment.faults.add("drop", route="containers_watch", after=1)
    deployment.faults.add("refuse", route="containers_watch", times=None, **NO_ROUTE)
    with deployment.client() as client:
        agent = client.agent(embedded.id)
        with agent.watch_containers(interval=0.01, options=QUICK) as stream:
            next(stream)
            embedded.set_containers([WorkspaceAgentContainer(id="new")])
            assert next(stream).containers[0].id == "new"
    assert client.capabilities.containers_watch is False


def test_containers_that_were_asked_for_are_watched_once_they_can_be(
    release: str, deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    A deployment that is updated is away for a moment; then a running stream looks for a watch.
    """
    if release == "2.24":
        return  # which never has one
    deployment.faults.add("refuse", route="containers_watch", times=1, **NO_ROUTE)
    with deployment.client() as client:
        agent = client.agent(embedded.id)
        with agent.watch_containers(interval=0.01, options=QUICK) as stream:
            next(stream)
            assert client.capabilities.containers_watch is False
            deployment.faults.add("refuse", route="containers", status=502, body="<html>")
            embedded.set_containers([WorkspaceAgentContainer(id="new")])
            assert next(stream).containers[0].id == "new"
        assert client.capabilities.containers_watch is True


def test_containers_of_a_deployment_that_knows_of_none_are_told_as_such(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    It is asked for either route once, and once more for the second by a second call.
    """
    for route in ("containers_watch", "containers"):
        deployment.faults.add("refuse", route=route, times=None, **NO_ROUTE)
    with deployment.client() as client:
        agent = client.agent(embedded.id)
        for asked in (2, 3):
            with pytest.raises(UnsupportedError) as raised:
                agent.watch_containers()
            assert raised.value.version == "unknown"
            routes = [each for each in deployment.requests if "/containers" in each.target]
            assert len(routes) == asked


def test_a_stream_ends_where_the_last_route_has_gone(
    deployment: Deployment, embedded: EmbeddedAgent
) -> None:
    """
    It does not ask for a route for ever that nobody has.
    """
    deployment.faults.add("refuse", route="containers_watch", times=None, **NO_ROUTE)
    with deployment.client() as client:
        stream = client.agent(embedded.id).watch_containers(interval=0.01, options=QUICK)
        next(stream)
        deployment.faults.add("refuse", route="containers", times=None, **NO_ROUTE)
        with pytest.raises(UnsupportedError):
            stream.poll(5)
        assert stream.end == StreamEnd.FAILED
