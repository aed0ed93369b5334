"""
What is learnt of a deployment, and how it is told that it lacks a call.
"""

from __future__ import annotations

import pickle
import uuid
from typing import Any

import attrs
import pytest
import responses

from coder_agents import (
    Agent,
    APIError,
    Capabilities,
    Client,
    NotFoundError,
    UnsupportedCallError,
    UnsupportedError,
)
from coder_agents.capabilities import naming

URL = "https://coder.example.com"
TOKEN = "0123456789-abcdefghijklmnopqrstuv"
ID = uuid.UUID("50901c6b-cb02-4e41-9d62-1481d4c63f0e")
API = f"{URL}/api/v2/workspaceagents/{ID}"
TOKENS = f"{URL}/api/v2/applications/reconnecting-pty-signed-token"
NO_ROUTE = {"message": "Route not found."}


@pytest.fixture
def client() -> Client:
    """
    A client that tries nothing again.
    """
    return Client(URL, TOKEN, retries=0)


@pytest.fixture
def agent(client: Client) -> Agent:
    """
    An agent of it that was not read.
    """
    return Agent(ID, client._http, client._stream_options, client._capabilities)


def missing(path: str, version: str | None = None) -> None:
    """
    Have a POST to *path* answered by a deployment of *version* that has no such route.
    """
    headers = {} if version is None else {"X-Coder-Build-Version": version}
    responses.post(path, json=NO_ROUTE, status=404, headers=headers)


def test_nothing_is_known_before_anything_was_asked(client: Client) -> None:
    """
    Nothing is guessed either.
    """
    known = attrs.asdict(client.capabilities)
    assert known.pop("agents_without_watch") == frozenset()
    assert set(known.values()) == {None}


@responses.activate
def test_capabilities_are_those_of_now(client: Client, agent: Agent) -> None:
    """
    What is learnt later is not in them, and whoever changes them changes nothing else.
    """
    missing(TOKENS)
    before = client.capabilities
    with pytest.raises(UnsupportedCallError):
        agent.issue_pty_signed_token("wss://proxy.example.com/pty")
    assert (before.pty_signed_token, client.capabilities.pty_signed_token) == (None, False)
    client.capabilities.pty_signed_token = True
    assert client.capabilities.pty_signed_token is False
    assert repr(client.capabilities).endswith("pty_signed_token=False)")


@responses.activate
def test_what_is_there_is_learnt_too(client: Client, agent: Agent) -> None:
    """
    Only success counts: another error says nothing of the route.
    """
    responses.post(TOKENS, json={"message": "no"}, status=404)
    responses.post(TOKENS, json={"signed_token": "signed"})
    with pytest.raises(NotFoundError):
        agent.issue_pty_signed_token("wss://proxy.example.com/pty")
    assert client.capabilities.pty_signed_token is None
    agent.issue_pty_signed_token("wss://proxy.example.com/pty")
    assert client.capabilities.pty_signed_token is True


@pytest.mark.parametrize(
    ("version", "said", "told"),
    [
        ("v2.31.0", "v2.31.0", "v2.31.0"),
        ("v2.33.1+abc123", "v2.33.1+abc123", "v2.33.1+abc123"),
        ("v0.0.0-devel", "v0.0.0-devel", "v0.0.0-devel, a development build"),
        ("v0.0.0-devel+abc", "v0.0.0-devel+abc", "v0.0.0-devel+abc, a development build"),
        (None, "unknown", "of an unknown version"),
        ("", "unknown", "of an unknown version"),
        ("v1\x9b2J", "v1\x9b2J", r"v1\x9b2J"),
        ("v" * 5000, "v" * 5000, "v" * 80),
    ],
)
@responses.activate
def test_an_unsupported_call_is_told_with_the_deployments_version(
    agent: Agent, version: str | None, said: str, told: str
) -> None:
    """
    The version is what the deployment says, made safe to show, and stands after the text of Coder's
    Go client.
    """
    missing(TOKENS, version)
    with pytest.raises(UnsupportedCallError) as raised:
        agent.issue_pty_signed_token("wss://proxy.example.com/pty")
    error = raised.value
    assert str(error) == (
        f"POST {TOKENS}: unexpected status code 404: Route not found.\n\t"
        "agent.issue_pty_signed_token() is only in licensed builds of Coder,"
        f" and this deployment ({told}) does not have it"
    )
    assert (error.call, error.version) == ("agent.issue_pty_signed_token()", said)
    assert error.since == ""
    assert (error.status_code, error.message) == (404, "Route not found.")


