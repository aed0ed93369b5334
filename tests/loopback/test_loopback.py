"""
The client against the embedded deployment: every call, over real sockets.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest
from paced import paced

from coder_agents import (
    Agent,
    AgentNotConnectedError,
    AuthenticationError,
    BadRequestError,
    Client,
    NotFoundError,
    StreamEnd,
    UnsupportedError,
)
from coder_agents.schema import (
    WorkspaceAgentContainer,
    WorkspaceAgentDevcontainer,
    WorkspaceAgentListeningPort,
)
from coder_agents.testing import Deployment, EmbeddedAgent, Metadata


def test_an_agent_is_read(deployment: Deployment, agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    Its UUID leads to it, to the user of the token, and to what is asked.
    """
    assert agent.id == embedded.id
    assert (agent.data.name, agent.data.lifecycle_state) == ("main", "ready")
    with deployment.client() as client:
        assert client.me().username
        assert client.build_info().version


def test_a_wrong_token_and_a_wrong_id_are_told_apart(deployment: Deployment) -> None:
    """
    401 and 404, each its class.
    """
    with deployment.client() as client, pytest.raises(NotFoundError):
        client.agent(uuid.uuid4())
    with (
        Client(deployment.url, "wrong-token", retries=0) as client,
        pytest.raises(AuthenticationError),
    ):
        client.me()


