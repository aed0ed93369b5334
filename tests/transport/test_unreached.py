"""
Where no answer came: which class reports it, what it is about, and what its cause is.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
import urllib3
from driving import open_source
from peer import Conversation, serving

from coder_agents import (
    Client,
    CoderError,
    ConfigError,
    ProxyError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from coder_agents.transport import HTTPSource, KeptRequest, SSESource, WebSocketSource

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
LIMITS: dict[str, Any] = {"idle_timeout": 30.0, "max_message_size": 1000}
MakeClient = Callable[..., Client]
Call = Callable[[Client], object]


def rest(client: Client) -> object:
    """
    Send a REST call.
    """
    return client.me()


def opened_and_freed(source: HTTPSource[Any]) -> None:
    """
    Open *source*, and free it again.
    """
    try:
        open_source(source, source.connect_timeout)
    finally:
        source.free()


def sse(client: Client) -> None:
    """
    Open a stream of events.
    """
    opened_and_freed(SSESource(client._http, "/users/me", **LIMITS))


def websocket(client: Client) -> None:
    """
    Open a WebSocket.
    """
    opened_and_freed(WebSocketSource(client._http, "/users/me", **LIMITS))


def check(client: Client) -> object:
    """
    Send a request over a kept connection.
    """
    request = KeptRequest(client._http.kept, "/users/me", max_message_size=1000)
    try:
        while (body := request.receive(client._http.settings.connect_timeout)) is None:
            pass
        return body
    finally:
        request.free()


@pytest.fixture(params=[rest, sse, websocket, check], ids=lambda call: call.__name__)
def call(request: pytest.FixtureRequest) -> Call:
    """
    Each kind of request in turn.
    """
    found: Call = request.param
    return found


def failure_of(client: Client, call: Call) -> CoderError:
    """
    Return the error with which *call* ends.
    """
    with client, pytest.raises(CoderError) as raised:
        call(client)
    return raised.value


def everything_of(error: BaseException) -> str:
    """
    Return all that hangs on *error*, as text.
    """
    found: list[str] = []
    each: BaseException | None = error
    while each is not None:
        found += [*traceback.format_exception(each), repr(each), repr(vars(each))]
        request = getattr(each, "request", None)
        found += [] if request is None else [repr(vars(request))]
        each = each.__cause__ or each.__context__
    return "\n".join(found)


@pytest.fixture
def closed_port() -> int:
    """
    A port at which nobody listens.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_refused_connection_is_one_of_requests_too(call: Call, closed_port: int) -> None:
    """
    Its cause is the error of the socket, and nothing of it holds the token.
    """
    error = failure_of(Client(f"http://127.0.0.1:{closed_port}", TOKEN, retries=0), call)
    assert type(error) is TransportError
    assert isinstance(error, requests.ConnectionError)
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert error.__cause__.__traceback__ is None
    assert TOKEN not in everything_of(error)
    assert not isinstance(error, (requests.Timeout, TimeoutError))


def test_a_time_out_is_one_of_requests_and_of_python_too(call: Call) -> None:
    """
    Its cause is a `TimeoutError`.
    """
    with serving(lambda conversation: conversation.stop.wait(60)) as peer:
        error = failure_of(Client(peer.url, TOKEN, timeout=(20, 0.3), retries=0), call)
    assert type(error) is RequestTimeoutError
    assert isinstance(error, requests.Timeout)
    assert isinstance(error, TimeoutError)
    assert isinstance(error.__cause__, TimeoutError)
    assert TOKEN not in everything_of(error)


def test_a_lost_connection_keeps_its_cause(call: Call) -> None:
    """
    The reset of the socket is the cause.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.reset()

    with serving(script) as peer:
        error = failure_of(Client(peer.url, TOKEN, retries=0), call)
    assert type(error) is TransportError
    assert isinstance(error.__cause__, ConnectionResetError)
    assert TOKEN not in everything_of(error)


@pytest.fixture
def untrusted(authority: trustme.CA) -> ssl.SSLContext:
    """
    A server's context with a certificate of an authority that nobody trusts.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


