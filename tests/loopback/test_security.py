"""
REST, server-sent events and WebSocket treat certificates and proxies alike.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from peer import Conversation, serving

from coder_agents import Agent, Client, TLSError, TransportError
from coder_agents.testing import Deployment, EmbeddedAgent, Metadata

Call = Callable[[Agent], Any]


def rest(agent: Agent) -> str:
    """
    Read the agent.
    """
    return str(agent.refresh().name)


def sse(agent: Agent) -> str:
    """
    Read one item of metadata.
    """
    with agent.watch_metadata() as stream:
        return str(next(stream)[0].description.key)


def websocket(agent: Agent) -> str:
    """
    Read one line of the log.
    """
    with agent.follow_logs() as stream:
        return next(stream).output


CALLS = [rest, sse, websocket]
ANSWERS: dict[Call, str] = {rest: "main", sse: "echo", websocket: "one"}


@pytest.fixture(params=CALLS, ids=lambda call: call.__name__)
def call(request: pytest.FixtureRequest) -> Call:
    """
    Each kind of call in turn.
    """
    found: Call = request.param
    return found


@contextlib.contextmanager
def deployed(tls: ssl.SSLContext | None = None) -> Iterator[tuple[Deployment, EmbeddedAgent]]:
    """
    Run a deployment with one agent that has a line and an item of metadata.
    """
    with Deployment(tls=tls or False, metadata_interval=0.05) as deployment:
        embedded = deployment.add_agent(metadata=[Metadata("Echo", "echo", "echo hi")])
        embedded.push_logs("one")
        yield deployment, embedded


def unread(client: Client, embedded: EmbeddedAgent) -> Agent:
    """
    Return the agent without a request.
    """
    return Agent(embedded.id, client._http, client._stream_options, client._capabilities)


def context(certificate: trustme.LeafCert, clients: trustme.CA | None = None) -> ssl.SSLContext:
    """
    Return a server's context; with *clients*, it demands a certificate of theirs.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    if clients is not None:
        clients.configure_trust(made)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def test_a_private_authority_is_trusted_when_named(
    call: Call, authority: trustme.CA, authority_file: Path
) -> None:
    """
    Without its name the handshake is refused.
    """
    with deployed(context(authority.issue_cert("127.0.0.1"))) as (deployment, embedded):
        with Client(deployment.url, deployment.token, verify=authority_file) as client:
            assert call(unread(client, embedded)) == ANSWERS[call]
        with Client(deployment.url, deployment.token, retries=0) as client:
            with pytest.raises(TLSError, match="certificate verify failed"):
                call(unread(client, embedded))


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verification_can_be_switched_off(call: Call, authority: trustme.CA) -> None:
    """
    With verify=False all three kinds of connection are made.
    """
    with deployed(context(authority.issue_cert("127.0.0.1"))) as (deployment, embedded):
        with Client(deployment.url, deployment.token, verify=False) as client:
            assert call(unread(client, embedded)) == ANSWERS[call]


def test_a_wrong_host_name_is_refused(
    call: Call, authority: trustme.CA, authority_file: Path
) -> None:
    """
    The handshake is refused though the authority is right.
    """
    with deployed(context(authority.issue_cert("coder.example.com"))) as (deployment, embedded):
        with (
            Client(deployment.url, deployment.token, verify=authority_file, retries=0) as client,
            pytest.raises(TLSError, match="IP address mismatch"),
        ):
            call(unread(client, embedded))


def test_a_client_certificate_is_shown(
    call: Call, authority: trustme.CA, authority_file: Path, tmp_path: Path
) -> None:
    """
    The server demands one, and without it the handshake fails.
    """
    clients = trustme.CA()
    leaf = clients.issue_cert("client@example.com")
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(pem)
    leaf.private_key_pem.write_to_path(key)
    both = tmp_path / "both.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(both)
    with deployed(context(authority.issue_cert("127.0.0.1"), clients)) as (deployment, embedded):
        for cert in ((str(pem), str(key)), str(both)):
            with Client(
                deployment.url, deployment.token, verify=authority_file, cert=cert
            ) as client:
                assert call(unread(client, embedded)) == ANSWERS[call]
        with (
            Client(deployment.url, deployment.token, verify=authority_file, retries=0) as client,
            pytest.raises(TransportError),
        ):
            call(unread(client, embedded))


def _relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """
    A small real HTTP proxy, which tunnels and forwards; gives its URL and what it was asked.
    """
    asked: list[bytes] = []

    def serve(conversation: Conversation) -> None:
        head = conversation.read_head()
        asked.append(head)
        method, target = head.split()[:2]
        parts = urlsplit(target.decode() if method != b"CONNECT" else f"//{target.decode()}")
        with socket.create_connection((parts.hostname or "", parts.port or 80)) as beyond:
            if method == b"CONNECT":
                conversation.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = target.split(b"/", 3)[3]
                beyond.sendall(head.replace(target, b"/" + path, 1))
            thread = threading.Thread(target=_relay, args=(beyond, conversation.sock))
            thread.start()
            _relay(conversation.sock, beyond)
            thread.join(60)

    with serving(serve) as peer:
        yield peer.url, asked


@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_a_proxy_is_used_by_all(
    call: Call, authority: trustme.CA, authority_file: Path, encrypted: bool
) -> None:
    """
    Given as a setting; under TLS it never sees the token.
    """
    tls = context(authority.issue_cert("127.0.0.1")) if encrypted else None
    with deployed(tls) as (deployment, embedded), proxy() as (url, asked):
        with Client(
            deployment.url,
            deployment.token,
            verify=authority_file,
            proxies={"http": url, "https": url},
        ) as client:
            assert call(unread(client, embedded)) == ANSWERS[call]
        assert len(asked) == 1
        assert not encrypted or deployment.token.encode() not in asked[0]


def test_the_environments_proxy_is_used_by_all_but_where_no_proxy_says(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    HTTP_PROXY and NO_PROXY hold for streams as for REST.
    """
    for name in ("http_proxy", "no_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with deployed() as (deployment, embedded), proxy() as (url, asked):
        monkeypatch.setenv("HTTP_PROXY", url)
        with Client(deployment.url, deployment.token) as client:
            agent = unread(client, embedded)
            assert call(agent) == ANSWERS[call]
            assert len(asked) == 1
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            assert call(agent) == ANSWERS[call]
            assert len(asked) == 1


def test_a_redirect_to_another_host_never_carries_the_token(call: Call) -> None:
    """
    The second host is not even connected to.
    """
    with serving(lambda conversation: conversation.read_head()) as other:

        def redirect(conversation: Conversation) -> None:
            path = conversation.read_head().split()[1].partition(b"?")[0]
            conversation.send(
                b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\n"
                b"Location: %s%s\r\n\r\n" % (other.url.encode(), path)
            )

        with serving(redirect) as first, deployed() as (deployment, embedded):
            with Client(first.url, deployment.token) as client:
                with pytest.raises(Exception, match=f"use {other.url} as the deployment's URL"):
                    call(unread(client, embedded))
        assert other.accepted == 0
