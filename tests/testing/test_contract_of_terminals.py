"""
What a terminal of the embedded deployment does, against recordings of real ones.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pty_client import Open, PtyClient

from coder_agents.testing import Deployment, EmbeddedAgent

pytestmark = [pytest.mark.unmeasured, pytest.mark.once]


@pytest.fixture
def deployment(release: str) -> Iterator[Deployment]:
    """
    A deployment of the recorded release.
    """
    with Deployment(release=release) as made:
        yield made


@pytest.fixture
def agent(deployment: Deployment) -> EmbeddedAgent:
    """
    An agent that stands for the recorded one.
    """
    return deployment.add_agent(environment={"PS1": "# "})


def repeated(
    exchange: Any, deployment: Deployment, agent: EmbeddedAgent, terminal: Open
) -> PtyClient:
    """
    Return a client that has sent the recorded request.
    """
    query = dict(parse_qsl(urlsplit(exchange["request"]["path"]).query))
    return terminal(deployment, agent, **query)


def recorded_output(exchange: Any) -> bytes:
    """
    Return the recorded output.
    """
    messages = exchange["messages"]
    return b"".join(base64.b64decode(each["base64"]) for each in messages if "base64" in each)


def recorded_end(exchange: Any) -> object:
    """
    Return the recorded close code, or ``drop``.
    """
    last = exchange["messages"][-1]
    return last["code"] if last["kind"] == "close" else "drop"


def test_the_output_and_the_end_are_the_recorded_ones(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, recording: Any, release: str
) -> None:
    """
    A command that ends at once has the recorded output and the recorded end.
    """
    found = recording(release, "pty")
    client = repeated(found, deployment, agent, terminal)
    assert client.read_all() == recorded_output(found)
    assert client.end == recorded_end(found)


def test_a_text_frame_is_answered_as_recorded(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, recording: Any, release: str
) -> None:
    """
    A frame of the wrong type is closed with the recorded code and reason.
    """
    found = recording(release, "pty_text_frame")
    client = repeated(found, deployment, agent, terminal)
    client.socket.send(found["messages"][0]["data"])
    client.read_all()
    close = found["messages"][-1]
    assert (client.end, client.reason) == (close["code"], close["reason"])


def test_a_raw_terminal_passes_the_recorded_bytes(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, recording: Any, release: str
) -> None:
    """
    The recorded frames, which cut an object, lead to the recorded output.
    """
    found = recording(release, "pty_raw_bytes")
    client = repeated(found, deployment, agent, terminal)
    client.read_until(b"READY")
    for message in found["messages"]:
        if message["kind"] == "sent":
            client.socket.send_binary(message["data"].encode())
    assert client.read_all() == recorded_output(found)
    assert client.end == recorded_end(found)


def test_a_terminal_that_is_joined_again_replays_as_recorded(
    deployment: Deployment, agent: EmbeddedAgent, terminal: Open, recording: Any, release: str
) -> None:
    """
    The second exchange has the whole output of the first command, and the recorded end.
    """
    first, second = recording(release, "pty_reattach_running")["exchanges"]
    client = repeated(first, deployment, agent, terminal)
    client.read_until(recorded_output(first))
    client.close()
    client = repeated(second, deployment, agent, terminal)
    assert client.read_all() == recorded_output(second)
    assert client.end == recorded_end(second)


@pytest.mark.parametrize("name", ["pty_400", "pty_401", "pty_superseded_agent"])
def test_refusals_are_the_recorded_ones(
    deployment: Deployment,
    agent: EmbeddedAgent,
    calls: Any,
    recording: Any,
    release: str,
    name: str,
) -> None:
    """
    Status and type of the content are those of the recording, and a body of JSON is the same.
    """
    found = recording(release, name)
    if name == "pty_superseded_agent":
        agent.new_build()
    query = urlsplit(found["request"]["path"]).query
    token = {} if found["request"]["auth"] == "none" else calls(deployment).headers
    path = f"/workspaceagents/{agent.id}/pty?{query}"
    answer = calls(deployment)("GET", path, headers=token)
    assert answer.status_code == found["response"]["status"]
    assert answer.headers["content-type"] == found["response"]["headers"]["content-type"]
    if "json" in answer.headers["content-type"]:
        assert answer.text == found["response"]["body"]
