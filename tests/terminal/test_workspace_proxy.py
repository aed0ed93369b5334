"""
Terminals over a workspace proxy: here the deployment itself, under another name of its host.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from coder_agents import Client, ConfigError, NotFoundError, UnsupportedCallError
from coder_agents.testing import Deployment, RecordedRequest

from .conftest import Place, placed, read_all, read_until

PARAMETER = "coder_signed_app_token_23db1dde"
SECRET = "the password of another proxy"


@pytest.fixture
def licensed() -> Iterator[Place]:
    """
    An agent of a deployment with a licence.
    """
    with placed() as made:
        made.deployment.licensed = True
        yield made


def proxy_of(place: Place) -> str:
    """
    Return the URL of the workspace proxy.
    """
    return f"http://localhost:{urlsplit(place.deployment.url).port}"


def terminals(place: Place) -> list[RecordedRequest]:
    """
    Return the requests of terminals so far.
    """
    return [each for each in list(place.deployment.requests) if each.route == "pty"]


def token_of(request: RecordedRequest) -> str:
    """
    Return the signed token of a request.
    """
    [token] = parse_qs(urlsplit(request.target).query)[PARAMETER]
    return token


def test_the_proxy_gets_a_token_for_the_terminal_and_no_other(licensed: Place) -> None:
    """
    Neither the session token nor a header of the client goes to another host than the deployment.
    """
    headers = {"X-Secret": SECRET}
    deployment = licensed.deployment
    with Client(deployment.url, deployment.token, headers=headers) as client:
        agent = client.agent(str(licensed.embedded.id))
        with agent.terminal("echo hello", workspace_proxy=proxy_of(licensed)) as terminal:
            assert read_all(terminal) == b"hello\r\n"
    (request,) = terminals(licensed)
    assert request.headers["host"] == urlsplit(proxy_of(licensed)).netloc
    assert token_of(request)
    assert deployment.token not in str(dict(request.headers))
    assert SECRET not in str(dict(request.headers))
    (issue,) = [each for each in deployment.requests if each.route == "pty_signed_token"]
    assert issue.headers["coder-session-token"] == deployment.token


def test_a_terminal_gets_a_new_token_after_a_drop(licensed: Place) -> None:
    """
    A token is valid for a minute only, and a terminal lives longer.
    """
    licensed.deployment.faults.add("drop", route="pty", after_bytes=600)
    lines = "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; read x"
    with licensed.agent.terminal(lines, workspace_proxy=proxy_of(licensed)) as terminal:
        read_until(terminal, b"line 199")
        assert terminal.reconnects == 1
        terminal.kill()
    tokens = [token_of(each) for each in terminals(licensed)]
    assert len(tokens) >= 3  # the third one kills
    assert len(set(tokens)) == len(tokens)


def test_a_proxy_that_does_not_know_the_token_refuses(
    licensed: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The error is the proxy's own, and neither it nor the log has a token.
    """
    caplog.set_level("DEBUG")
    with Deployment() as stranger, pytest.raises(NotFoundError) as caught:
        licensed.agent.terminal("echo hello", workspace_proxy=stranger.url)
    (request,) = [each for each in stranger.requests if each.route == "pty"]
    token = token_of(request)
    assert token
    text = f"{caught.value!r} {caught.value} {caught.value.request.url} {caplog.text}"
    assert token not in text
    assert licensed.deployment.token not in text
    assert stranger.url in text


def test_builds_without_a_licence_have_no_proxies(newest: Place) -> None:
    """
    The error is that of the call for a token, and no terminal is requested.
    """
    with pytest.raises(UnsupportedCallError):
        newest.agent.terminal("echo hello", workspace_proxy=proxy_of(newest))
    assert terminals(newest) == []


@pytest.mark.parametrize(
    ("proxy", "error"),
    [
        ("", ConfigError),
        ("proxy.example.com", ConfigError),
        (5, TypeError),
        (b"http://x", TypeError),
    ],
)
def test_what_is_no_url_of_a_proxy_is_refused(
    licensed: Place, proxy: Any, error: type[Exception]
) -> None:
    """
    The error comes before anything is requested.
    """
    licensed.deployment.requests.clear()
    with pytest.raises(error):
        licensed.agent.terminal("echo hello", workspace_proxy=proxy)
    assert not licensed.deployment.requests


def test_one_client_has_one_proxy_and_closes_it(licensed: Place) -> None:
    """
    Terminals over one proxy share what is known of it, which ends with the client.
    """
    deployment = licensed.deployment
    with deployment.client() as client:
        agent = client.agent(str(licensed.embedded.id))
        for proxy in (proxy_of(licensed), f"{proxy_of(licensed)}/"):
            with agent.terminal("read x", workspace_proxy=proxy) as terminal:
                terminal.kill()
        held = [each for key, each in client._http.held.items() if "workspace proxy" in key]  # type: ignore[operator]
        assert len(held) == 1
    with pytest.raises(RuntimeError, match="closed"):
        held[0].check_open()  # type: ignore[attr-defined]
