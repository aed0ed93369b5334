"""
Requests that are unusual, or no proper ones: none of them ends a thread of the deployment with an error.
"""

from __future__ import annotations

import socket

import pytest

from coder_agents.testing import Deployment

UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


def answer_to(deployment: Deployment, target: bytes, *headers: bytes) -> bytes:
    """
    The status line of the answer to a GET of *target*.
    """
    port = int(deployment.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        lines = [b"GET " + target + b" HTTP/1.1", *headers]
        connection.sendall(b"\r\n".join([*lines, b"", b""]))
        received = b""
        while b"\r\n" not in received and (data := connection.recv(65_536)):
            received += data
    return received.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "host",
    [
        b"xn--a",
        b"xn--",
        b"XN--0",
        b"a..b",
        b".",
        b"",
        b"[",
        b"a" * 300,
        b"\xff",
        b"xn--\xfc",
        b"a_b",
    ],
)
def test_any_host_is_answered(deployment: Deployment, host: bytes) -> None:
    """
    A request and a WebSocket's handshake are answered whatever host they name, as a real server answers.
    """
    agent = deployment.add_agent()
    header = b"Host: " + host
    assert answer_to(deployment, b"/api/v2/buildinfo", header) == b"HTTP/1.1 200 OK"
    path = f"/api/v2/workspaceagents/{agent.id}/logs?follow".encode()
    token = b"Coder-Session-Token: " + deployment.token.encode()
    found = answer_to(deployment, path, header, token, *UPGRADE, KEY)
    assert found.startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize(
    "header",
    [
        b"Sec-WebSocket-Protocol: \xff",
        b"Sec-WebSocket-Extensions: \xff",
        b"Connection: Upgrade, \xff",
    ],
)
def test_a_handshake_that_cannot_be_read_is_refused(deployment: Deployment, header: bytes) -> None:
    """
    A header of the handshake that is not ASCII, as it has to be, is answered with a refusal.
    """
    agent = deployment.add_agent()
    path = f"/api/v2/workspaceagents/{agent.id}/logs?follow".encode()
    token = b"Coder-Session-Token: " + deployment.token.encode()
    found = answer_to(deployment, path, b"Host: localhost", token, *UPGRADE, KEY, header)
    assert found.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("target", [b"//[", b"http://[::1/x", b"//[::1", b"//]/x"])
def test_a_target_that_is_no_url_is_refused(deployment: Deployment, target: bytes) -> None:
    """
    What cannot be read as a URL is a bad request.
    """
    assert answer_to(deployment, target, b"Host: localhost") == b"HTTP/1.1 400 Bad Request"