def test_a_log_is_read_and_followed(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    What there is, then what comes, with levels; `after` leaves out what is before.
    """
    embedded.push_logs(["one", "two"])
    first, second = agent.logs()
    assert (first.output, second.output) == ("one", "two")
    assert [log.id for log in agent.logs(after=first.id)] == [second.id]
    with agent.follow_logs(after=first.id) as stream:
        assert next(stream).output == "two"
        embedded.push_logs("three", level="error")
        third = next(stream)
        assert (third.output, third.level) == ("three", "error")


def test_a_startup_script_is_followed_live(deployment: Deployment) -> None:
    """
    Lines come while it runs; standard error has the level error.
    """
    embedded = deployment.add_agent(scripts=["echo hello; echo oops >&2; sleep 0.2; echo done"])
    with deployment.client() as client:
        with client.agent(embedded.id).follow_logs() as stream:
            lines = [next(stream) for _ in range(3)]
        assert sorted((log.output, str(log.level)) for log in lines) == [
            ("done", "info"),
            ("hello", "info"),
            ("oops", "error"),
        ]
        embedded.wait_started()
        assert client.agent(embedded.id).data.lifecycle_state == "ready"


def test_a_backlog_past_32_kib_arrives_whole(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    Every line comes, where the Go client delivers nothing.
    """
    lines = [f"{number} " + "x" * 200 for number in range(2000)]
    embedded.push_logs(lines)
    with agent.follow_logs() as stream:
        assert [next(stream).output for _ in lines] == lines


def test_metadata_is_watched(deployment: Deployment) -> None:
    """
    Real scripts' values, and those set by hand.
    """
    embedded = deployment.add_agent(
        metadata=[Metadata("Echo", "echo", "echo hi", interval=1, timeout=1)]
    )
    with deployment.client() as client, client.agent(embedded.id).watch_metadata() as stream:
        while (item := next(stream)[0]).result.value != "hi\n":
            pass
        assert item.description.display_name == "Echo"
        embedded.set_metadata("echo", "by hand")
        while next(stream)[0].result.value != "by hand":
            pass


def test_ports_and_containers_are_listed(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    Labels choose among containers.
    """
    embedded.set_ports([WorkspaceAgentListeningPort(process_name="x", network="tcp", port=81)])
    embedded.set_containers(
        [
            WorkspaceAgentContainer(id="a", name="a", labels={"team": "a"}),
            WorkspaceAgentContainer(id="b", name="b", labels={"team": "b"}),
        ]
    )
    assert [port.port for port in agent.listening_ports()] == [81]
    assert [c.id for c in agent.containers().containers] == ["a", "b"]
    assert [c.id for c in agent.containers({"team": "b"}).containers] == ["b"]


def test_what_needs_a_connected_agent_says_so(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    The error is of a class of its own.
    """
    embedded.disconnect()
    with pytest.raises(AgentNotConnectedError):
        agent.listening_ports()
    with pytest.raises(AgentNotConnectedError):
        agent.containers()


def test_a_devcontainer_is_recreated(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    The request takes the route that the release has.
    """
    container = WorkspaceAgentContainer(
        id="c1", name="ctr", labels={"devcontainer.local_folder": "/home/coder/dev"}
    )
    devcontainer = WorkspaceAgentDevcontainer(
        id=uuid.uuid4(), name="dev", workspace_folder="/home/coder/dev", container=container
    )
    embedded.set_containers([container])
    embedded.set_devcontainers([devcontainer])
    assert "initiated" in agent.recreate_devcontainer("ctr").message


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("https://proxy.example.com", ValueError, "url must begin with wss:// or ws://"),
        ("", ValueError, "url must begin with wss:// or ws://"),
        ("ws:/x", ValueError, "url must begin with wss:// or ws://"),
        (None, TypeError, "url must be text, not NoneType"),
        (b"wss://x", TypeError, "url must be text, not bytes"),
    ],
)
def test_a_signed_token_is_for_the_url_of_a_websocket(
    deployment: Deployment, agent: Agent, url: Any, error: type[Exception], says: str
) -> None:
    """
    Anything else is refused before a request is sent.
    """
    deployment.requests.clear()
    with pytest.raises(error, match=says):
        agent.issue_pty_signed_token(url)
    assert not deployment.requests


def test_signed_tokens_need_a_licence(deployment: Deployment, agent: Agent) -> None:
    """
    Open-source builds do not have the route.
    """
    with pytest.raises(UnsupportedError):
        agent.issue_pty_signed_token("WSS://proxy.example.com/pty")
    deployment.licensed = True
    url = f"wss://proxy.example.com/api/v2/workspaceagents/{agent.id}/pty"
    assert agent.issue_pty_signed_token(url)


def test_a_newer_build_ends_the_log(agent: Agent, embedded: EmbeddedAgent) -> None:
    """
    Every line comes and no error; how it ends depends on what the release still answers.
    """
    embedded.push_logs(["one", "two"])
    stream = agent.follow_logs(options=paced(third_try=0.1, max_settling=1.0))
    assert next(stream).output == "one"
    embedded.new_build()
    assert [log.output for log in stream] == ["two"]
    assert stream.end in (StreamEnd.SERVER_CLOSED, StreamEnd.AGENT_GONE)


def test_tls_is_the_same_on_every_call(release: str) -> None:
    """
    REST, server-sent events and WebSocket check the deployment's own authority.
    """
    with Deployment(release=release, tls=True, metadata_interval=0.05) as deployment:
        embedded = deployment.add_agent(metadata=[Metadata("Echo", "echo", "echo hi")])
        embedded.push_logs("one")
        with deployment.client() as client:
            agent = client.agent(embedded.id)
            with agent.follow_logs() as logs:
                assert next(logs).output == "one"
            with agent.watch_metadata() as metadata:
                assert next(metadata)[0].description.key == "echo"


def test_a_blocked_reader_is_woken_against_the_deployment(agent: Agent) -> None:
    """
    Another thread closes the stream, and the reader returns.
    """
    stream = agent.follow_logs()
    timer = threading.Timer(0.1, stream.close)
    timer.start()
    started = time.monotonic()
    assert list(stream) == []
    assert time.monotonic() - started < 40
    timer.join()


def test_the_deployment_itself_refuses_what_the_client_checks(agent: Agent) -> None:
    """
    A negative `after` is a 400 where it is not refused before.
    """
    with pytest.raises(BadRequestError):
        agent._http.call("GET", agent._path("logs"), params=[("after", "-1")])