@responses.activate
def test_an_unsupported_call_survives_pickling(agent: Agent) -> None:
    """
    It keeps all that it tells, and has no token.
    """
    missing(TOKENS, "v2.31.0")
    with pytest.raises(UnsupportedCallError) as raised:
        agent.issue_pty_signed_token("wss://proxy.example.com/pty")
    pickled = pickle.dumps(raised.value)
    copy: Any = pickle.loads(pickled)
    assert TOKEN.encode() not in pickled
    assert type(copy) is UnsupportedCallError
    assert (str(copy), copy.call, copy.version) == (
        str(raised.value),
        "agent.issue_pty_signed_token()",
        "v2.31.0",
    )
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_an_unsupported_error_of_ones_own_needs_nothing() -> None:
    """
    It is so with any error of this package.
    """
    error = UnsupportedCallError("no such call", call="agent.fly()", since="3.0", status_code=404)
    assert (str(error), error.call, error.since) == ("no such call", "agent.fly()", "3.0")
    assert (error.version, error.status_code) == ("unknown", 404)
    without = UnsupportedError("no shell", call="agent.run()", found="windows")
    assert (str(without), without.call, without.found) == ("no shell", "agent.run()", "windows")
    assert (without.version, without.since, without.agent_version) == ("unknown", "", "")
    copy = pickle.loads(pickle.dumps(without))
    assert (str(copy), copy.found) == ("no shell", "windows")


def test_what_no_answer_refused_is_no_error_of_an_answer() -> None:
    """
    An error without a status is no `APIError`, and one handler catches both kinds.
    """
    assert not issubclass(UnsupportedError, APIError)
    assert issubclass(UnsupportedCallError, UnsupportedError)
    assert issubclass(UnsupportedCallError, APIError)


def test_a_call_is_named_once() -> None:
    """
    The innermost knows best.
    """
    with pytest.raises(UnsupportedCallError) as raised:
        with naming("recreate_by_devcontainer"), Capabilities().requesting("delete_devcontainer"):
            raise UnsupportedCallError("no")
    assert (raised.value.call, raised.value.since) == ("agent.delete_devcontainer()", "2.30")
    assert str(raised.value) == (
        "no\n\tagent.delete_devcontainer() came with Coder 2.30,"
        " and this deployment (of an unknown version) does not have it"
    )


BY_ID = f"{API}/containers/devcontainers/{ID}/recreate"
BY_CONTAINER = f"{API}/containers/devcontainers/container/d/recreate"


def listed() -> None:
    """
    Have the agent list one devcontainer, whose container is not known.
    """
    body = {"containers": [], "devcontainers": [{"id": str(ID), "name": "d"}]}
    responses.get(f"{API}/containers", json=body)


@responses.activate
def test_a_deployment_without_either_route_to_recreate_is_told(
    client: Client, agent: Agent
) -> None:
    """
    The error is raised once both routes were requested.
    """
    listed()
    missing(BY_ID, "v2.20.0")
    missing(BY_CONTAINER, "v2.20.0")
    with pytest.raises(UnsupportedCallError) as raised:
        agent.recreate_devcontainer("d")
    assert str(raised.value).endswith(
        "\n\tagent.recreate_devcontainer() came with Coder 2.25,"
        " and this deployment (v2.20.0) does not have it"
    )
    assert raised.value.url == BY_CONTAINER
    assert client.capabilities.recreate_by_devcontainer is False


@responses.activate
def test_a_deployment_that_is_updated_meanwhile_is_asked_again(
    client: Client, agent: Agent
) -> None:
    """
    The other route is requested where the known one is there no more.
    """
    client._capabilities.recreate_by_devcontainer = False
    listed()
    missing(BY_CONTAINER)
    responses.post(BY_ID, json={"message": "ok"}, status=202)
    assert agent.recreate_devcontainer("d").message == "ok"
    assert client.capabilities.recreate_by_devcontainer is True
