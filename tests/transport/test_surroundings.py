"""
What a client reads of the environment at each request.
"""

from __future__ import annotations

import os

import pytest
import requests.utils
from peer import Conversation, serving

from coder_agents import Client
from coder_agents.transport.surroundings import proxies_for

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
BODY = b'{"id": "a397ee51-1761-4c97-b4b2-e5a53b582592", "username": "me"}'


class Noting(dict[str, str]):
    """
    An environment that notes which values are read.
    """

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.noted: list[str] = []

    def __getitem__(self, name: str) -> str:
        self.noted.append(name)
        return super().__getitem__(name)

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """
        Note *name*, and return its value.
        """
        self.noted.append(name)
        return super().get(name, default)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Take away what this machine has set.
    """
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HTTP_PROXY": "http://upper:1"},
        {"http_proxy": "http://lower:1", "https_proxy": "http://other:1"},
        {"ALL_PROXY": "http://all:1"},
        {"http_proxy": "http://lower:1", "NO_PROXY": "other.example.com"},
        {"http_proxy": "http://lower:1", "no_proxy": "coder.example.com"},
        {"no_proxy": "*"},
    ],
)
def test_the_proxies_are_those_that_requests_finds(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """
    The result is that of requests, where a variable sets a proxy and where none does.
    """
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    url = "http://coder.example.com/api/v2"
    assert proxies_for(url) == requests.utils.get_environ_proxies(url)


def test_a_request_does_not_go_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where no variable sets a proxy, a request reads the two variables of the authorities, and no other.
    """

    def script(conversation: Conversation) -> None:
        while conversation.read_head():
            conversation.head = b""
            conversation.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
            )

    with serving(script) as peer, Client(peer.url, TOKEN) as client:
        client.me()
        environment = Noting(dict(os.environ))
        monkeypatch.setattr(os, "environ", environment)
        client.me()
        monkeypatch.undo()
    assert environment.noted[0] == "REQUESTS_CA_BUNDLE"
    assert set(environment.noted) <= {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