def test_a_refused_certificate_is_reported_once(call: Call, untrusted: ssl.SSLContext) -> None:
    """
    No request is tried again, and the error names the two places for an authority.
    """
    with serving(Conversation.read_head, tls=untrusted) as peer:
        error = failure_of(Client(peer.url, TOKEN, retries=3), call)
        assert peer.accepted == 1
    assert type(error) is TLSError
    assert error.certificate_refused
    assert isinstance(error, requests.exceptions.SSLError)
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
    assert "verify=" in str(error)
    assert "CODER_CLIENT_TLS_CA_FILE" in str(error)
    assert TOKEN not in everything_of(error)


@pytest.mark.parametrize(
    ("name", "days", "advice"),
    [
        ("127.0.0.1", -1, "the certificate must be renewed"),
        ("127.0.0.2", 1, "the URL must have a host name that is in the certificate"),
        ("coder.example.com", 1, "the URL must have a host name that is in the certificate"),
    ],
)
def test_a_certificate_of_a_known_authority_needs_no_other_authority(
    authority: trustme.CA, authority_file: Path, name: str, days: int, advice: str
) -> None:
    """
    Where a certificate has expired, or is of another host, the error says that and names no setting.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    end = datetime.now(UTC) + timedelta(days=days)
    authority.issue_cert(name, not_before=end - timedelta(days=9), not_after=end).configure_cert(
        context
    )
    with serving(Conversation.read_head, tls=context) as peer:
        error = failure_of(Client(peer.url, TOKEN, verify=authority_file, retries=3), rest)
        assert peer.accepted == 1
    assert type(error) is TLSError
    assert error.certificate_refused
    assert f"; {advice}" in str(error)
    assert "CODER_CLIENT_TLS_CA_FILE" not in str(error)


def test_a_refused_client_certificate_is_reported_once(
    call: Call, authority: trustme.CA, authority_file: Path, tmp_path: Path
) -> None:
    """
    Where the server wants a certificate of another authority, the error names the settings for it.
    """
    mine = tmp_path / "mine.pem"
    leaf = trustme.CA().issue_cert("client@example.com")
    leaf.private_key_and_cert_chain_pem.write_to_path(mine)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = (
        ssl.TLSVersion.TLSv1_2
    )  # in which the refusal comes before the request
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trustme.CA().configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(Conversation.read_head, tls=context) as peer:
        client = Client(peer.url, TOKEN, verify=authority_file, cert=str(mine), retries=3)
        error = failure_of(client, call)
        assert peer.accepted == 1
    assert type(error) is TLSError
    assert error.certificate_refused
    assert "cert=" in str(error)
    assert "CODER_CLIENT_TLS_CERT_FILE" in str(error)


def test_a_handshake_that_fails_otherwise_is_tried_again(call: Call) -> None:
    """
    What is no refusal of a certificate may pass.
    """

    def script(conversation: Conversation) -> None:
        conversation.sock.recv(1)
        conversation.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(script) as peer:
        url = peer.url.replace("http://", "https://")
        error = failure_of(Client(url, TOKEN, retries=1), call)
        assert peer.accepted == (2 if call is rest else 1)
    assert type(error) is TLSError
    assert not error.certificate_refused


def proxied(proxy: str, url: str = "http://coder.invalid", **options: Any) -> Client:
    """
    Return a client behind *proxy*, whose login must be in no error.
    """
    with_login = proxy.replace("http://", "http://someone:s3cret@")
    return Client(url, TOKEN, proxies={"http": with_login, "https": with_login}, **options)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_down_is_named(call: Call, scheme: str, closed_port: int) -> None:
    """
    Without its login.
    """
    proxy = f"http://127.0.0.1:{closed_port}"
    error = failure_of(proxied(proxy, f"{scheme}://coder.invalid", retries=0), call)
    assert type(error) is ProxyError
    assert isinstance(error, requests.exceptions.ProxyError)
    assert isinstance(error, TransportError)
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert f"the proxy {proxy} cannot be reached" in str(error)
    assert "s3cret" not in everything_of(error)
    assert TOKEN not in everything_of(error)


def refusing(status: bytes) -> Callable[[Conversation], None]:
    """
    Return the script of a proxy that answers *status*.
    """

    def script(conversation: Conversation) -> None:
        conversation.read_head()
        conversation.send(b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status)

    return script


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_named(call: Call, scheme: str) -> None:
    """
    The error says what to set, and the request is not tried again.
    """
    with serving(refusing(b"407 Proxy Authentication Required")) as peer:
        error = failure_of(proxied(peer.url, f"{scheme}://coder.invalid", retries=3), call)
        assert peer.accepted == 1
    assert type(error) is ProxyError
    assert f"the proxy {peer.url} requires a login (status 407)" in str(error)
    assert "proxies=" in str(error)
    assert "s3cret" not in everything_of(error)


def test_a_proxy_that_does_not_connect_is_named(call: Call) -> None:
    """
    The error says that it is the proxy that refuses.
    """
    with serving(refusing(b"403 Forbidden")) as peer:
        error = failure_of(proxied(peer.url, "https://coder.invalid", retries=0), call)
    assert type(error) is ProxyError
    assert f"the proxy {peer.url} did not connect to the deployment: " in str(error)
    assert "403 Forbidden" in str(error)


def test_a_time_out_through_a_proxy_names_the_proxy(call: Call) -> None:
    """
    The error names both, as nobody can know which of the two is slow.
    """
    with serving(lambda conversation: conversation.stop.wait(60)) as peer:
        error = failure_of(proxied(peer.url, timeout=(0.5, 0.5), retries=0), call)
    assert type(error) is RequestTimeoutError
    assert f"(through the proxy {peer.url})" in str(error)


def test_a_status_of_a_proxy_that_nobody_set_is_one_of_a_proxy(call: Call) -> None:
    """
    A 407 is the answer of some proxy, also where the client knows of none.
    """
    with serving(refusing(b"407 \x1b")) as peer:
        error = failure_of(Client(peer.url, TOKEN, retries=0), call)
    assert type(error) is ProxyError
    assert "a proxy requires a login (status 407)" in str(error)
    assert "\x1b" not in str(error)
    assert error.request is not None
    assert "Coder-Session-Token" not in error.request.headers


HOLDERS = [
    urllib3.exceptions.ReadTimeoutError(
        urllib3.HTTPConnectionPool("x", headers={"Coder-Session-Token": TOKEN}), "/", "slow"
    ),
    urllib3.exceptions.ProtocolError(f"you sent {TOKEN}"),
    requests.ConnectionError(request=requests.Request("GET", "http://x").prepare()),
    ConnectionResetError(f"you sent {TOKEN}"),
]


@pytest.mark.parametrize("raised", HOLDERS, ids=lambda error: type(error).__name__)
def test_no_cause_holds_what_is_secret(raised: Exception) -> None:
    """
    What the libraries raise holds requests and pools, whose headers hold the token.
    """
    prepared = requests.Request(
        "GET", "http://x", headers={"Coder-Session-Token": TOKEN, "Accept": "x"}
    ).prepare()
    outer = requests.ConnectionError("outer", request=prepared)
    outer.__cause__ = raised
    error = Client("http://x", TOKEN)._http.failure("GET", "http://x", outer)
    assert TOKEN not in everything_of(error)
    cause = error.__cause__
    assert not hasattr(cause, "pool")
    assert getattr(cause, "request", None) is None
    assert isinstance(error, TransportError)
    assert error.request is not None
    assert dict(error.request.headers) == {"Accept": "x"}


def test_a_header_that_cannot_be_sent_is_not_shown(call: Call) -> None:
    """
    Its value may be a secret.
    """
    session = requests.Session()
    session.headers["X-Secret"] = " s3cret\n"
    error = failure_of(Client("http://127.0.0.1:9", TOKEN, session=session), call)
    assert type(error) is ConfigError
    assert "s3cret" not in everything_of(error)


# Logging.


@contextlib.contextmanager
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """
    Collect what the package logs at debug level.
    """
    caplog.set_level(logging.DEBUG, logger="coder_agents")
    found: list[str] = []
    yield found
    found += [record.getMessage() for record in caplog.records if record.name == "coder_agents"]
    assert TOKEN not in repr([vars(record) for record in caplog.records])


STATUS: dict[Call, int] = {rest: 200, sse: 200, websocket: 101, check: 200}


def accepting(conversation: Conversation) -> None:
    """
    Answer each kind of request as it wants.
    """
    head = conversation.read_head().lower()
    if b"upgrade: websocket" in head:
        conversation.accept_websocket()
    elif b"text/event-stream" in head:
        conversation.accept_sse()
    else:
        body = b'{"id": "a397ee51-1761-4c97-b4b2-e5a53b582592", "username": "me"}'
        conversation.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
    conversation.until_gone()


def test_each_request_is_logged(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    """
    Once, with its method, its URL, the status and the time it took.
    """
    with serving(accepting) as peer, logged(caplog) as messages, Client(peer.url, TOKEN) as client:
        call(client)
    assert len(messages) == 1
    assert messages[0].startswith(f"GET {peer.url}/api/v2/users/me: {STATUS[call]} in ")


@pytest.mark.parametrize("status", [b"403 Forbidden", b"200 OK\r\nContent-Type: text/html"])
def test_each_refused_request_is_logged(
    call: Call, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Once, with the status.
    """
    with serving(refusing(status)) as peer, logged(caplog) as messages:
        failure_of(Client(peer.url, TOKEN), call)
    assert len(messages) == 1
    assert messages[0].startswith(f"GET {peer.url}/api/v2/users/me: {status[:3].decode()} in ")


def test_each_request_without_an_answer_is_logged(
    call: Call, caplog: pytest.LogCaptureFixture, closed_port: int
) -> None:
    """
    Once, with the reason.
    """
    url = f"http://127.0.0.1:{closed_port}"
    with logged(caplog) as messages:
        failure_of(Client(url, TOKEN, retries=0), call)
    assert len(messages) == 1
    assert messages[0].startswith(f"GET {url}/api/v2/users/me: [Errno 111] Connection refused")


def test_a_request_that_cannot_be_made_is_logged(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A request without a URL is logged, too.
    """
    with logged(caplog) as messages:
        failure_of(Client("https://.example.com", TOKEN), call)
    assert len(messages) == 1
    assert messages[0].startswith("GET https://.example.com/api/v2/users/me: ")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (refusing(b"503 Service Unavailable"), "503; the request is sent again"),
        (Conversation.read_head, "Remote end closed connection without response"),
    ],
)
def test_each_retry_is_logged(
    script: Callable[[Conversation], object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    With the reason why the request is sent again.
    """
    with serving(script, script, accepting) as peer, logged(caplog) as messages:
        with Client(peer.url, TOKEN, retries=2) as client:
            client.me()
    begin = f"GET {peer.url}/api/v2/users/me: "
    assert [message.startswith(begin) for message in messages] == [True] * 3
    assert all(reason in message for message in messages[:2])
    assert messages[2].startswith(f"{begin}200 in ")


def test_a_retry_through_a_proxy_is_logged_with_its_url(caplog: pytest.LogCaptureFixture) -> None:
    """
    A proxy gets whole URLs, so nothing is put before them.
    """
    with serving(refusing(b"503 No"), accepting) as peer, logged(caplog) as messages:
        with proxied(peer.url, retries=1) as client:
            client.me()
    assert messages[0] == "GET http://coder.invalid/api/v2/users/me: 503; the request is sent again"


def test_nothing_is_logged_above_the_level(caplog: pytest.LogCaptureFixture) -> None:
    """
    At the level INFO, requests are not logged, whether they succeed or not.
    """
    caplog.set_level(logging.INFO, logger="coder_agents")
    with serving(refusing(b"503 No"), accepting) as peer:
        with Client(peer.url, TOKEN, retries=1) as client:
            for call in (rest, sse, websocket, check):
                call(client)
    assert [record for record in caplog.records if record.name == "coder_agents"] == []
